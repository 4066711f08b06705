"""One request with the evidence beside the decision: item by item, previewed, then applied."""

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from release_portal.access import actions as access
from release_portal.access.changes import changes_of
from release_portal.access.decision_forms import AnswerForm, RecuseForm, ReturnForm
from release_portal.access.forms import RemarkForm
from release_portal.access.models import AccessRequest, Grant, RequestItem
from release_portal.access.tally import Tally, tally_of
from release_portal.access.terms import Terms, terms_asked
from release_portal.audit.models import Event
from release_portal.lib.states import Forbidden, Refused
from release_portal.partners.doors import SignedIn, refusals_on
from release_portal.partners.permissions import Permission

from ..doors import staff
from .desk import address_of, found

EVENTS_SHOWN = 100


@staff(Permission.REQUEST_DECIDE)
def access_request(request: SignedIn, pk: int) -> HttpResponse:
    """A request with all that is known; decide, return or step aside here."""
    asked = _request(pk)
    rows = _rows(request, asked)
    return_form = ReturnForm(request.POST if "return" in request.POST else None, prefix="return")
    recuse_form = RecuseForm(request.POST if "recuse" in request.POST else None, prefix="recuse")
    seen = int(request.POST["seen"]) if request.POST.get("seen", "").isdigit() else asked.revision
    preview: tuple[str, str] | None = None
    notice = ""
    if return_form.is_valid():
        with refusals_on(return_form):
            access.return_request(by=request.user, request=asked, seen=seen, **return_form.cleaned_data)
            messages.success(request, f"The request of {asked.partner} was returned for changes.")
            return redirect("review:desk")
    if recuse_form.is_valid():
        with refusals_on(recuse_form):
            access.recuse(by=request.user, request=asked, **recuse_form.cleaned_data)
            messages.success(request, "You stepped aside; another reviewer decides.")
            return redirect("review:desk")
    if "decide" in request.POST and all(form.is_valid() for _, form, _ in rows):
        answers = [answer for _, form, _ in rows if (answer := form.answer())]
        try:
            if request.POST["decide"] == "apply":
                return _decided(request, asked, answers, seen)
            preview = access.preview_decision(by=request.user, request=asked, answers=answers, seen=seen)
        except Forbidden:
            raise
        except Refused as refused:
            notice = refused.sentence
            asked.refresh_from_db()
    context = _evidence(request, asked) | {
        "rows": rows,
        "seen": seen,
        "preview": preview,
        "notice": notice,
        "return_form": return_form,
        "recuse_form": recuse_form,
    }
    return render(request, "review/request.html", context)


@staff(Permission.REQUEST_DECIDE)
@require_POST
def claim(request: SignedIn, pk: int) -> HttpResponse:
    """Claim a request, or give it back."""
    asked = _request(pk)
    if "release" in request.POST:
        access.release_request(by=request.user, request=asked)
        messages.success(request, "The request is back on the desk.")
    else:
        access.claim_request(by=request.user, request=asked)
        messages.success(request, f"The request is yours until {asked.claimed_until:%H:%M} UTC.")
    return redirect("review:request", pk)


@staff(Permission.REQUEST_DECIDE)
@require_POST
def say(request: SignedIn, pk: int) -> HttpResponse:
    asked = _request(pk)
    access.say(by=request.user, request=asked, text=request.POST.get("text", ""), internal="internal" in request.POST)
    messages.success(request, "Your note is kept." if "internal" in request.POST else "Your message is sent.")
    return redirect("review:request", pk)


def _request(pk: int) -> AccessRequest:
    return get_object_or_404(AccessRequest.objects.sent().with_items(), pk=pk)


def _rows(request: SignedIn, asked: AccessRequest) -> list[tuple[RequestItem, AnswerForm, Tally]]:
    """Each item that waits, with the form of its answer and how far its reviews have come."""
    posted = request.POST if "decide" in request.POST else None
    rows = []
    for item in asked.items.waiting().smallest_first():
        item.request = asked
        tally = tally_of(item, at=timezone.now())
        offered = tally.approvals[-1].terms if tally.approvals else None
        terms = Terms.from_json(offered) if offered else terms_asked(item)
        rows.append((item, AnswerForm(posted, item=item, terms=terms, needs_waiver=bool(tally.steps_missing)), tally))
    return rows


def _decided(request: SignedIn, asked: AccessRequest, answers: Sequence[access.Answer], seen: int) -> HttpResponse:
    tallies = access.decide_request(by=request.user, request=asked, answers=answers, seen=seen)
    for answer, tally in zip(answers, tallies, strict=True):
        word = {"approve": "granted", "decline": "declined"}.get(tally.decided)
        told = f"{answer.item} was {word}." if word else f"Your answer on {answer.item} is kept: {tally.sentence}."
        messages.success(request, told)
    return redirect("review:desk")


def _evidence(request: SignedIn, asked: AccessRequest) -> dict[str, Any]:
    rows, _ = found(request)
    keys = list(rows.values_list("pk", flat=True)[:1000])
    place = keys.index(asked.pk) if asked.pk in keys else None
    claimed = asked.claimed_by if asked.claimed_until and asked.claimed_until > timezone.now() else None
    return {
        "asked": asked,
        "items": asked.items.smallest_first(),
        "changes": changes_of(asked),
        "others": asked.partner.access_requests.sent().newest_first().exclude(pk=asked.pk)[:10],
        "grants": Grant.objects.filter(partner=asked.partner).latest_first()[:10],
        "agreement": asked.partner.agreements.select_related("version").order_by("-starts_at").first(),
        "findings": asked.partner.findings.newest_first()[:10],
        "remarks": asked.remarks.oldest_first(),
        "recusals": asked.recusals.select_related("reviewer"),
        "remark_form": RemarkForm(),
        "claimed": claimed,
        "previous": keys[place - 1] if place else None,
        "next": keys[place + 1] if place is not None and place + 1 < len(keys) else None,
        "query": address_of(request),
        "events": Event.objects.about(asked).newest_first()[:EVENTS_SHOWN],
    }
