"""Answering: claims, reviews item by item, returns, recusals; and what happens when nobody answers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from release_portal.audit.actions import record
from release_portal.audit.loops import each
from release_portal.lib.broker import send_task_on_commit
from release_portal.lib.links import page_url
from release_portal.lib.reasons import check_length, checked_reason
from release_portal.lib.states import Refused, transition
from release_portal.lib.text import one_line
from release_portal.partners.actions import write_letter
from release_portal.partners.conflicts import require_impartial
from release_portal.partners.guards import people_who, require, require_person
from release_portal.partners.models import Letter, User
from release_portal.partners.permissions import Permission

from ..models import AccessRequest, DeclineReason, Purpose, Recusal, RequestItem, ReturnReason, Review
from ..models.reviews import ReviewQuerySet
from ..tally import Tally, tally_of
from ..terms import Terms, check_terms, reductions
from .grants import give

CLAIM = timedelta(minutes=30)
LONGEST_RECUSAL = 500  # characters
NO_LETTER = ("No mail yet", "Your answer is kept; the item is decided once its rule is met.")

Verdict = Review.Verdict


@dataclass(frozen=True)
class Answer:
    """One reviewer's answer to one item: terms to approve it, or a reason to decline it."""

    item: RequestItem
    terms: Terms | None = None
    reason_code: str = ""
    reason: str = ""
    note: str = ""

    @property
    def verdict(self) -> Review.Verdict:
        return Verdict.APPROVE if self.terms else Verdict.DECLINE


@transaction.atomic
def claim_request(*, by: User, request: AccessRequest) -> None:
    """Keep a request for oneself for half an hour, so that two do not read the same."""
    row = _to_review(request, by)
    now = timezone.now()
    _refuse_claimed(row, by, now)
    AccessRequest.objects.filter(pk=row.pk).update(claimed_by=by, claimed_until=now + CLAIM)
    record("review.claimed", "The request was claimed", request, by=by)
    request.refresh_from_db()


@transaction.atomic
def release_request(*, by: User, request: AccessRequest) -> None:
    """Give a claimed request back to the desk."""
    require(by, Permission.REQUEST_DECIDE)
    freed = AccessRequest.objects.filter(pk=request.pk, claimed_by=by).update(claimed_by=None, claimed_until=None)
    if not freed:
        raise Refused("You have not claimed this request.")
    record("review.released", "The request was given back to the desk", request, by=by)
    request.refresh_from_db()


@transaction.atomic
def recuse(*, by: User, request: AccessRequest, reason: str) -> None:
    """Step aside: the person's own interests are touched. They no longer decide this request."""
    require(by, Permission.REQUEST_DECIDE)
    if request.submitted_at is None:
        raise Refused("This request was not sent yet; there is nothing to step aside from.")
    sentence = "Say why you step aside; other reviewers read it."
    reason = checked_reason(one_line(reason), sentence, longest=LONGEST_RECUSAL)
    recusal, made = Recusal.objects.get_or_create(
        request=request, reviewer=by, defaults={"reason": reason, "at": timezone.now()}
    )
    if not made:
        raise Refused("You stepped aside from this request before.")
    AccessRequest.objects.filter(pk=request.pk, claimed_by=by).update(claimed_by=None, claimed_until=None)
    mine = Review.objects.filter(item__request=request, reviewer=by, item__status=RequestItem.Status.WAITING)
    record("review.recused", "A reviewer stepped aside", request, recusal, *_set_aside(mine), by=by)
    request.refresh_from_db()


@transaction.atomic
def return_request(*, by: User, request: AccessRequest, reason_code: str, reason: str, seen: int | None = None) -> None:
    """Ask for changes, the normal path: the applicant corrects the request and sends it again."""
    row = _to_review(request, by)
    if reason_code not in ReturnReason.values:
        raise Refused("Choose what to change from the list.", field="reason_code", given=reason_code)
    reason = checked_reason(reason, "Say what to change, for the applicant to read.")
    _refuse_claimed(row, by, timezone.now())
    _refuse_unseen(row, seen)
    columns = {"returned_by": by, "returned_at": timezone.now(), "return_code": reason_code, "return_reason": reason}
    freed = {"claimed_by": None, "claimed_until": None, "revision": row.revision + 1}
    transition(row, AccessRequest.Status.RETURNED, **columns, **freed)
    items = list(row.items.waiting())
    for item in items:
        transition(item, RequestItem.Status.ASKED)
    set_aside = _set_aside(Review.objects.filter(item__in=items))
    request.refresh_from_db()
    about = [request, request.partner, *items, *set_aside]
    record("access.returned", "The request was returned for changes", *about, by=by)
    write_letter(
        to=people_who(Permission.ACCESS_REQUEST, request.partner),
        subject=f"Your request for {request.summary} needs changes",
        text=f"{request.get_return_code_display()}.\n\n{reason}\n\nCorrect the request and send it again.",
        path=request.get_absolute_url(),
        action="Correct the request",
        by=by,
    )


