"""Grants of every organisation, revoking one, and who could use what at any time."""

from typing import Any

from django.db.models import Q
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Field, Router
from ninja.pagination import paginate

from release_portal.access import actions as access
from release_portal.access.api.grants import GrantOut
from release_portal.access.models import Grant
from release_portal.lib.reasons import LONGEST_REASON
from release_portal.lib.schemas import Body, Moment, Word
from release_portal.partners.permissions import Permission
from release_portal.partners.shortcuts import SignedIn
from release_portal.releases.models import ModelSize
from release_portal.releases.shortcuts import size_named

from ..decorators import staff

router = Router(tags=["review"])


class RevokeIn(Body):
    reason_code: Word = Field(description="misuse, agreement, key, requested, other")
    reason: str = Field(max_length=LONGEST_REASON, description="for the organisation to read")


class StaffGrantOut(GrantOut):
    waiver: str = Field(description="why the steps before the size were waived")


@router.get("/grants", response=list[StaffGrantOut], summary="Grants of every organisation, newest first")
@paginate
@staff(Permission.REQUEST_DECIDE, Permission.GRANT_REVOKE)
def review_grants(request: SignedIn, q: Word = "", status: Word = "") -> Any:
    sizes = ModelSize.objects.mentioned_in(q)
    found = Grant.objects.latest_first().filter(Q(partner__legal_name__icontains=q) | Q(size__in=sizes))
    return found.filter(status=status) if status else found


@router.post("/grants/{int:pk}/revoke", response=StaffGrantOut, summary="End a grant at once")
@staff(Permission.GRANT_REVOKE)
def revoke(request: SignedIn, pk: int, body: RevokeIn) -> Any:
    access.revoke_grant(by=request.user, grant=_grant(pk), **body.model_dump())
    return _grant(pk)


@router.get("/access-at", response=list[StaffGrantOut], summary="The grants that the access rule allowed at a time")
@paginate
@staff(Permission.REQUEST_DECIDE, Permission.GRANT_REVOKE, Permission.BOOK_READ)
def access_at(request: SignedIn, at: Moment | None = None, size: Word = "") -> Any:
    """`at` is a moment such as 2026-09-01T12:00:00Z, now where it is left out; `size` is one such as gpt2/124M."""
    found = Grant.objects.in_force(at=at or timezone.now()).latest_first()
    return found.filter(size=size_named(request, size)) if size else found


def _grant(pk: int) -> Grant:
    return get_object_or_404(Grant.objects.latest_first(), pk=pk)
