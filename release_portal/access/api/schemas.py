"""What the operations of this room share: what is missing, terms, and things of one's own organisations."""

from datetime import datetime

from django.shortcuts import get_object_or_404
from ninja import Field, Schema

from release_portal.partners.models import Partner
from release_portal.partners.shortcuts import SignedIn


class MissingOut(Schema):
    code: str
    sentence: str
    who: str = Field(description="whose turn it is")
    url: str = Field(description="where they can do it")


class TermsOut(Schema):
    starts_at: datetime
    ends_at: datetime
    token_quota: int
    sample_quota: int | None
    concurrent_jobs: int | None
    purposes: list[str]
    longest_text: int | None
    samples_per_prompt: int | None
    conditions: str
    reduction_reason: str = Field(description="why this is less than was asked for")


def partner_of(request: SignedIn, slug: str) -> Partner:
    return get_object_or_404(Partner.objects.visible_to(request.user), slug=slug)
