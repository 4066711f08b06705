"""One request with the evidence beside the decision: item by item, previewed, then applied."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from release_portal.access import actions as access
from release_portal.access.changes import changes_of
from release_portal.access.forms import RemarkForm
from release_portal.access.models import AccessRequest, Grant, RequestItem, Suspension
from release_portal.access.tally import Tally, tally_of, terms_offered
from release_portal.audit.models import Event
from release_portal.lib.states import Forbidden, Refused
from release_portal.lib.text import number_in
from release_portal.partners.conflicts import conflict_of
from release_portal.partners.permissions import Permission
from release_portal.partners.shortcuts import SignedIn, refusals_told

from ..decorators import staff
from ..forms import AnswerForm, RecuseForm, ReturnForm
from .desk import address_of, found, promise_of

EVENTS_SHOWN = 100
DEALINGS_SHOWN = 10
PAGED_THROUGH = 10_000  # requests of a search, for previous and next
CHANGED = "You changed your answer after the preview. This is the mail now."


@dataclass(frozen=True)
class Row:
    """An item that waits, the form of its answer, how far its reviews have come, and what to know of them."""

    item: RequestItem
    form: AnswerForm
    tally: Tally
    sentences: list[str]


@staff(Permission.REQUEST_DECIDE)
def access_request(request: SignedIn, pk: int) -> HttpResponse:
    """A request with all that is known; decide, return or step aside here."""
    asked = _request(pk)
    conflict = conflict_of(request.user, Permission.REQUEST_DECIDE, asked.partner, authors=asked.authors())
    named = number_in(request.POST.get("seen", ""))
    seen = asked.revision if named is None else named
    rows, notice, preview = _rows(request, asked), "", None
    return_form = ReturnForm(request.POST if "return" in request.POST else None, prefix="return")
    recuse_form = RecuseForm(request.POST if "recuse" in request.POST else None, prefix="recuse")
    try:
        if return_form.is_valid():
            return _returned(request, asked, return_form, seen)
        if recuse_form.is_valid():
            return _recused(request, asked, recuse_form)
        if "decide" in request.POST and all(row.form.is_valid() for row in rows):
            answers = [answer for row in rows if (answer := row.form.answer())]
            previewed = request.POST.get("previewed", _typed(request))
            if request.POST["decide"] == "apply" and previewed == _typed(request):
                return _decided(request, asked, answers, seen)
            preview = access.preview_decision(by=request.user, request=asked, answers=answers, seen=seen)
            notice = CHANGED if request.POST["decide"] == "apply" else ""
    except Forbidden:
        raise
    except Refused as refused:
        asked = _request(pk)
        rows, notice = _rows(request, asked), " ".join([*_decided_meanwhile(request, asked), refused.sentence])
    forms = {"rows": rows, "return_form": return_form, "recuse_form": recuse_form}
    answered = {"seen": asked.revision, "preview": preview, "previewed": _typed(request), "notice": notice}
    among = {"conflict": conflict} if conflict else _among_reviewers(asked)
    context = _evidence(asked) | among | _neighbours(request, asked) | forms | answered
    return render(request, "review/request.html", context)


@staff(Permission.REQUEST_DECIDE, routine=True)
@require_POST
def claim(request: SignedIn, pk: int) -> HttpResponse:
    """Claim a request, or give it back."""
    asked = _request(pk)
    with refusals_told(request):
        if "release" in request.POST:
            access.release_request(by=request.user, request=asked)
            messages.success(request, "The request is back on the desk.")
        else:
            access.claim_request(by=request.user, request=asked)
            messages.success(request, f"The request is yours until {asked.claimed_until:%H:%M} UTC.")
    return _to(request, "review:request", pk)


@staff(Permission.REQUEST_DECIDE, routine=True)
@require_POST
def say(request: SignedIn, pk: int) -> HttpResponse:
    asked = _request(pk)
    access.say(by=request.user, request=asked, text=request.POST.get("text", ""), internal="internal" in request.POST)
    messages.success(request, "Your note is kept." if "internal" in request.POST else "Your message is sent.")
    return _to(request, "review:request", pk)


def _request(pk: int) -> AccessRequest:
    return get_object_or_404(AccessRequest.objects.sent().with_items(), pk=pk)


def _to(request: SignedIn, route: str, *args: int) -> HttpResponse:
    """There, within the same search."""
    query = address_of(request)
    return redirect(reverse(route, args=args) + (f"?{query}" if query else ""))


def _rows(request: SignedIn, asked: AccessRequest) -> list[Row]:
    posted = request.POST if "decide" in request.POST else None
    roles = {role.pk for role in request.user.lab_roles.all()}
    rows = []
    for item in asked.items.waiting().smallest_first():
        item.request, item.partner = asked, asked.partner
        tally = tally_of(item, at=timezone.now())
        form = AnswerForm(posted, item=item, terms=terms_offered(item, tally), steps_missing=tally.steps_missing)
        counts = not tally.roles or not roles.isdisjoint(tally.roles)
        rows.append(Row(item, form, tally, _sentences_on(request, tally, counts)))
    return rows


def _sentences_on(request: SignedIn, tally: Tally, counts: bool) -> list[str]:
    """How far the reviews of an item have come, and what this person's answer would do."""
    sentences = [f"{tally.sentence} so far."]
    mine = [review for review in tally.approvals if review.reviewer == request.user]
    others = " and ".join(str(review.reviewer) for review in tally.approvals if review.reviewer != request.user)
    if mine:
        sentences.append("You offer the terms below; another reviewer has to approve them too.")
    if others:
        last = counts and not mine and len(tally.approvals) + 1 >= tally.needed
        does = "decides it" if last else "counts with that"
        sentences.append(
            f"{others} {'offer' if ' and ' in others else 'offers'} this; approving the same terms {does}."
        )
    if not counts:
        sentences.append("Your roles are not among those whose approval counts here.")
    sentences += [f"{review.reviewer} would decline: {review.reason}" for review in tally.declines]
    sentences += [
        f"Note of {review.reviewer}: {review.note}" for review in (*tally.approvals, *tally.declines) if review.note
    ]
    return [*sentences, *([f"It comes after {tally.steps_missing}."] if tally.steps_missing else [])]


