"""An organisation's home, and its end."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone

from release_portal.audit.models import Event
from release_portal.partners.guards import require
from release_portal.partners.models import Partner
from release_portal.partners.permissions import Permission
from release_portal.partners.shortcuts import SignedIn, refusals_on, with_addresses

from .. import actions
from ..checklist import checklist_of, ladders_of
from ..forms import CloseForm
from ..models import Grant

EVENTS_SHOWN = 30
ROWS_PER_PAGE = 20


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
    grants = Grant.objects.filter(partner=partner).latest_first()
    events = Event.objects.about(partner).for_applicants().newest_first()[:EVENTS_SHOWN]
    context = {
        "partner": partner,
        "checklist": checklist_of(partner, at=now),
        "ladders": ladders_of(partner, at=now),
        "grants": Paginator(grants, ROWS_PER_PAGE).get_page(request.GET.get("grants")),
        "requests": Paginator(partner.access_requests.newest_first(), ROWS_PER_PAGE).get_page(request.GET.get("page")),
        "events": with_addresses(events) if request.user.may(Permission.MEMBER_INVITE, partner) else events,
        "may_request": request.user.may(Permission.ACCESS_REQUEST, partner),
        "may_close": request.user.may(Permission.PARTNER_EDIT, partner),
    }
    return render(request, "access/organisation.html", context)


@login_required
def close(request: SignedIn, slug: str) -> HttpResponse:
    """What closing the organisation would end, and its name typed before it does."""
    partner = get_object_or_404(Partner.objects.visible_to(request.user), slug=slug)
    require(request.user, Permission.PARTNER_EDIT, partner)
    form = CloseForm(request.POST or None, word=partner.slug)
    if form.is_valid():
        with refusals_on(form):
            actions.close_organisation(by=request.user, partner=partner)
            messages.success(request, f"{partner} is closed.")
            return redirect(partner)
    context = {
        "partner": partner,
        "form": form,
        "grants": list(partner.grants.held().latest_first()),
        "requests": partner.access_requests.open().count(),
        "invitations": partner.invitations.unanswered().count(),
    }
    return render(request, "access/close.html", context)
