"""The workers, the queues and the organisations' parts of them, as they are now."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from release_portal.audit.models import Failure
from release_portal.jobs import actions as jobs
from release_portal.jobs.accounts import NO_ACCOUNT, address_for, has_account
from release_portal.jobs.fleet import effect_of_revoking, fleet_of
from release_portal.jobs.forms import WeightForm, WorkerForm
from release_portal.jobs.models import Share, Worker
from release_portal.partners.forms import ReasonForm
from release_portal.partners.permissions import Permission
from release_portal.partners.shortcuts import SignedIn, refusals_on

from ..decorators import staff


@staff(Permission.FLEET_SEE)
def fleet(request: SignedIn) -> HttpResponse:
    """The page asks for itself again every few seconds."""
    return _page(request)


@staff(Permission.SHARE_SET)
def share(request: SignedIn, pk: int) -> HttpResponse:
    """The same page, with the form of one organisation's weight open."""
    chosen = get_object_or_404(Share.objects.select_related("partner", "size__family"), pk=pk)
    form = WeightForm(request.POST or None, initial={"weight": f"{chosen.weight:g}"})
    if form.is_valid():
        with refusals_on(form):
            set_to = jobs.set_weight(by=request.user, partner=chosen.partner, size=chosen.size, **form.cleaned_data)
            messages.success(request, f"The weight of {chosen} is {set_to.weight:g}.")
            return redirect("review:fleet")
    return _page(request, share=chosen, form=form)


@staff(Permission.WORKER_ENROLL)
def enroll_worker(request: SignedIn) -> HttpResponse:
    """The form; once sent, what the worker's environment needs, which is shown this one time."""
    form = WorkerForm(request.POST or None)
    context: dict[str, Any] = {"form": form}
    if form.is_valid():
        with refusals_on(form):
            worker = jobs.enroll_worker(by=request.user, **form.cleaned_data)
            lacks = "" if has_account(worker) else NO_ACCOUNT
            context = {"worker": worker, "address": address_for(worker), "lacks": lacks}
    return render(request, "review/enroll_worker.html", context)


@staff(Permission.WORKER_ENROLL)
def revoke_worker(request: SignedIn, pk: int) -> HttpResponse:
    """What it has in hand and which sizes it alone serves, before the reason is asked."""
    worker = get_object_or_404(Worker, pk=pk)
    form = ReasonForm(request.POST or None, readers="Those who look after the workers read it.")
    if form.is_valid():
        with refusals_on(form):
            jobs.revoke_worker(by=request.user, worker=worker, **form.cleaned_data)
            messages.success(request, f"The key of worker {worker} is revoked. It stops now.")
            return redirect("review:fleet")
    context = {"worker": worker, "form": form, "effect": effect_of_revoking(worker, at=timezone.now())}
    return render(request, "review/revoke_worker.html", context)


@require_POST
@staff(Permission.FAILURE_RETRY)
def try_now(request: SignedIn, pk: int) -> HttpResponse:
    """Done meanwhile is as good as tried."""
    if failure := Failure.objects.filter(pk=pk).first():
        jobs.try_now(by=request.user, failure=failure)
    messages.success(request, f"{failure} is tried again now." if failure else "It was done meanwhile.")
    return redirect("review:fleet")


def _page(request: SignedIn, **opened: Any) -> HttpResponse:
    may_set = request.user.may(Permission.SHARE_SET)
    may_enroll = request.user.may(Permission.WORKER_ENROLL)
    may_retry = request.user.may(Permission.FAILURE_RETRY)
    context = {
        "fleet": fleet_of(at=timezone.now()),
        "may_set": may_set,
        "may_enroll": may_enroll,
        "may_retry": may_retry,
        **opened,
    }
    return render(request, "review/fleet.html", context)
