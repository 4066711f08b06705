"""Organisations, grants, intake and the book. Every decision is a verb of its room."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone

from release_portal.access import actions as access
from release_portal.access.models import AccessRequest, Grant
from release_portal.audit.models import Event
from release_portal.jobs.models import Job
from release_portal.partners import actions as partners
from release_portal.partners.changes import changes_of
from release_portal.partners.conflicts import conflict_of, partners_of
from release_portal.partners.forms import ReasonForm
from release_portal.partners.models import Partner, Pause
from release_portal.partners.permissions import Permission
from release_portal.partners.shortcuts import SignedIn, refusals_on, with_addresses
from release_portal.partners.vetting import signals_of
from release_portal.releases.models import ModelSize

from ..decorators import staff
from ..forms import PauseForm, RevokeForm

ROWS_PER_PAGE = 50
EVENTS_PER_PAGE = 100


@staff(Permission.PARTNER_ADMIT, Permission.REQUEST_DECIDE)
def organisation(request: SignedIn, slug: str) -> HttpResponse:
    """An organisation with all that is known of it; admit it, return it for changes or decline it here."""
    partner = get_object_or_404(Partner.objects.select_related("applied_by", "decided_by", "closed_by"), slug=slug)
    return_form = ReasonForm(request.POST if "return" in request.POST else None, prefix="return")
    form = ReasonForm(request.POST if "decline" in request.POST else None)
    if "admit" in request.POST:
        partners.admit(by=request.user, partner=partner)
        messages.success(request, f"{partner} was admitted.")
        return redirect("review:desk")
    if return_form.is_valid():
        with refusals_on(return_form):
            partners.return_application(by=request.user, partner=partner, **return_form.cleaned_data)
            messages.success(request, f"The application of {partner} was returned for changes.")
            return redirect("review:desk")
    if form.is_valid():
        with refusals_on(form):
            partners.decline(by=request.user, partner=partner, **form.cleaned_data)
            messages.success(request, f"The application of {partner} was declined.")
            return redirect("review:desk")
    context = {
        "partner": partner,
        "form": form,
        "return_form": return_form,
        "signals": signals_of(partner),
        "conflict": conflict_of(request.user, Permission.PARTNER_ADMIT, partner),
        "may_suspend": request.user.may(Permission.ACCESS_SUSPEND),
        "changes": changes_of(partner),
        "people": partner.memberships.current().select_related("user").prefetch_related("roles"),
        "grants": Grant.objects.filter(partner=partner).latest_first(),
        "requests": partner.access_requests.sent().newest_first()[:ROWS_PER_PAGE],
        "agreements": partner.agreements.select_related("version").prefetch_related("signatures"),
        "events": with_addresses(Event.objects.about(partner).newest_first()[:EVENTS_PER_PAGE]),
    }
    return render(request, "review/organisation.html", context)


@staff(Permission.REQUEST_DECIDE, Permission.GRANT_REVOKE)
def grants(request: SignedIn) -> HttpResponse:
    words = request.GET.get("q", "").strip()
    found = Grant.objects.latest_first()
    if words:
        sizes = ModelSize.objects.mentioned_in(words)
        found = found.filter(Q(partner__legal_name__icontains=words) | Q(size__in=sizes))
    context = {
        "q": words,
        "may_suspend": request.user.may(Permission.ACCESS_SUSPEND),
        "batch_verbs": access.verbs_of(by=request.user, on_requests=False),
        "page": Paginator(found, ROWS_PER_PAGE).get_page(request.GET.get("page")),
    }
    return render(request, "review/grants.html", context)


@staff(Permission.GRANT_REVOKE)
def revoke(request: SignedIn, pk: int) -> HttpResponse:
    """What revoking a grant would stop, and the reason asked for before it does."""
    grant = get_object_or_404(Grant.objects.latest_first().select_related("ended_by"), pk=pk)
    form = RevokeForm(request.POST or None)
    if form.is_valid():
        with refusals_on(form):
            access.revoke_grant(by=request.user, grant=grant, **form.cleaned_data)
            messages.success(request, f"The grant of {grant.size} to {grant.partner} was revoked.")
            return redirect("review:grants")
    live = Job.objects.live().filter(grant=grant)
    context = {
        "grant": grant,
        "form": form,
        "conflict": conflict_of(request.user, Permission.GRANT_REVOKE, grant.partner),
        "running": live.filter(status=Job.Status.RUNNING).count(),
        "queued": live.filter(status=Job.Status.QUEUED).count(),
        "people": grant.partner.memberships.current().may(Permission.JOB_SUBMIT).count(),
        "events": Event.objects.about(grant).newest_first()[:EVENTS_PER_PAGE],
    }
    return render(request, "review/revoke.html", context)


@staff(Permission.RULE_SET)
def intake(request: SignedIn) -> HttpResponse:
    """Whether applications and requests are taken; pause that with a message, or take them again."""
    pause = Pause.objects.now()
    form = PauseForm(request.POST if "pause" in request.POST else None)
    if "resume" in request.POST:
        partners.resume_intake(by=request.user)
        messages.success(request, "Applications and requests are taken again.")
        return redirect("review:intake")
    if form.is_valid():
        with refusals_on(form):
            partners.pause_intake(by=request.user, **form.cleaned_data)
            messages.success(request, "Intake is paused; every page says so.")
            return redirect("review:intake")
    context = {
        "pause": pause,
        "form": form,
        "events": Event.objects.filter(kind__startswith="intake.").newest_first()[:30],
    }
    return render(request, "review/intake.html", context)


@staff(Permission.BOOK_READ)
def book(request: SignedIn) -> HttpResponse:
    """All events, but of what reviewers did on requests of organisations that the reader is involved with."""
    words = request.GET.get("q", "").strip()
    own = AccessRequest.objects.filter(partner__in=partners_of(request.user, at=timezone.now()))
    events = Event.objects.without_reviews_of(*own.only("pk")).newest_first()
    if words:
        events = events.matching(words)
    context = {
        "q": words,
        "page": Paginator(events, EVENTS_PER_PAGE).get_page(request.GET.get("page")),
        "may_read_security": request.user.may(Permission.SECURITY_READ),
    }
    return render(request, "review/book.html", context)
