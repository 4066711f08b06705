"""The HTML door: the public pages of families and sizes, made from state."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone

from release_portal.audit.models import Event

from .ladder import ladder_of, rung_of
from .models import Family, ModelSize

CHANGES_SHOWN = 20


def home(request: HttpRequest) -> HttpResponse:
    families = [(family, ladder_of(family, at=timezone.now())) for family in Family.objects.all()]
    return render(request, "releases/home.html", {"families": families})


def family(request: HttpRequest, slug: str) -> HttpResponse:
    family = get_object_or_404(Family, slug=slug)
    events = _public_events(family, *family.sizes.all())
    context = {"family": family, "ladder": ladder_of(family, at=timezone.now()), "events": events}
    return render(request, "releases/family.html", context)


def size(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    sizes = ModelSize.objects.smallest_first().with_audiences(at=timezone.now()).prefetch_related("artefacts")
    size = get_object_or_404(sizes, family__slug=slug, name__iexact=name)
    context = {"size": size, "rung": rung_of(size), "artefacts": size.artefacts.all(), "events": _public_events(size)}
    return render(request, "releases/size.html", context)


def _public_events(*things: Family | ModelSize) -> list[Event]:
    """What changed about the models themselves. Who asked for access, and who got it, is not public."""
    return list(Event.objects.public().about(*things).newest_first()[:CHANGES_SHOWN])
