"""Asking: drafts, submissions, corrections, withdrawals, and the thread."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from release_portal.audit.actions import record
from release_portal.lib.links import page_url
from release_portal.lib.states import Refused, transition
from release_portal.lib.text import one_line
from release_portal.partners.actions import write_letter
from release_portal.partners.conflicts import require_impartial
from release_portal.partners.guards import people_who, require, require_person
from release_portal.partners.models import Letter, Partner, Pause, User
from release_portal.partners.permissions import Permission
from release_portal.partners.rates import count
from release_portal.releases.models import ModelSize

from ..models import AccessRequest, Grant, Purpose, Remark, RequestItem, Right, Submission
from ..terms import check_end, check_served, check_tokens

PROMISED = timedelta(days=10)
SHORTEST_PURPOSE = 20  # characters
LONGEST = {"purpose": 4000, "team": 2000, "ethics_reference": 200, "use_summary": 4000, "grounds": 4000}
SINGLE_LINE = frozenset({"ethics_reference"})
CHOSEN = frozenset({"purposes", "until_wanted"})  # given besides the texts of LONGEST
LONGEST_REMARK = 4000  # characters

Kind = AccessRequest.Kind
Status = AccessRequest.Status


@dataclass(frozen=True)
class Wanted:
    """One right on one size that is asked for; tokens for hosted generation alone."""

    size: ModelSize
    right: str = Right.GENERATION
    tokens: int = 0


@transaction.atomic
def start_request(*, by: User, partner: Partner, wanted: Sequence[Wanted] = (), **fields: Any) -> AccessRequest:
    """Begin a draft. Nothing is checked but that it can be stored; `submit_request` checks."""
    require(by, Permission.ACCESS_REQUEST, partner)
    count("request", by=by, partner=partner)
    request = AccessRequest.objects.create(partner=partner, created_by=by, created_at=timezone.now())
    save_request(by=by, request=request, wanted=wanted, **fields)
    return request


@transaction.atomic
def save_request(*, by: User, request: AccessRequest, wanted: Sequence[Wanted], **fields: Any) -> None:
    """Store what a draft or a returned request says now. `fields` are columns of the request."""
    require(by, Permission.ACCESS_REQUEST, request.partner)
    row = _locked(request)
    if not row.is_editable:
        raise Refused(f"This request is already {row.status_text}; it can no longer be changed.")
    for field, value in fields.items():
        if field in LONGEST:
            value = one_line(value) if field in SINGLE_LINE else value
            _check_length(field, value)
        elif field not in CHOSEN:
            raise TypeError(f"A request has no field {field}.")
        setattr(row, field, value)
    row.revision += 1
    row.save()
    store_items(request=row, wanted=wanted)
    request.refresh_from_db()


@transaction.atomic
def submit_request(*, by: User, request: AccessRequest) -> None:
    """Send a draft, or a returned request with what was asked for, to the reviewers."""
    require(by, Permission.ACCESS_REQUEST, request.partner)
    row = _locked(request)
    if not row.is_editable:
        raise Refused(f"This request is already {row.status_text}.")
    items = list(row.items.filter(status=RequestItem.Status.ASKED).smallest_first())
    _check_sendable(row, items)
    now = timezone.now()
    again = row.submitted_at is not None
    try:
        with transaction.atomic():
            for item in items:
                transition(item, RequestItem.Status.WAITING)
    except IntegrityError:
        named = _already_waiting(row, items)
        raise Refused(f"{row.partner} already has an open request for {named}.", field="wanted") from None
    sent = {"submitted_by": by, "submitted_at": now, "promised_at": now + PROMISED, "escalated_at": None}
    transition(row, Status.SUBMITTED, revision=row.revision + 1, **sent)
    number = row.submissions.count() + 1
    submission = Submission.objects.create(request=row, number=number, content=content_of(request=row), by=by, at=now)
    request.refresh_from_db()
    verb = "corrected" if again else "requested"
    sizes = [item.size for item in items]
    detail = {"items": [[item.size.path, item.right] for item in items], "number": number, "kind": row.kind}
    sentence = f"{request.partner} {verb} {request.summary}"
    about = [request, request.partner, *sizes, submission, *items]
    if again:
        record("access.corrected", sentence, *about, by=by, detail=detail)
    else:
        record("access.requested", sentence, *about, by=by, detail=detail)
    _tell_of_request(request, again, by=by)


def request_access(*, by: User, partner: Partner, wanted: Sequence[Wanted], **fields: Any) -> AccessRequest:
    """Ask in one step: all of it or nothing."""
    with transaction.atomic():
        request = start_request(by=by, partner=partner, wanted=wanted, **fields)
        submit_request(by=by, request=request)
    return request


@transaction.atomic
def withdraw_request(*, by: User, request: AccessRequest) -> None:
    """Take a request back before it is decided. What was already granted of it stays."""
    require(by, Permission.ACCESS_REQUEST, request.partner)
    take_back(by=by, request=_locked(request))
    request.refresh_from_db()


def take_back(*, by: User, request: AccessRequest) -> None:
    """Withdraw a request with what still waits of it. A draft that nobody was sent leaves no event."""
    transition(request, Status.WITHDRAWN, revision=request.revision + 1, claimed_by=None, claimed_until=None)
    items = list(request.items.filter(status__in=[RequestItem.Status.ASKED, RequestItem.Status.WAITING]))
    for item in items:
        transition(item, RequestItem.Status.DROPPED)
    if request.submitted_at:
        record("access.withdrawn", "The request was withdrawn", request, request.partner, *items, by=by)


@transaction.atomic
def say(*, by: User, request: AccessRequest, text: str, internal: bool = False) -> Remark:
    """Add to the thread. Applicants and reviewers read it; an internal note only reviewers."""
    require_person(by)
    from_lab = not by.may(Permission.PARTNER_READ, request.partner)
    if internal or not by.may(Permission.PARTNER_READ, request.partner):
        require(by, Permission.REQUEST_DECIDE)
        require_impartial(by, Permission.REQUEST_DECIDE, request.partner, authors=request.authors())
    if request.submitted_at is None:
        raise Refused("This request was not sent yet, so nobody at the lab reads it. Send it, then write.")
    text = text.strip()
    if not text:
        raise Refused("Type what you want to say.", field="text")
    if len(text) > LONGEST_REMARK:
        sentence = f"A message takes at most {LONGEST_REMARK:,} characters; this has {len(text):,}."
        raise Refused(sentence, field="text", limit=LONGEST_REMARK, given=len(text))
    count("say", by=by, partner=None if from_lab else request.partner)
    remark = Remark.objects.create(request=request, by=by, at=timezone.now(), text=text, internal=internal)
    if internal:
        record("review.noted", "A note was written", request, remark, by=by)
        return remark
    record("access.discussed", "A message was written", request, remark, by=by)
    applicants = people_who(Permission.ACCESS_REQUEST, request.partner)
    readers: Iterable[User] = applicants if from_lab else [request.claimed_by] if request.claimed_by else reviewers()
    path = request.get_absolute_url() if from_lab else page_url("lab_request", request.pk)
    write_letter(
        to=readers,
        subject=f"{by} wrote about {request.summary}",
        text=text,
        path=f"{path}#thread",
        action="Read and answer",
        by=by,
        urgency=Letter.Urgency.NEWS,
    )
    return remark


def content_of(*, request: AccessRequest) -> dict[str, Any]:
    """What a request says, as a submission keeps it."""
    items = request.items.exclude(status=RequestItem.Status.DROPPED).smallest_first()
    until = request.until_wanted.isoformat() if request.until_wanted else ""
    return {
        "items": [[str(item), item.tokens_wanted] for item in items],
        "purposes": [Purpose(purpose).label for purpose in request.purposes],
        "until_wanted": until,
        **{field: getattr(request, field) for field in LONGEST},
    }


def reviewers() -> Any:
    return people_who(Permission.REQUEST_DECIDE)


def _locked(request: AccessRequest) -> AccessRequest:
    rows = AccessRequest.objects.select_for_update(of=("self",)).select_related("partner", "decided_by", "returned_by")
    return rows.get(pk=request.pk)


def store_items(*, request: AccessRequest, wanted: Sequence[Wanted]) -> None:
    """The items as they are wanted now; one that is no longer wanted is dropped."""
    keys = [(one.size.pk, one.right) for one in wanted]
    if len(set(keys)) < len(keys):
        raise Refused("Each right on a size is asked for once.", field="wanted")
    for one in wanted:
        check_served("wanted", one.right)
        if one.tokens:  # a draft may leave it out
            check_tokens("tokens_wanted", one.right, one.tokens)
    kept = {(item.size_id, item.right): item for item in request.items.exclude(status=RequestItem.Status.DROPPED)}
    for key, item in kept.items():
        if key not in keys and item.status in (RequestItem.Status.ASKED, RequestItem.Status.WAITING):
            transition(item, RequestItem.Status.DROPPED)
    for one in wanted:
        held = Grant.objects.held().filter(partner=request.partner, size=one.size, right=one.right).first()
        replaces = held if request.kind != Kind.NEW else None
        fields = {"tokens_wanted": one.tokens, "replaces": replaces}
        if same := kept.get((one.size.pk, one.right)):
            RequestItem.objects.filter(pk=same.pk, status=RequestItem.Status.ASKED).update(**fields)
        else:
            row = {"request": request, "partner": request.partner, "size": one.size, "right": one.right}
            RequestItem.objects.create(**row, **fields)


def _check_sendable(request: AccessRequest, items: Sequence[RequestItem]) -> None:
    partner = request.partner
    if partner.status != Partner.Status.ADMITTED:
        raise Refused(f"{partner} is {partner.status_text}; only an admitted organisation can request access.")
    if request.submitted_at is None and (pause := Pause.objects.now()):
        raise Refused(pause.sentence)
    if not items:
        raise Refused("Choose a size and a right on it, at least one.", field="wanted")
    if not request.purposes:
        raise Refused("Choose the purposes of your study, at least one.", field="purposes")
    if unknown := [purpose for purpose in request.purposes if purpose not in Purpose.values]:
        raise Refused("Choose purposes from the list.", field="purposes", limit=Purpose.values, given=unknown)
    if len(request.purpose.strip()) < SHORTEST_PURPOSE:
        raise Refused(
            f"Say what you will study, in at least {SHORTEST_PURPOSE} characters; this has "
            f"{len(request.purpose.strip())}.",
            field="purpose",
            limit=SHORTEST_PURPOSE,
            given=len(request.purpose.strip()),
        )
    needed = {Kind.RENEWAL: "use_summary", Kind.AMENDMENT: "use_summary", Kind.APPEAL: "grounds"}.get(request.kind)  # type: ignore[call-overload]
    if needed and not getattr(request, needed).strip():
        asked = {"use_summary": "Say what was done so far", "grounds": "Say why the decision should be another"}
        raise Refused(f"{asked[needed]}: the reviewer reads it.", field=needed)
    if request.until_wanted is None:
        raise Refused("Say until when you want access.", field="until_wanted")
    check_end("until_wanted", request.until_wanted)
    for item in items:
        check_served("wanted", item.right)
        check_tokens("tokens_wanted", item.right, item.tokens_wanted)
    _check_not_held(request, items)


def _check_not_held(request: AccessRequest, items: Sequence[RequestItem]) -> None:
    if request.kind != Kind.NEW:
        return
    held = Grant.objects.held().filter(partner=request.partner, ends_at__gt=timezone.now())
    names = [str(item) for item in items if held.filter(size=item.size, right=item.right).exists()]
    if names:
        sentence = f"{request.partner} already has a grant of {', '.join(names)}. Amend or renew the grant."
        raise Refused(sentence, field="wanted", given=names)


def _already_waiting(request: AccessRequest, items: Sequence[RequestItem]) -> str:
    waiting = RequestItem.objects.waiting().filter(partner=request.partner).exclude(request=request)
    return ", ".join(str(item) for item in items if waiting.filter(size=item.size, right=item.right).exists())


def _check_length(field: str, value: str) -> None:
    if len(value) > LONGEST[field]:
        label = str(AccessRequest._meta.get_field(field).verbose_name)  # type: ignore[union-attr]
        raise Refused(
            f"“{label[0].upper()}{label[1:]}” takes at most {LONGEST[field]:,} characters; this has {len(value):,}.",
            field=field,
            limit=LONGEST[field],
            given=len(value),
        )


def _tell_of_request(request: AccessRequest, again: bool, *, by: User) -> None:
    promised = f"{request.promised_at:%-d %B %Y}"
    word = "corrected its request for" if again else "requests"
    returned = [request.returned_by] if again and request.returned_by else []
    write_letter(
        to=returned or reviewers(),
        subject=f"{request.partner} {word} {request.summary}",
        text=f"{by} of {request.partner}: {request.summary}, until {request.until_wanted:%-d %B %Y}. An answer is "
        f"promised by {promised}.",
        path=page_url("lab_request", request.pk),
        action="Review the request",
        by=by,
        urgency=Letter.Urgency.NEWS,
    )
    write_letter(
        to=[by.email],
        subject=f"We received your request for {request.summary}",
        text=f"A reviewer reads what {request.partner} asks for: {request.summary}. You get the answer by mail, "
        f"promised by {promised}. No answer is never a yes.",
        path=request.get_absolute_url(),
        action="See where it stands",
        by=by,
    )
