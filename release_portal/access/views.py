"""The HTML door: an organisation's home, its requests and grants."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from release_portal.audit.models import Event
from release_portal.partners.doors import SignedIn, refusals_on
from release_portal.partners.guards import require
from release_portal.partners.models import Partner
from release_portal.partners.permissions import Permission

from . import actions
from .forms import AccessRequestForm
from .models import AccessRequest, Grant
from .standing import checklist_of, ladders_of

EVENTS_SHOWN = 30


@login_required
def home(request: SignedIn) -> HttpResponse:
    """The way in: one's organisation, the choice between several, or how to get one."""
    partners = list(Partner.objects.visible_to(request.user).order_by("legal_name"))
    if len(partners) == 1:
        return redirect(partners[0])
    return render(request, "access/home.html", {"partners": partners})


@login_required
def organisation(request: SignedIn, slug: str) -> HttpResponse:
    partner = get_object_or_404(Partner.objects.visible_to(request.user), slug=slug)
    now = timezone.now()
    context = {
        "partner": partner,
        "checklist": checklist_of(partner, at=now),
        "ladders": ladders_of(partner, at=now),
        "grants": Grant.objects.filter(partner=partner).latest_first().select_related("request__partner"),
        "requests": partner.access_requests.newest_first().select_related("partner"),
        "events": Event.objects.about(partner).newest_first()[:EVENTS_SHOWN],
        "may_request": request.user.may(Permission.ACCESS_REQUEST, partner),
    }
    return render(request, "access/organisation.html", context)


@login_required
def new_request(request: SignedIn, slug: str) -> HttpResponse:
    partner = get_object_or_404(Partner.objects.visible_to(request.user), slug=slug)
    require(request.user, Permission.ACCESS_REQUEST, partner)
    form = AccessRequestForm(request.POST or None, initial={"size": request.GET.get("size")})
    if form.is_valid():
        with refusals_on(form):
            made = actions.request_access(by=request.user, partner=partner, **form.cleaned_data)
            messages.success(request, f"We received the request for {made.size}.")
            return redirect(made)
    return render(request, "access/new.html", {"partner": partner, "form": form})


@login_required
def access_request(request: SignedIn, slug: str, pk: int) -> HttpResponse:
    access_request = _request_of(request, slug, pk)
    grant = Grant.objects.filter(request=access_request).first()
    context = {
        "partner": access_request.partner,
        "access_request": access_request,
        "grant": grant,
        "events": Event.objects.about(access_request, *([grant] if grant else [])).newest_first(),
        "may_request": request.user.may(Permission.ACCESS_REQUEST, access_request.partner),
    }
    return render(request, "access/request.html", context)


@login_required
@require_POST
def withdraw(request: SignedIn, slug: str, pk: int) -> HttpResponse:
    access_request = _request_of(request, slug, pk)
    actions.withdraw_request(by=request.user, request=access_request)
    messages.success(request, f"The request for {access_request.size} was withdrawn.")
    return redirect(access_request.partner)


def _request_of(request: SignedIn, slug: str, pk: int) -> AccessRequest:
    partner = get_object_or_404(Partner.objects.visible_to(request.user), slug=slug)
    related = AccessRequest.objects.select_related("size__family", "submitted_by", "decided_by", "partner")
    return get_object_or_404(related, partner=partner, pk=pk)
