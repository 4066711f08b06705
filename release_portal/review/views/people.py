"""People: who has an account, what they may, and the ways to disable one and to remove factors that were lost."""

from allauth.mfa.utils import is_mfa_enabled
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone

from release_portal.audit.models import Event
from release_portal.partners import actions
from release_portal.partners.factors import FACTORS
from release_portal.partners.forms import ReasonForm
from release_portal.partners.models import ApiToken, User
from release_portal.partners.permissions import Permission
from release_portal.partners.sessions import sessions_of
from release_portal.partners.shortcuts import SignedIn, refusals_on

from ..decorators import staff

ROWS_PER_PAGE = 50
MOST_EVENTS = 20


@staff(Permission.PERSON_DISABLE)
def people(request: SignedIn) -> HttpResponse:
    words = request.GET.get("q", "").strip()
    found = User.objects.people(words).prefetch_related("lab_roles")
    page = Paginator(found, ROWS_PER_PAGE).get_page(request.GET.get("page"))
    context = {"q": words, "page": page}
    return render(request, "review/people.html", context)


@staff(Permission.PERSON_DISABLE)
def person(request: SignedIn, pk: int) -> HttpResponse:
    """One person: what they may, what they have open, what happened; and the form to disable or enable them."""
    shown = get_object_or_404(User.objects.people().select_related("decided_by"), pk=pk)
    form = ReasonForm(request.POST or None, label="Why", readers="The person reads it.")
    if form.is_valid():
        act = actions.disable_person if shown.is_active else actions.enable_person
        with refusals_on(form):
            act(by=request.user, person=shown, **form.cleaned_data)
            messages.success(request, f"The account of {shown} was {'disabled' if shown.is_active else 'enabled'}.")
            return redirect("review:person", pk)
    memberships = shown.memberships.current().select_related("partner").prefetch_related("roles")
    context = {
        "person": shown,
        "form": form,
        "memberships": memberships.order_by("partner__legal_name"),
        "has_factor": is_mfa_enabled(shown, types=FACTORS),
        "sessions": sessions_of(shown).count(),
        "tokens": ApiToken.objects.valid(at=timezone.now()).filter(user=shown).count(),
        "events": Event.objects.about(shown).newest_first()[:MOST_EVENTS],
    }
    return render(request, "review/person.html", context)


@staff(Permission.PERSON_DISABLE)
def remove_factors(request: SignedIn, pk: int) -> HttpResponse:
    shown = get_object_or_404(User.objects.people(), pk=pk)
    form = ReasonForm(request.POST or None, label="Why", readers="The person reads it.")
    if form.is_valid():
        with refusals_on(form):
            actions.remove_factors(by=request.user, person=shown, **form.cleaned_data)
            messages.success(request, f"{shown} has no second factor any more, and was sent a mail to begin again.")
            return redirect("review:person", pk)
    return render(request, "review/remove_factors.html", {"person": shown, "form": form})
