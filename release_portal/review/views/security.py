"""The security events: what happened at the doors, beside the book."""

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render

from release_portal.audit.models import SecurityEvent
from release_portal.partners.models import User
from release_portal.partners.permissions import Permission
from release_portal.partners.shortcuts import SignedIn

from ..decorators import staff

ROWS_PER_PAGE = 50
MOST_PEOPLE = 100  # of one name, whose events are looked for together


@staff(Permission.SECURITY_READ)
def security(request: SignedIn) -> HttpResponse:
    """Sign-ins, downloads and refusals, newest first; by kind, by person, by words."""
    words, person, kind = (_asked(request, name) for name in ("q", "person", "kind"))
    events = SecurityEvent.objects.newest_first()
    if kind in SecurityEvent.Kind.values:
        events = events.filter(kind=kind)
    if person:
        events = events.concerning(User.objects.filter(name__icontains=person).order_by("pk")[:MOST_PEOPLE])
    if words:
        events = events.matching(words)
    asked = {"q": words, "person": person, "kind": kind}
    context = asked | {
        "kinds": SecurityEvent.Kind.choices,
        "asked": any(asked.values()),
        "page": Paginator(events, ROWS_PER_PAGE).get_page(request.GET.get("page")),
    }
    return render(request, "review/security.html", context)


def _asked(request: SignedIn, name: str) -> str:
    return request.GET.get(name, "").strip()
