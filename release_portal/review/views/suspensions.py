"""Suspending with its effect in view, confirming, lifting; and who could use what at any time."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone

from release_portal.access import actions as access
from release_portal.access.models import Grant, Subject, Suspension
from release_portal.audit.models import Event
from release_portal.lib.text import number_in
from release_portal.partners.forms import ReasonForm
from release_portal.partners.models import Partner
from release_portal.partners.permissions import Permission
from release_portal.partners.shortcuts import SignedIn, refusals_on
from release_portal.releases.models import ModelSize
from release_portal.releases.shortcuts import size_or_404

from ..blast import blast_of
from ..decorators import staff
from ..forms import SuspendForm, TimeForm

ROWS_PER_PAGE = 50
READERS = "The organisations concerned read it."


@staff(Permission.ACCESS_SUSPEND, Permission.BOOK_READ)
def suspensions(request: SignedIn) -> HttpResponse:
    """What is suspended, what waits for a second person, and what was; and the way to suspend."""
    rows = Suspension.objects.newest_first()
    context = {
        "unlifted": rows.pending_or_active(),
        "page": Paginator(rows.exclude(pk__in=rows.pending_or_active()), ROWS_PER_PAGE).get_page(
            request.GET.get("page")
        ),
        "sizes": ModelSize.objects.smallest_first(),
        "may_suspend": request.user.may(Permission.ACCESS_SUSPEND),
    }
    return render(request, "review/suspensions.html", context)


@staff(Permission.ACCESS_SUSPEND)
def suspend(request: SignedIn) -> HttpResponse:
    """What suspending would stop, and the reason asked for before it does."""
    subject = _subject(request)
    draft = Suspension.of(subject)
    form = SuspendForm(request.POST or None, word="everything" if subject is None else "")
    if form.is_valid():
        with refusals_on(form):
            why = {name: form.cleaned_data[name] for name in ("reason_code", "reason")}
            made = access.suspend(by=request.user, subject=subject, **why)
            messages.success(request, f"The {made} is {made.status_text}.")
            return redirect(made)
    context = {
        "form": form,
        "draft": draft,
        "conflict": access.conflict_over(by=request.user, suspension=draft),
        "blast": blast_of(draft),
        "second": draft.needs_second_person(),
    }
    return render(request, "review/suspend.html", context)


@staff(Permission.ACCESS_SUSPEND, Permission.BOOK_READ)
def suspension(request: SignedIn, pk: int) -> HttpResponse:
    """One suspension: confirm or drop it while it is proposed, lift it while it holds."""
    shown = get_object_or_404(Suspension.objects.newest_first(), pk=pk)
    form = ReasonForm(request.POST if "lift" in request.POST else None, label="Why it can go on", readers=READERS)
    is_open = shown.status in (Suspension.Status.PROPOSED, Suspension.Status.ACTIVE)
    widens = shown.status == Suspension.Status.ACTIVE
    if "confirm" in request.POST:
        access.confirm_suspension(by=request.user, suspension=shown)
        messages.success(request, f"The {shown} is in force.")
        return redirect(shown)
    if "drop" in request.POST:
        access.drop_suspension(by=request.user, suspension=shown)
        messages.success(request, f"The proposed {shown} was dropped.")
        return redirect(shown)
    if form.is_valid():
        with refusals_on(form):
            access.lift_suspension(by=request.user, suspension=shown, **form.cleaned_data)
            messages.success(request, f"The {shown} was lifted; held work goes on.")
            return redirect(shown)
    context: dict[str, Any] = {
        "suspension": shown,
        "form": form,
        "conflict": access.conflict_over(by=request.user, suspension=shown, widens=widens) if is_open else None,
        "blast": blast_of(shown),
        "may_suspend": request.user.may(Permission.ACCESS_SUSPEND),
        "events": Event.objects.about(shown).newest_first(),
    }
    return render(request, "review/suspension.html", context)


@staff(Permission.REQUEST_DECIDE, Permission.GRANT_REVOKE, Permission.BOOK_READ)
def access_at(request: SignedIn) -> HttpResponse:
    """Who could use which size at a time, answered by the access rule itself."""
    form = TimeForm(request.GET or None)
    found = Grant.objects.none()
    at = timezone.now()
    if form.is_valid():
        at = form.cleaned_data["at"]
        found = Grant.objects.in_force(at=at).latest_first()
        if size := form.cleaned_data["size"]:
            found = found.filter(size=size)
    context = {
        "form": form,
        "at": at,
        "asked": form.is_bound and form.is_valid(),
        "page": Paginator(found, ROWS_PER_PAGE).get_page(request.GET.get("page")),
    }
    return render(request, "review/access_at.html", context)


def _subject(request: SignedIn) -> Subject:
    """What the address names: ?organisation=, ?size=, ?grant=, or everything."""
    if slug := request.GET.get("organisation"):
        return get_object_or_404(Partner, slug=slug)
    if path := request.GET.get("size"):
        return size_or_404(request, path)
    if pk := request.GET.get("grant"):
        return get_object_or_404(Grant.objects.latest_first(), pk=number_in(pk))
    return None
