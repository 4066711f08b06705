"""Suspending at every level, confirming, lifting."""

from datetime import datetime
from typing import Any

from django.shortcuts import get_object_or_404
from ninja import Field, Router, Schema, Status
from ninja.pagination import paginate

from release_portal.access import actions as access
from release_portal.access.models import Grant, Subject, Suspension
from release_portal.lib.reasons import LONGEST_REASON
from release_portal.lib.schemas import Body, Word
from release_portal.lib.states import Refused
from release_portal.partners.models import Partner
from release_portal.partners.permissions import Permission
from release_portal.partners.shortcuts import SignedIn
from release_portal.releases.shortcuts import size_named

from ..decorators import staff
from .requests import ReasonIn

router = Router(tags=["review"])


class SuspensionIn(Body):
    """Exactly one of organisation, size, grant and everything."""

    organisation: Word | None = Field(None, description="its short name")
    size: Word | None = Field(None, description="family/size, such as gpt2/124M")
    grant: int | None = None
    everything: bool = False
    reason_code: Word = Field(description="investigation, key, misuse, agreement, risk, requested, other")
    reason: str = Field(max_length=LONGEST_REASON, description="for those concerned to read")


class SuspensionOut(Schema):
    id: int
    url: str = Field(alias="get_absolute_url")
    level: str
    subject: str
    status: str
    status_text: str
    reason_code: str
    reason: str
    by: str = Field(alias="by.name")
    at: datetime
    begins_at: datetime | None
    lifted_at: datetime | None
    lift_reason: str


@router.get("/suspensions", response=list[SuspensionOut], summary="Suspensions, newest first")
@paginate
@staff(Permission.ACCESS_SUSPEND, Permission.BOOK_READ)
def list_suspensions(request: SignedIn, status: Word = "") -> Any:
    found = Suspension.objects.newest_first()
    return found.filter(status=status) if status else found


@router.post("/suspensions", response={201: SuspensionOut}, summary="Suspend; the gravest wait for a second person")
@staff(Permission.ACCESS_SUSPEND)
def suspend(request: SignedIn, body: SuspensionIn) -> Any:
    why = body.model_dump(include={"reason_code", "reason"})
    return Status(201, access.suspend(by=request.user, subject=_subject(request, body), **why))


@router.get("/suspensions/{int:pk}", response=SuspensionOut, summary="One suspension")
@staff(Permission.ACCESS_SUSPEND, Permission.BOOK_READ)
def get_suspension(request: SignedIn, pk: int) -> Any:
    return _suspension(pk)


@router.post("/suspensions/{int:pk}/confirm", response=SuspensionOut, summary="Agree, as the second person")
@staff(Permission.ACCESS_SUSPEND)
def confirm_suspension(request: SignedIn, pk: int) -> Any:
    access.confirm_suspension(by=request.user, suspension=_suspension(pk))
    return _suspension(pk)


@router.post("/suspensions/{int:pk}/drop", response=SuspensionOut, summary="Take a proposed one back")
@staff(Permission.ACCESS_SUSPEND)
def drop_suspension(request: SignedIn, pk: int) -> Any:
    access.drop_suspension(by=request.user, suspension=_suspension(pk))
    return _suspension(pk)


@router.post("/suspensions/{int:pk}/lift", response=SuspensionOut, summary="Let use go on")
@staff(Permission.ACCESS_SUSPEND)
def lift_suspension(request: SignedIn, pk: int, body: ReasonIn) -> Any:
    access.lift_suspension(by=request.user, suspension=_suspension(pk), reason=body.reason)
    return _suspension(pk)


def _suspension(pk: int) -> Suspension:
    return get_object_or_404(Suspension.objects.newest_first(), pk=pk)


def _subject(request: SignedIn, body: SuspensionIn) -> Subject:
    named = [name for name in ("organisation", "size", "grant", "everything") if getattr(body, name)]
    if len(named) != 1:
        given = ", ".join(named) or "none"
        sentence = f"Name one of organisation, size, grant and everything; you named {given}."
        raise Refused(sentence, field="organisation", limit=1, given=len(named))
    if body.organisation:
        return get_object_or_404(Partner, slug=body.organisation)
    if body.grant:
        return get_object_or_404(Grant.objects.latest_first(), pk=body.grant)
    return size_named(request, body.size) if body.size else None
