"""Artefacts in the register: folders of files that are versions of components, and the licences."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Q, Sum
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse

from release_portal.audit.models import Event
from release_portal.partners.guards import require
from release_portal.partners.permissions import Permission
from release_portal.partners.shortcuts import SignedIn, refusals_on
from release_portal.releases import actions as releases
from release_portal.releases.models import Artefact, Family, Licence
from release_portal.releases.shortcuts import size_or_404

from ..decorators import REGISTER_READERS, staff
from ..forms import ArtefactForm, LicenceForm
from .register import page_of

FILES_PER_PAGE = 100
EVENTS_SHOWN = 20


@staff(Permission.RELEASE_EDIT)
def register_artefact(request: SignedIn, slug: str, name: str = "") -> HttpResponse:
    """Name the folder whose files are a version of a component of a size or a family."""
    of = size_or_404(request, f"{slug}/{name}") if name else get_object_or_404(Family, slug=slug)
    form = ArtefactForm(request.POST or None, of=of)
    if form.is_valid():
        with refusals_on(form):
            artefact = releases.register_artefact(by=request.user, of=of, **form.cleaned_data)
            messages.success(request, f"{artefact} was registered. Its files are being hashed.")
            return redirect(artefact)
    context = {"form": form, "title": f"Register files of {of}", "action": "Register them", "of": of}
    return render(request, "review/register_form.html", context | {"back": page_of(of)})


@staff(*REGISTER_READERS)
def artefact(request: SignedIn, pk: int) -> HttpResponse:
    """An artefact and its files; how far they are hashed."""
    shown = get_object_or_404(Artefact.objects.newest_first(), pk=pk)
    read = ~Q(sha256="")
    sums = shown.files.aggregate(
        number=Count("pk"), size=Sum("bytes"), read=Count("pk", filter=read), done=Sum("bytes", filter=read)
    )
    context = {
        "artefact": shown,
        "back": page_of(shown.of),
        "sums": sums,
        "page": Paginator(shown.files.order_by("path"), FILES_PER_PAGE).get_page(request.GET.get("page")),
        "events": Event.objects.about(shown).newest_first()[:EVENTS_SHOWN],
    }
    return render(request, "review/artefact.html", context)


@staff(*REGISTER_READERS)
def licences(request: SignedIn) -> HttpResponse:
    """Every version of every licence; add one."""
    if request.method == "POST":
        require(request.user, Permission.RELEASE_EDIT)
    form = LicenceForm(request.POST or None) if request.user.may(Permission.RELEASE_EDIT) else None
    if form and form.is_valid():
        with refusals_on(form):
            licence = releases.add_licence(by=request.user, **form.cleaned_data)
            messages.success(request, f"{licence} was added.")
            return redirect(reverse("review:licences"))
    return render(request, "review/licences.html", {"form": form, "licences": Licence.objects.select_related("by")})