@transaction.atomic
def decide_request(
    *, by: User, request: AccessRequest, answers: Sequence[Answer], seen: int | None = None
) -> list[Tally]:
    """Answer items of a request. An item is decided once its size's rule is met; until then the answer waits for
    another reviewer.

    `seen` is the revision that the reviewer had before them: the second of two reads who decided what.
    """
    row = _to_review(request, by, decided=answers)
    _refuse_claimed(row, by, timezone.now())
    if not answers:
        raise Refused("Answer one item at least.", field="answers")
    _refuse_unseen(row, seen)
    _refuse_same_people(row, by)
    tallies = [_review(row, answer, by=by) for answer in answers]
    AccessRequest.objects.filter(pk=row.pk).update(revision=row.revision + 1, claimed_by=None, claimed_until=None)
    if not row.items.waiting().exists():
        transition(row, AccessRequest.Status.DECIDED, decided_by=by, decided_at=timezone.now())
    request.refresh_from_db()
    if decided := [answer for answer, tally in zip(answers, tallies, strict=True) if tally.decided]:
        subject, text = _decision_letter(request, decided)
        write_letter(
            to=people_who(Permission.PARTNER_READ, request.partner),
            subject=subject,
            text=text,
            path=request.get_absolute_url(),
            action="Read the decision",
            by=by,
        )
    send_task_on_commit("jobs.dispatch")
    return tallies


def preview_decision(
    *, by: User, request: AccessRequest, answers: Sequence[Answer], seen: int | None = None
) -> tuple[str, str]:
    """The mail that these answers would send, found by deciding and taking it all back. Raises what deciding would."""
    with transaction.atomic():
        tallies = decide_request(by=by, request=request, answers=answers, seen=seen)
        decided = [answer for answer, tally in zip(answers, tallies, strict=True) if tally.decided]
        letter = _decision_letter(request, decided) if decided else NO_LETTER
        transaction.set_rollback(True)
    request.refresh_from_db()
    return letter


def _decision_letter(request: AccessRequest, answers: Sequence[Answer]) -> tuple[str, str]:
    """Subject and text of the mail that tells applicants of these answers: also its preview."""
    lines = []
    for answer in answers:
        if answer.terms:
            lines += _granted_in_words(answer.item, answer.terms)
        else:
            label = DeclineReason(answer.reason_code).label
            lines.append(f"{answer.item}: declined. {label}. {answer.reason}".strip())
    granted = [str(answer.item) for answer in answers if answer.terms]
    subject = f"Granted to {request.partner}: {', '.join(granted)}" if granted else f"Declined: {request.summary}"
    if not all(answer.terms for answer in answers):
        lines.append(f"{request.partner} can appeal once, or ask again with what was missing.")
    return subject, "\n\n".join(lines)


def _granted_in_words(item: RequestItem, terms: Terms) -> list[str]:
    purposes = ", ".join(Purpose(purpose).label for purpose in terms.purposes)
    lines = [f"{item}: granted {terms.sentence}, for {purposes}."]
    if less := reductions(item, terms):
        lines.append(f"Less than was asked for: {'; '.join(less)}. The reason: {terms.reduction_reason}")
    return [*lines, *([f"Conditions: {terms.conditions}"] if terms.conditions else [])]


def escalate_requests(*, by: User | None, at: datetime) -> int:
    """Tell those who oversee the desk of requests past their promised day. Nothing is approved by waiting."""
    late = AccessRequest.objects.overdue(at=at).filter(escalated_at__isnull=True).select_related("partner")
    return each(late, lambda request: _escalate(request, at, by=by), task="access.escalate_requests", at=at)


def _to_review(request: AccessRequest, by: User, *, decided: Sequence[Answer] = ()) -> AccessRequest:
    """The request's row, locked, where this person may review it now."""
    require(by, Permission.REQUEST_DECIDE)
    require_person(by)
    names = ("partner", "decided_by", "returned_by", "claimed_by", "previous")
    row = AccessRequest.objects.select_for_update(of=("self",)).select_related(*names).get(pk=request.pk)
    for answer in decided:
        item = RequestItem.objects.select_related("decided_by", "size__family", "request").get(pk=answer.item.pk)
        if item.request_id != row.pk:
            raise Refused("This item belongs to another request.", field="answers")
        if item.status in (RequestItem.Status.GRANTED, RequestItem.Status.DECLINED):
            raise Refused(f"{item} is already {item.status_text}.")
    if row.status != AccessRequest.Status.SUBMITTED:
        raise Refused(f"This request is already {row.status_text}.")
    require_impartial(by, Permission.REQUEST_DECIDE, row.partner, authors=row.authors())
    if row.recusals.filter(reviewer=by).exists():
        raise Refused("You stepped aside from this request, so another reviewer has to decide.")
    return row