def _typed(request: SignedIn) -> str:
    """A digest of the answers as they were typed: what is applied is what was previewed."""
    typed = sorted((name, values) for name, values in request.POST.lists() if name.startswith("item_"))
    return sha256(repr(typed).encode()).hexdigest()


def _decided_meanwhile(request: SignedIn, asked: AccessRequest) -> list[str]:
    """Who decided what of the items that are answered here."""
    ended = [item for item in asked.items.smallest_first() if item.decided_at]
    return [f"{item} is already {item.status_text}." for item in ended if request.POST.get(f"item_{item.pk}-verdict")]


def _decided(request: SignedIn, asked: AccessRequest, answers: Sequence[access.Answer], seen: int) -> HttpResponse:
    tallies = access.decide_request(by=request.user, request=asked, answers=answers, seen=seen)
    for answer, tally in zip(answers, tallies, strict=True):
        word = {"approve": "granted", "decline": "declined"}.get(tally.decided)
        message = f"{answer.item} was {word}." if word else f"Your answer on {answer.item} is kept: {tally.sentence}."
        messages.success(request, message)
    return _to(request, "review:desk")


def _returned(request: SignedIn, asked: AccessRequest, form: ReturnForm, seen: int) -> HttpResponse:
    access.return_request(by=request.user, request=asked, seen=seen, **form.cleaned_data)
    messages.success(request, f"The request of {asked.partner} was returned for changes.")
    return _to(request, "review:desk")


def _recused(request: SignedIn, asked: AccessRequest, form: RecuseForm) -> HttpResponse:
    access.recuse(by=request.user, request=asked, **form.cleaned_data)
    messages.success(request, "You stepped aside; another reviewer decides.")
    return _to(request, "review:desk")


def _evidence(asked: AccessRequest) -> dict[str, Any]:
    """What is known of the request and of past dealings with its organisation."""
    now, partner = timezone.now(), asked.partner
    stops = Suspension.objects.filter(Q(partner=partner) | Q(grant__partner=partner))
    agreement = partner.agreements.in_force(at=now).select_related("version").order_by("ends_at").last()
    claimed = asked.claimant(at=now)
    return {
        "asked": asked,
        "promise": promise_of(asked, at=now),
        "items": asked.items.smallest_first(),
        "changes": changes_of(asked),
        "others": partner.access_requests.sent().newest_first().exclude(pk=asked.pk)[:DEALINGS_SHOWN],
        "grants": Grant.objects.filter(partner=partner).latest_first()[:DEALINGS_SHOWN],
        "suspensions": stops.newest_first()[:DEALINGS_SHOWN],
        "findings": partner.findings.newest_first()[:DEALINGS_SHOWN],
        "agreement": agreement,
        "falls_short": agreement and asked.until_wanted and agreement.ends_at.date() < asked.until_wanted,
        "remarks": asked.remarks.for_applicants().oldest_first(),
        "claimed": claimed,
        "events": Event.objects.about(asked).for_applicants().newest_first()[:EVENTS_SHOWN],
    }


def _among_reviewers(asked: AccessRequest) -> dict[str, Any]:
    """What the reviewers say and do among themselves, which nobody with a conflict of interest sees."""
    return {
        "notes": asked.remarks.internal().oldest_first(),
        "recusals": asked.recusals.select_related("reviewer"),
        "remark_form": RemarkForm(),
        "events": Event.objects.about(asked).newest_first()[:EVENTS_SHOWN],
    }


def _neighbours(request: SignedIn, asked: AccessRequest) -> dict[str, Any]:
    """The requests before and after this one in the search that led here."""
    rows, _ = found(request)
    keys = list(rows.values_list("pk", flat=True)[:PAGED_THROUGH])
    place = keys.index(asked.pk) if asked.pk in keys else None
    return {
        "previous": keys[place - 1] if place else None,
        "next": keys[place + 1] if place is not None and place + 1 < len(keys) else None,
        "query": address_of(request),
    }
