"""Asking for sizes: the draft, the request and its thread, and what follows a decision."""

from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from release_portal.audit.models import Event
from release_portal.lib.text import number_in
from release_portal.partners.guards import require
from release_portal.partners.models import Partner, Pause, User
from release_portal.partners.permissions import Permission
from release_portal.partners.shortcuts import SignedIn, refusals_on

from .. import actions
from ..changes import changes_of
from ..forms import AccessRequestForm, RemarkForm
from ..models import AccessRequest, Grant


@login_required
def new_request(request: SignedIn, slug: str) -> HttpResponse:
    """A new request: sent, or kept as a draft."""
    partner = get_object_or_404(Partner.objects.visible_to(request.user), slug=slug)
    require(request.user, Permission.ACCESS_REQUEST, partner)
    form = AccessRequestForm(request.POST or None, initial=_asked_in_address(request))
    if form.is_valid():
        with refusals_on(form):
            if "secondary" in request.POST:
                draft = actions.start_request(by=request.user, partner=partner, **form.as_arguments())
                messages.success(request, "Your draft is saved. Nobody at the lab sees it yet.")
                return redirect("access:edit", partner.slug, draft.pk)
            made = actions.request_access(by=request.user, partner=partner, **form.as_arguments())
            messages.success(request, f"We received the request for {made.summary}.")
            return redirect(made)
    return render(request, "access/edit.html", {"partner": partner, "form": form, "pause": Pause.objects.now()})


@login_required
def edit(request: SignedIn, slug: str, pk: int) -> HttpResponse:
    """A draft, or a returned request with what the reviewer asks for; saved, or sent."""
    asked = _request_of(request, slug, pk)
    require(request.user, Permission.ACCESS_REQUEST, asked.partner)
    if not asked.is_editable:
        return redirect(asked)
    form = AccessRequestForm(request.POST or None, kind=asked.kind, initial=AccessRequestForm.initial_of(asked))
    if form.is_valid():
        with refusals_on(form):
            actions.save_request(by=request.user, request=asked, **form.as_arguments())
            if "secondary" in request.POST:
                messages.success(request, "Your draft is saved.")
                return redirect("access:edit", asked.partner.slug, asked.pk)
            actions.submit_request(by=request.user, request=asked)
            messages.success(request, f"We received the request for {asked.summary}.")
            return redirect(asked)
    context = {"partner": asked.partner, "asked": asked, "form": form, "pause": Pause.objects.now()}
    return render(request, "access/edit.html", context)


@login_required
@require_POST
def save_draft(request: SignedIn, slug: str, pk: int) -> HttpResponse:
    """Keep what is typed, while it is typed."""
    asked = _request_of(request, slug, pk)
    form = AccessRequestForm(request.POST, kind=asked.kind)
    if form.is_valid():
        actions.save_request(by=request.user, request=asked, **form.as_arguments())
    return render(request, "access/saved.html", {"form": form})


@login_required
def access_request(request: SignedIn, slug: str, pk: int) -> HttpResponse:
    asked = _request_of(request, slug, pk)
    grants = list(Grant.objects.filter(request=asked).latest_first())
    context = {
        "partner": asked.partner,
        "asked": asked,
        "items": asked.items.smallest_first().select_related("grant"),
        "ahead": asked.waiting_before(),
        "changes": changes_of(asked),
        "remarks": asked.remarks.for_applicants().oldest_first(),
        "remark_form": RemarkForm(),
        "events": Event.objects.about(asked, *grants).for_applicants().newest_first(),
        "may_request": request.user.may(Permission.ACCESS_REQUEST, asked.partner),
        "appeal": asked.followers.filter(kind=AccessRequest.Kind.APPEAL).exclude(status="withdrawn").first(),
    }
    return render(request, "access/request.html", context)


@login_required
@require_POST
def say(request: SignedIn, slug: str, pk: int) -> HttpResponse:
    asked = _request_of(request, slug, pk)
    actions.say(by=request.user, request=asked, text=request.POST.get("text", ""))
    messages.success(request, "Your message is sent.")
    return redirect(f"{asked.get_absolute_url()}#thread")


@login_required
@require_POST
def withdraw(request: SignedIn, slug: str, pk: int) -> HttpResponse:
    asked = _request_of(request, slug, pk)
    actions.withdraw_request(by=request.user, request=asked)
    messages.success(request, "The request was withdrawn. You can copy it as a new one.")
    return redirect(asked)


@login_required
@require_POST
def copy(request: SignedIn, slug: str, pk: int) -> HttpResponse:
    return _draft(request, slug, pk, actions.copy_request)


@login_required
@require_POST
def appeal(request: SignedIn, slug: str, pk: int) -> HttpResponse:
    return _draft(request, slug, pk, actions.appeal)


def _draft(request: SignedIn, slug: str, pk: int, verb: Callable[..., AccessRequest]) -> HttpResponse:
    user: User = request.user
    draft = verb(by=user, request=_request_of(request, slug, pk))
    return redirect("access:edit", draft.partner.slug, draft.pk)


def _asked_in_address(request: SignedIn) -> dict[str, object]:
    """?size=… ticks hosted generation of that size."""
    size = request.GET.get("size", "")
    return {f"rights_{size}": ["generation"], f"tokens_{size}": 1_000_000} if number_in(size) else {}


def _request_of(request: SignedIn, slug: str, pk: int) -> AccessRequest:
    partner = get_object_or_404(Partner.objects.visible_to(request.user), slug=slug)
    related = AccessRequest.objects.select_related("submitted_by", "decided_by", "returned_by", "partner", "previous")
    return get_object_or_404(related, partner=partner, pk=pk)