def _refuse_claimed(row: AccessRequest, by: User, now: datetime) -> None:
    if row.claimant(at=now) not in (None, by):
        raise Refused(f"{row.claimed_by} has claimed this request until {row.claimed_until:%H:%M} UTC.")


def _refuse_unseen(row: AccessRequest, seen: int | None) -> None:
    if seen is not None and seen != row.revision:
        raise Refused("This request changed since you opened it. Look at it again, then decide.", field="seen")


def _refuse_same_people(row: AccessRequest, by: User) -> None:
    appealed = row.previous if row.kind == AccessRequest.Kind.APPEAL else None
    if appealed and Review.objects.filter(item__request=appealed, reviewer=by).exists():
        raise Refused("You decided what is appealed here, so another reviewer has to answer the appeal.")


def _review(row: AccessRequest, answer: Answer, *, by: User) -> Tally:
    item = RequestItem.objects.select_related("size__family", "request__partner", "replaces").get(pk=answer.item.pk)
    now = timezone.now()
    item.request = row
    answer = _checked(item, answer, now)
    set_aside = _set_aside(_other_offers(item, answer.terms)) if answer.terms else []
    set_aside += _set_aside(item.reviews.filter(reviewer=by))
    review = Review.objects.create(
        item=item,
        reviewer=by,
        verdict=answer.verdict,
        terms=answer.terms.to_json() if answer.terms else None,
        reason_code=answer.reason_code,
        reason=answer.reason,
        note=answer.note,
        at=now,
    )
    tally = tally_of(item, at=now)
    if tally.decided == Verdict.APPROVE and answer.terms:
        give(by=by, item=item, terms=answer.terms, at=now, reviews=[review, *set_aside])
    elif tally.decided == Verdict.DECLINE:
        _decline(item, answer, now, [review, *set_aside], by=by)
    else:
        sentence = f"A reviewer would {answer.verdict} {item}; {tally.sentence}"
        record("review.answered", sentence, row, review, *set_aside, by=by)
    return tally


def _checked(item: RequestItem, answer: Answer, now: datetime) -> Answer:
    """The answer as it is kept; raises Refused."""
    check_length("A note", answer.note.strip(), field="note")
    answer = replace(answer, note=answer.note.strip())
    if answer.terms:
        terms = answer.terms.tidy()
        check_terms(item, terms)
        missing = tally_of(item, at=now).steps_missing
        if missing and not terms.waiver:
            raise Refused(f"{item} comes after {missing}. Waive that with a reason, or decline.", field="waiver")
        return replace(answer, terms=terms)
    if answer.reason_code not in DeclineReason.values:
        raise Refused("Choose a reason from the list.", field="reason_code", given=answer.reason_code)
    sentence = "Say why, for the applicant to read: a reason is needed to decline."
    return replace(answer, reason=checked_reason(answer.reason, sentence))


def _other_offers(item: RequestItem, terms: Terms) -> ReviewQuerySet:
    """Approvals of other terms than these."""
    approvals = item.reviews.current().filter(verdict=Verdict.APPROVE)
    same = [one.pk for one in approvals if one.terms and Terms.from_json(one.terms).is_same_offer(terms)]
    return approvals.exclude(pk__in=same)


def _set_aside(reviews: ReviewQuerySet) -> list[Review]:
    """Let those of these reviews that stand count no more; the event of the act names them."""
    current = list(reviews.current())
    Review.objects.filter(pk__in=[review.pk for review in current]).update(is_current=False)
    return current


def _decline(item: RequestItem, answer: Answer, now: datetime, reviews: Sequence[Review], *, by: User) -> None:
    reason = {"reason_code": answer.reason_code, "reason": answer.reason, "note": answer.note}
    transition(item, RequestItem.Status.DECLINED, decided_by=by, decided_at=now, **reason)
    detail = {"item": item.pk, "size": item.size.path, "right": item.right, "reason": answer.reason_code}
    partner = item.request.partner
    sentence = f"The request of {partner} for {item} was declined"
    record("access.declined", sentence, item.request, partner, item.size, item, *reviews, by=by, detail=detail)


def _escalate(request: AccessRequest, at: datetime, *, by: User | None) -> int:
    first = AccessRequest.objects.filter(pk=request.pk, status=AccessRequest.Status.SUBMITTED, escalated_at=None)
    if not first.update(escalated_at=at):
        return 0
    sentence = f"The request was not answered by {request.promised_at:%-d %B %Y}"
    record("review.escalated", sentence, request, by=by)
    write_letter(
        to=people_who(Permission.REQUEST_OVERSEE),
        subject=f"Late: {request.summary} for {request.partner}",
        text=f"An answer was promised by {request.promised_at:%-d %B %Y}. The request still waits; nothing is granted "
        "by waiting.",
        path=page_url("lab_request", request.pk),
        action="See the request",
        by=by,
        urgency=Letter.Urgency.URGENT,
    )
    return 1
