"""A grant: its terms, its meters, and the way to another."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from release_portal.audit.models import Event
from release_portal.partners.models import Partner
from release_portal.partners.permissions import Permission
from release_portal.partners.shortcuts import SignedIn

from .. import actions
from ..models import AccessRequest, Grant, Right
from ..rule import decide


@login_required
def grant(request: SignedIn, slug: str, pk: int) -> HttpResponse:
    shown = _grant_of(request, slug, pk)
    decision = decide(partner=shown.partner, size=shown.size, right=Right(shown.right), at=timezone.now())
    context = {
        "partner": shown.partner,
        "grant": shown,
        "missing": decision.missing if shown.is_held else (),
        "events": Event.objects.about(shown).for_applicants().newest_first(),
        "may_request": request.user.may(Permission.ACCESS_REQUEST, shown.partner),
    }
    return render(request, "access/grant.html", context)


@login_required
@require_POST
def change(request: SignedIn, slug: str, pk: int, kind: str) -> HttpResponse:
    """The draft of an amendment or a renewal."""
    changed = _grant_of(request, slug, pk)
    draft = actions.change_grant(by=request.user, grant=changed, kind=AccessRequest.Kind(kind))
    return redirect("access:edit", draft.partner.slug, draft.pk)


def _grant_of(request: SignedIn, slug: str, pk: int) -> Grant:
    partner = get_object_or_404(Partner.objects.visible_to(request.user), slug=slug)
    related = Grant.objects.latest_first().select_related("item", "replaced_by__size__family", "replaced_by__partner")
    return get_object_or_404(related, partner=partner, pk=pk)
