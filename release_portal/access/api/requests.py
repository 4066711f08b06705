"""Requests: drafts, submissions, the thread, and what follows a decision."""

from datetime import date, datetime
from typing import Any

from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Field, Router, Schema, Status
from ninja.pagination import paginate

from release_portal.lib.schemas import LONGEST_LIST, Body, Word
from release_portal.partners.shortcuts import SignedIn
from release_portal.releases.shortcuts import size_named

from .. import actions
from ..actions.requests import LONGEST, LONGEST_REMARK
from ..models import AccessRequest, Grant, Purpose, RequestItem, Right
from ..rule import decide
from .schemas import MissingOut, TermsOut, partner_of

router = Router(tags=["access"])


class WantedIn(Body):
    """One right on one size."""

    size: Word = Field(description="family/size, such as gpt2/124M")
    right: Right = Field(Right.GENERATION, description=f"one of {', '.join(Right.values)}")
    tokens: int = Field(0, description=f"for {', '.join(Right.metered())} alone")


class RequestIn(Body):
    """What a request says; a draft may leave out anything."""

    wanted: list[WantedIn] = Field([], max_length=LONGEST_LIST)
    purposes: list[Purpose] = Field(
        [], max_length=LONGEST_LIST, description="what it is for; a grant allows some of these"
    )
    purpose: str = Field("", max_length=LONGEST["purpose"], description="what you will study")
    team: str = Field("", max_length=LONGEST["team"], description="who will use it")
    ethics_reference: str = Field("", max_length=LONGEST["ethics_reference"])
    until_wanted: date | None = Field(None, description="the last day, in UTC")
    use_summary: str = Field(
        "", max_length=LONGEST["use_summary"], description="for an amendment or a renewal: what was done so far"
    )
    grounds: str = Field(
        "", max_length=LONGEST["grounds"], description="for an appeal: why the decision should be another"
    )

    def as_arguments(self, request: SignedIn) -> dict[str, Any]:
        """As the verbs take it."""
        wanted = [_wanted(request, index, one) for index, one in enumerate(self.wanted)]
        return {name: getattr(self, name) for name in type(self).model_fields} | {"wanted": wanted}


class RemarkIn(Body):
    text: str = Field(max_length=LONGEST_REMARK)


class ItemSummary(Schema):
    id: int
    size: str = Field(alias="size.path")
    right: str
    tokens: int = Field(alias="tokens_wanted")
    status: str
    status_text: str


class ItemOut(ItemSummary):
    reason_code: str = Field(description="why it was declined")
    reason: str
    granted: TermsOut | None = None
    missing: list[MissingOut] = Field(description="what stands between the organisation and this now")

    @staticmethod
    def resolve_granted(item: RequestItem) -> Grant | None:
        return getattr(item, "grant", None)

    @staticmethod
    def resolve_missing(item: RequestItem) -> Any:
        right = Right(item.right)
        return decide(partner=item.request.partner, size=item.size, right=right, at=timezone.now()).missing


class RemarkOut(Schema):
    by: str = Field(alias="by.name")
    at: datetime
    text: str


class RequestSummary(Schema):
    id: int
    url: str = Field(alias="get_absolute_url")
    organisation: str = Field(alias="partner.slug")
    kind: str
    status: str
    status_text: str
    summary: str
    items: list[ItemSummary]
    created_at: datetime
    submitted_at: datetime | None
    promised_at: datetime | None = Field(description="by when an answer was promised")
    decided_at: datetime | None

    @staticmethod
    def resolve_items(request: AccessRequest) -> list[RequestItem]:
        return [item for item in request.items.all() if item.is_asked]


class RequestOut(RequestSummary):
    items: list[ItemOut]  # type: ignore[assignment]
    revision: int
    purposes: list[str]
    purpose: str
    team: str
    ethics_reference: str
    until_wanted: date | None
    use_summary: str
    grounds: str
    previous: int | None = Field(alias="previous_id")
    return_code: str
    return_reason: str
    ahead: int = Field(alias="waiting_before", description="how many requests wait for longer")
    thread: list[RemarkOut]

    @staticmethod
    def resolve_items(request: AccessRequest) -> Any:
        asked = request.items.exclude(status=RequestItem.Status.DROPPED).smallest_first()
        return asked.select_related("size__family", "decided_by", "grant", "request__partner")

    @staticmethod
    def resolve_thread(request: AccessRequest) -> Any:
        return request.remarks.for_applicants().oldest_first()


@router.get("/{slug:slug}/requests", response=list[RequestSummary], summary="Requests, newest first; drafts too")
@paginate
def list_requests(request: SignedIn, slug: str, status: Word = "") -> Any:
    requests = partner_of(request, slug).access_requests.newest_first().select_related("returned_by")
    return requests.filter(status=status) if status else requests


@router.post("/{slug:slug}/requests", response={201: RequestOut}, summary="Request access; draft=true keeps a draft")
def request_access(request: SignedIn, slug: str, body: RequestIn, draft: bool = False) -> Any:
    verb = actions.start_request if draft else actions.request_access
    return Status(201, verb(by=request.user, partner=partner_of(request, slug), **body.as_arguments(request)))


@router.get("/{slug:slug}/requests/{int:pk}", response=RequestOut, summary="One request, item by item, and its thread")
def get_request(request: SignedIn, slug: str, pk: int) -> Any:
    return _request(request, slug, pk)


@router.put("/{slug:slug}/requests/{int:pk}", response=RequestOut, summary="Change a draft or a returned request")
def save_request(request: SignedIn, slug: str, pk: int, body: RequestIn) -> Any:
    actions.save_request(by=request.user, request=_request(request, slug, pk), **body.as_arguments(request))
    return _request(request, slug, pk)


@router.post("/{slug:slug}/requests/{int:pk}/submit", response=RequestOut, summary="Send a draft or a correction")
def submit_request(request: SignedIn, slug: str, pk: int) -> Any:
    actions.submit_request(by=request.user, request=_request(request, slug, pk))
    return _request(request, slug, pk)


@router.post("/{slug:slug}/requests/{int:pk}/withdraw", response=RequestOut, summary="Take a request back")
def withdraw_request(request: SignedIn, slug: str, pk: int) -> Any:
    actions.withdraw_request(by=request.user, request=_request(request, slug, pk))
    return _request(request, slug, pk)


@router.post("/{slug:slug}/requests/{int:pk}/copy", response={201: RequestOut}, summary="A draft that says the same")
def copy_request(request: SignedIn, slug: str, pk: int) -> Any:
    return Status(201, actions.copy_request(by=request.user, request=_request(request, slug, pk)))


@router.post("/{slug:slug}/requests/{int:pk}/appeal", response={201: RequestOut}, summary="The draft of the one appeal")
def appeal(request: SignedIn, slug: str, pk: int) -> Any:
    return Status(201, actions.appeal(by=request.user, request=_request(request, slug, pk)))


@router.post("/{slug:slug}/requests/{int:pk}/remarks", response={201: RemarkOut}, summary="Write to the reviewers")
def say(request: SignedIn, slug: str, pk: int, body: RemarkIn) -> Any:
    return Status(201, actions.say(by=request.user, request=_request(request, slug, pk), text=body.text))


def _wanted(request: SignedIn, index: int, one: WantedIn) -> actions.Wanted:
    return actions.Wanted(size_named(request, one.size, f"wanted.{index}.size"), one.right, one.tokens)


def _request(request: SignedIn, slug: str, pk: int) -> AccessRequest:
    related = AccessRequest.objects.with_items().select_related("returned_by")
    return get_object_or_404(related, partner=partner_of(request, slug), pk=pk)
