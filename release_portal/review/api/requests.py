"""Requests as reviewers see them, and their answers."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Field, Router, Schema, Status
from ninja.pagination import paginate

from release_portal.access import actions as access
from release_portal.access.actions import Answer
from release_portal.access.actions.reviews import LONGEST_RECUSAL
from release_portal.access.api.requests import ItemOut, RemarkIn, RemarkOut, RequestOut, RequestSummary
from release_portal.access.models import AccessRequest, Purpose, RequestItem
from release_portal.access.tally import tally_of, terms_offered
from release_portal.access.terms import LONGEST_WAIVER, Terms
from release_portal.lib.reasons import LONGEST_REASON
from release_portal.lib.schemas import LONGEST_LIST, Body, Word
from release_portal.lib.states import Refused
from release_portal.partners.conflicts import conflict_of
from release_portal.partners.models import User
from release_portal.partners.permissions import Permission
from release_portal.partners.shortcuts import SignedIn

from ..decorators import staff
from ..search import search

router = Router(tags=["review"])

NEEDED = ("ends_on", "token_quota", "purposes")
"""Of terms, what cannot be none: null is the same as left out."""


class TermsIn(Body):
    """What is offered. As on the page, what is left out is as another reviewer offers it, else as it was asked for; a
    limit that is null is none."""

    ends_on: date | None = Field(None, description="the last day, in UTC")
    starts_on: date | None = Field(None, description="null: at once")
    token_quota: int | None = Field(None, description="for generation alone")
    purposes: list[Purpose] | None = Field(None, max_length=LONGEST_LIST, description="among those that were asked for")
    sample_quota: int | None = None
    concurrent_jobs: int | None = None
    longest_text: int | None = None
    samples_per_prompt: int | None = None
    conditions: str = Field("", max_length=LONGEST_REASON, description="for the organisation to read")
    reduction_reason: str = Field(
        "", max_length=LONGEST_REASON, description="why this is less than was asked for; for the applicant to read"
    )
    waiver: str = Field("", max_length=LONGEST_WAIVER, description="why the steps before the size are waived")


class AnswerIn(Body):
    """Terms to grant an item, or a reason to decline it."""

    item: int
    terms: TermsIn | None = None
    reason_code: Word = Field("", description="purpose, need, safeguards, ethics, ladder, capacity, record, other")
    reason: str = Field("", max_length=LONGEST_REASON, description="for the applicant to read")
    note: str = Field("", max_length=LONGEST_REASON, description="for reviewers alone")


class DecisionsIn(Body):
    answers: list[AnswerIn] = Field(max_length=LONGEST_LIST)
    seen: int | None = Field(None, description="the revision that you read; refused where it is no longer that")


class ReturnIn(Body):
    reason_code: Word = Field(description="unclear, team, amount, ethics, safeguards, other")
    reason: str = Field(max_length=LONGEST_REASON, description="for the applicant to read")
    seen: int | None = Field(None, description="the revision that you read; refused where it is no longer that")


class ReasonIn(Body):
    reason: str = Field(max_length=LONGEST_REASON)


class RecuseIn(Body):
    reason: str = Field(max_length=LONGEST_RECUSAL, description="for other reviewers to read")


class InternalRemarkIn(RemarkIn):
    internal: bool = Field(False, description="for reviewers alone")


class ReviewOut(Schema):
    reviewer: str = Field(alias="reviewer.name")
    verdict: str
    terms: dict[str, Any] | None
    reason_code: str
    reason: str
    note: str
    at: datetime
    is_current: bool


class StaffItemOut(ItemOut):
    note: str
    reviews: list[ReviewOut]
    approvals: str = Field(description="how far its reviews have come")
    steps_missing: str = Field(description="what comes before the size and is not done")

    @staticmethod
    def resolve_note(item: RequestItem) -> str:
        return "" if item.request.conflict else item.note

    @staticmethod
    def resolve_reviews(item: RequestItem) -> Any:
        return [] if item.request.conflict else item.reviews.select_related("reviewer").order_by("at")

    @staticmethod
    def resolve_approvals(item: RequestItem) -> str:
        return tally_of(item, at=timezone.now()).sentence

    @staticmethod
    def resolve_steps_missing(item: RequestItem) -> str:
        return tally_of(item, at=timezone.now()).steps_missing


class RecusalOut(Schema):
    reviewer: str = Field(alias="reviewer.name")
    reason: str
    at: datetime


class StaffRequestSummary(RequestSummary):
    revision: int
    claimed_by: str | None = None
    claimed_until: datetime | None

    @staticmethod
    def resolve_claimed_by(request: AccessRequest) -> str | None:
        claimant = request.claimant(at=timezone.now())
        return claimant.name if claimant else None


class StaffRequestOut(RequestOut, StaffRequestSummary):
    items: list[StaffItemOut]  # type: ignore[assignment]
    conflict: str = Field(description="why you do not decide it; notes, reviews and recusals are left out then")
    notes: list[RemarkOut]
    recusals: list[RecusalOut]

    @staticmethod
    def resolve_notes(request: AccessRequest) -> Any:
        return [] if request.conflict else request.remarks.internal().oldest_first()

    @staticmethod
    def resolve_recusals(request: AccessRequest) -> Any:
        return [] if request.conflict else request.recusals.select_related("reviewer").order_by("at")


@router.get("/requests", response=list[StaffRequestSummary], summary="Requests found by a search, oldest first")
@paginate
@staff(Permission.REQUEST_DECIDE)
def review_requests(request: SignedIn, q: Word = "") -> Any:
    """`q` is the search of the desk, such as `size:1558M state:waiting age>14d`."""
    found = AccessRequest.objects.filter(search(q, by=request.user, at=timezone.now()))
    sent = AccessRequest.objects.sent().filter(pk__in=found.values("pk"))
    return sent.with_items().select_related("returned_by").order_by("submitted_at", "id")


@router.get("/requests/{int:pk}", response=StaffRequestOut, summary="One request with what only reviewers see")
@staff(Permission.REQUEST_DECIDE)
def review_request(request: SignedIn, pk: int) -> Any:
    return _request(pk, request.user)


@router.post("/requests/{int:pk}/claim", response=StaffRequestOut, summary="Keep a request for half an hour")
@staff(Permission.REQUEST_DECIDE)
def claim(request: SignedIn, pk: int) -> Any:
    access.claim_request(by=request.user, request=_request(pk, request.user))
    return _request(pk, request.user)


@router.post("/requests/{int:pk}/release", response=StaffRequestOut, summary="Give a claimed request back")
@staff(Permission.REQUEST_DECIDE)
def release(request: SignedIn, pk: int) -> Any:
    access.release_request(by=request.user, request=_request(pk, request.user))
    return _request(pk, request.user)


@router.post("/requests/{int:pk}/recuse", response=StaffRequestOut, summary="Step aside: your interests are touched")
@staff(Permission.REQUEST_DECIDE)
def recuse(request: SignedIn, pk: int, body: RecuseIn) -> Any:
    access.recuse(by=request.user, request=_request(pk, request.user), reason=body.reason)
    return _request(pk, request.user)


@router.post("/requests/{int:pk}/return", response=StaffRequestOut, summary="Return a request for changes")
@staff(Permission.REQUEST_DECIDE)
def return_request(request: SignedIn, pk: int, body: ReturnIn) -> Any:
    access.return_request(by=request.user, request=_request(pk, request.user), **body.model_dump())
    return _request(pk, request.user)


@router.post("/requests/{int:pk}/decisions", response=StaffRequestOut, summary="Grant or decline, item by item")
@staff(Permission.REQUEST_DECIDE)
def decide_request(request: SignedIn, pk: int, body: DecisionsIn) -> Any:
    asked = _request(pk, request.user)
    access.decide_request(by=request.user, request=asked, answers=_answers(asked, body.answers), seen=body.seen)
    return _request(pk, request.user)


@router.post("/requests/{int:pk}/remarks", response={201: RemarkOut}, summary="Write to the applicants, or a note")
@staff(Permission.REQUEST_DECIDE)
def review_say(request: SignedIn, pk: int, body: InternalRemarkIn) -> Any:
    return Status(201, access.say(by=request.user, request=_request(pk, request.user), **body.model_dump()))


def _request(pk: int, reader: User) -> AccessRequest:
    """The request, with why this person does not decide it, if they do not."""
    rows = AccessRequest.objects.sent().with_items().select_related("returned_by")
    asked = get_object_or_404(rows, pk=pk)
    conflict = conflict_of(reader, Permission.REQUEST_DECIDE, asked.partner, authors=asked.authors())
    asked.conflict = conflict.sentence if conflict else ""
    return asked


def _answers(asked: AccessRequest, answers: Sequence[AnswerIn]) -> list[Answer]:
    items = {item.pk: item for item in asked.items.all()}
    return [_answer(f"answers.{index}", items, one) for index, one in enumerate(answers)]


def _answer(field: str, items: dict[int, RequestItem], one: AnswerIn) -> Answer:
    if one.item not in items:
        known = sorted(items)
        raise Refused(f"This request has no item {one.item}.", field=f"{field}.item", limit=known, given=one.item)
    if one.terms and (one.reason_code or one.reason):
        raise Refused("Give terms to grant an item or a reason to decline it, not both.", field=field)
    why = one.model_dump(include={"reason_code", "reason", "note"})
    item = items[one.item]
    return Answer(item, _terms(item, one.terms) if one.terms else None, **why)


def _terms(item: RequestItem, given: TermsIn) -> Terms:
    """The reasons of another reviewer go with the whole of the offer alone: of other terms they would be untrue."""
    changes = given.model_dump(exclude_unset=True)
    changes = {name: value for name, value in changes.items() if value is not None or name not in NEEDED}
    if "purposes" in changes:
        changes["purposes"] = tuple(map(str, changes["purposes"]))
    offered = terms_offered(item, tally_of(item, at=timezone.now()))
    terms = replace(offered, **changes)
    if terms.is_same_offer(offered):
        return terms
    return replace(terms, reduction_reason=given.reduction_reason, waiver=given.waiver)
