"""An organisation: what it may use now, what it found, and its end."""

from datetime import datetime
from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Field, Router, Schema, Status
from ninja.pagination import paginate

from release_portal.lib.schemas import Body, Word
from release_portal.partners.models import Partner
from release_portal.partners.shortcuts import SignedIn
from release_portal.releases.models import ModelSize
from release_portal.releases.shortcuts import size_named

from .. import actions
from ..actions.rules import LONGEST_FINDING
from ..models import Right
from ..rule import decide
from .schemas import MissingOut, partner_of

router = Router(tags=["access"])


class AccessOut(Schema):
    size: str
    right: str
    allowed: bool
    grant: int | None
    missing: list[MissingOut]


class FindingIn(Body):
    size: Word = Field(description="family/size, such as gpt2/124M")
    title: Word
    text: str = Field(max_length=LONGEST_FINDING, description="what was found")


class FindingOut(Schema):
    id: int
    organisation: str = Field(alias="partner.slug")
    size: str = Field(alias="size.path")
    title: str
    text: str
    sent_by: str = Field(alias="sent_by.name")
    sent_at: datetime
    accepted_at: datetime | None


@router.get("/{slug:slug}/access", response=list[AccessOut], summary="What may be used now, and what is missing")
def access_now(request: SignedIn, slug: str) -> Any:
    partner, now = partner_of(request, slug), timezone.now()
    answers = []
    for size in ModelSize.objects.smallest_first():
        for right in Right:
            decision = decide(partner=partner, size=size, right=right, at=now)
            grant = decision.grant.pk if decision.grant and decision.allowed else None
            answer = {"allowed": decision.allowed, "grant": grant, "missing": decision.missing}
            answers.append({"size": size.path, "right": right} | answer)
    return answers


@router.get("/{slug:slug}/findings", response=list[FindingOut], summary="Findings that were reported")
@paginate
def list_findings(request: SignedIn, slug: str) -> Any:
    return partner_of(request, slug).findings.newest_first().select_related("partner")


@router.post("/{slug:slug}/findings", response={201: FindingOut}, summary="Tell the lab what was found with a size")
def report_finding(request: SignedIn, slug: str, body: FindingIn) -> Any:
    finding = body.model_dump() | {"size": size_named(request, body.size)}
    return Status(201, actions.report_finding(by=request.user, partner=partner_of(request, slug), **finding))


@router.post("/{slug:slug}/close", response={204: None}, summary="End an organisation, its requests and its grants")
def close_organisation(request: SignedIn, slug: str) -> Any:
    partner = get_object_or_404(Partner.objects.known_to(request.user), slug=slug)
    actions.close_organisation(by=request.user, partner=partner)
    return Status(204, None)
