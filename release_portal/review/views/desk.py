"""The staff door: the desk, decisions, grants and the book. Every decision is a verb of its room."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from release_portal.access import actions as access
from release_portal.access.forms import GrantForm, PauseForm, ReasonForm
from release_portal.access.models import AccessRequest, Grant
from release_portal.audit.models import Event
from release_portal.jobs.models import Job
from release_portal.partners import actions as partners
from release_portal.partners.changes import changes_of
from release_portal.partners.doors import SignedIn, refusals_on
from release_portal.partners.models import Partner, Pause
from release_portal.partners.permissions import Permission
from release_portal.partners.signals import signals_of

from ..doors import staff

ROWS_PER_PAGE = 50
EVENTS_PER_PAGE = 100


@staff(Permission.PARTNER_ADMIT, Permission.REQUEST_DECIDE, Permission.GRANT_REVOKE, Permission.BOOK_READ)
def desk(request: SignedIn) -> HttpResponse:
    words = request.GET.get("q", "").strip()
    organisations = Partner.objects.awaiting_review().select_related("applied_by")
    requests = AccessRequest.objects.awaiting_review().select_related("size__family", "partner", "submitted_by")
    if words:
        organisations = organisations.filter(legal_name__icontains=words)
        requests = requests.filter(
            Q(partner__legal_name__icontains=words) | Q(size__name__icontains=words) | Q(purpose__icontains=words)
        )
    context = {
        "q": words,
        "organisations": Paginator(organisations, ROWS_PER_PAGE).get_page(request.GET.get("organisations")),
        "requests": Paginator(requests, ROWS_PER_PAGE).get_page(request.GET.get("page")),
        "query": f"q={words}" if words else "",
        "may_suspend": request.user.may(Permission.ACCESS_SUSPEND),
        "may_pause": request.user.may(Permission.RULE_SET),
    }
    return render(request, "review/desk.html", context)


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
        "may_suspend": request.user.may(Permission.ACCESS_SUSPEND),
        "changes": changes_of(partner),
        "people": partner.memberships.current().select_related("user").prefetch_related("roles"),
        "grants": Grant.objects.filter(partner=partner).latest_first(),
        "requests": partner.access_requests.newest_first(),
        "agreements": partner.agreements.select_related("version").prefetch_related("signatures"),
        "events": Event.objects.about(partner).newest_first()[:EVENTS_PER_PAGE],
    }
    return render(request, "review/organisation.html", context)


@staff(Permission.REQUEST_DECIDE)
def access_request(request: SignedIn, pk: int) -> HttpResponse:
    """A request with the evidence beside it; grant or decline it here."""
    related = AccessRequest.objects.select_related("size__family", "partner", "submitted_by", "decided_by")
    asked = get_object_or_404(related, pk=pk)
    offer = {"ends_on": asked.until_wanted, "token_quota": asked.tokens_wanted}
    granting, declining = "grant" in request.POST, "decline" in request.POST
    grant_form = GrantForm(request.POST if granting else None, initial=offer)
    reason_form = ReasonForm(request.POST if declining else None)
    if granting and grant_form.is_valid():
        with refusals_on(grant_form):
            access.grant_request(by=request.user, request=asked, **grant_form.cleaned_data)
            messages.success(request, f"{asked.size} was granted to {asked.partner}.")
            return redirect("review:desk")
    if declining and reason_form.is_valid():
        with refusals_on(reason_form):
            access.decline_request(by=request.user, request=asked, **reason_form.cleaned_data)
            messages.success(request, f"The request of {asked.partner} was declined.")
            return redirect("review:desk")
    context = {
        "asked": asked,
        "grant_form": grant_form,
        "reason_form": reason_form,
        "others": asked.partner.access_requests.newest_first().exclude(pk=asked.pk),
        "grants": Grant.objects.filter(partner=asked.partner).latest_first(),
        "agreement": asked.partner.agreements.select_related("version").order_by("-starts_at").first(),
        "events": Event.objects.about(asked).newest_first()[:EVENTS_PER_PAGE],
    }
    return render(request, "review/request.html", context)


@staff(Permission.REQUEST_DECIDE, Permission.GRANT_REVOKE)
def grants(request: SignedIn) -> HttpResponse:
    words = request.GET.get("q", "").strip()
    found = Grant.objects.latest_first()
    if words:
        found = found.filter(Q(partner__legal_name__icontains=words) | Q(size__name__icontains=words))
    context = {
        "q": words,
        "query": f"q={words}" if words else "",
        "may_suspend": request.user.may(Permission.ACCESS_SUSPEND),
        "page": Paginator(found, ROWS_PER_PAGE).get_page(request.GET.get("page")),
    }
    return render(request, "review/grants.html", context)


@staff(Permission.GRANT_REVOKE)
def revoke(request: SignedIn, pk: int) -> HttpResponse:
    """What revoking a grant would stop, and the reason asked for before it does."""
    grant = get_object_or_404(Grant.objects.latest_first().select_related("ended_by"), pk=pk)
    form = ReasonForm(request.POST or None)
    if form.is_valid():
        with refusals_on(form):
            access.revoke_grant(by=request.user, grant=grant, **form.cleaned_data)
            messages.success(request, f"The grant of {grant.size} to {grant.partner} was revoked.")
            return redirect("review:grants")
    live = Job.objects.live().filter(grant=grant)
    context = {
        "grant": grant,
        "form": form,
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
    words = request.GET.get("q", "").strip()
    events = Event.objects.newest_first()
    if words:
        events = events.matching(words)
    context = {
        "q": words,
        "query": f"q={words}" if words else "",
        "page": Paginator(events, EVENTS_PER_PAGE).get_page(request.GET.get("page")),
    }
    return render(request, "review/book.html", context)
