"""The HTML door: the public pages of families and sizes, made from state."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone

from release_portal.audit.models import Event

from .ladder import family_components, ladder_of, rung_of
from .models import Family, ModelSize
from .shortcuts import size_or_404

CHANGES_SHOWN = 20


def home(request: HttpRequest) -> HttpResponse:
    families = [(family, ladder_of(family, at=timezone.now())) for family in Family.objects.all()]
    return render(request, "releases/home.html", {"families": families})


def family(request: HttpRequest, slug: str) -> HttpResponse:
    family = get_object_or_404(Family, slug=slug)
    events = _public_events(family, *family.sizes.all())
    now = timezone.now()
    context = {
        "family": family,
        "ladder": ladder_of(family, at=now),
        "components": family_components(family, at=now),
        "errata": family.errata.newest_first(),
        "events": events,
    }
    return render(request, "releases/family.html", context)


def size(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """A size at its address; from another spelling of its name, or an earlier name, it leads there."""
    size = size_or_404(request, f"{slug}/{name}")
    if (slug, name) != (size.family.slug, size.name):
        return redirect(size)
    context = {
        "size": size,
        "rung": rung_of(size, at=timezone.now()),
        "artefacts": size.artefacts.on_workers(),
        "errata": size.errata.newest_first(),
        "events": _public_events(size),
    }
    return render(request, "releases/size.html", context)


def _public_events(*things: Family | ModelSize) -> list[Event]:
    """What changed about the models themselves. Who asked for access, and who got it, is not public."""
    return list(Event.objects.public().about(*things).newest_first()[:CHANGES_SHOWN])
