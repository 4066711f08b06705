"""The register: families and sizes, what was corrected, and who may have which component."""

from django.contrib import messages
from django.forms import Form
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone

from release_portal.partners.permissions import Permission
from release_portal.partners.shortcuts import SignedIn, refusals_on
from release_portal.releases import actions as releases
from release_portal.releases.ladder import family_components, ladder_of, rung_of, state_of
from release_portal.releases.models import Artefact, Audience, Component, Family, ModelSize
from release_portal.releases.shortcuts import size_or_404

from ..blast import blast_of_component
from ..decorators import REGISTER_READERS, staff
from ..forms import ErratumForm, FamilyForm, NewFamilyForm, NewSizeForm, OpeningForm, SizeForm


@staff(*REGISTER_READERS)
def register(request: SignedIn) -> HttpResponse:
    """Every family with its ladder; the way to edit each."""
    now = timezone.now()
    families = [
        (family, ladder_of(family, at=now), family_components(family, at=now)) for family in Family.objects.all()
    ]
    context = {"families": families, "may_edit": request.user.may(Permission.RELEASE_EDIT)}
    return render(request, "review/register.html", context)


@staff(Permission.RELEASE_EDIT)
def new_family(request: SignedIn) -> HttpResponse:
    form = NewFamilyForm(request.POST or None)
    if form.is_valid():
        with refusals_on(form):
            family = releases.add_family(by=request.user, **form.cleaned_data)
            messages.success(request, f"{family} was added. Add its first size.")
            return redirect("review:new_size", slug=family.slug)
    context = {"form": form, "title": "Add a family", "action": "Add it", "back": reverse("review:register")}
    return render(request, "review/register_form.html", context)


@staff(*REGISTER_READERS)
def register_family(request: SignedIn, slug: str) -> HttpResponse:
    """What belongs to a family: its page, its sizes, its own components."""
    family = get_object_or_404(Family, slug=slug)
    now = timezone.now()
    opened = {held.component: held for held in family.openings.holding(at=now)}
    context = {
        "family": family,
        "ladder": ladder_of(family, at=now),
        "components": [state_of(component, opened.get(component)) for component in Component.of_families()],
        "artefacts": Artefact.objects.of(family).newest_first(),
        "errata": family.errata.newest_first(),
        **_rights(request),
    }
    return render(request, "review/register_family.html", context)


@staff(Permission.RELEASE_EDIT)
def edit_family(request: SignedIn, slug: str) -> HttpResponse:
    family = get_object_or_404(Family, slug=slug)
    initial = {field: getattr(family, field) for field in FamilyForm.base_fields}
    form = FamilyForm(request.POST or None, initial=initial)
    if form.is_valid():
        with refusals_on(form):
            releases.edit_family(by=request.user, family=family, **form.cleaned_data)
            messages.success(request, f"The page of {family} was changed.")
            return redirect("review:register_family", slug=slug)
    return _form(request, form, f"Edit the page of {family}", "Save", family)


@staff(Permission.RELEASE_EDIT)
def new_size(request: SignedIn, slug: str) -> HttpResponse:
    family = get_object_or_404(Family, slug=slug)
    form = NewSizeForm(request.POST or None)
    if form.is_valid():
        with refusals_on(form):
            size = releases.add_size(by=request.user, family=family, **form.cleaned_data)
            messages.success(request, f"{size} was added, closed in every component.")
            return redirect("review:register_size", slug=slug, name=size.name)
    return _form(request, form, f"Add a size to {family}", "Add it", family)


@staff(*REGISTER_READERS)
def register_size(request: SignedIn, slug: str, name: str) -> HttpResponse:
    """A size: who may have what of it, its facts, and what was corrected."""
    size = size_or_404(request, f"{slug}/{name}")
    if (slug, name) != (size.family.slug, size.name):
        return redirect("review:register_size", slug=size.family.slug, name=size.name)
    rung = rung_of(size, at=timezone.now())
    context = {
        "size": size,
        "rung": rung,
        "errata": size.errata.newest_first(),
        "artefacts": Artefact.objects.of(size).newest_first(),
        **_rights(request),
    }
    return render(request, "review/register_size.html", context)


@staff(Permission.RELEASE_EDIT)
def edit_size(request: SignedIn, slug: str, name: str) -> HttpResponse:
    size = size_or_404(request, f"{slug}/{name}")
    initial = {field: getattr(size, field) for field in SizeForm.base_fields}
    form = SizeForm(request.POST or None, initial=initial)
    if form.is_valid():
        with refusals_on(form):
            releases.edit_size(by=request.user, size=size, **form.cleaned_data)
            messages.success(request, f"The facts of {size} were changed.")
            return redirect("review:register_size", slug=size.family.slug, name=size.name)
    return _form(request, form, f"Edit the facts of {size}", "Save", size)


@staff(Permission.RELEASE_EDIT)
def correct_size(request: SignedIn, slug: str, name: str) -> HttpResponse:
    """An erratum: what was stated of a size and was wrong."""
    size = size_or_404(request, f"{slug}/{name}")
    form = ErratumForm(request.POST or None)
    if form.is_valid():
        with refusals_on(form):
            releases.correct_size(by=request.user, size=size, **form.cleaned_data)
            messages.success(request, f"It is {size}, {size.parameters_in_words}, from now on.")
            return redirect("review:register_size", slug=size.family.slug, name=size.name)
    return _form(request, form, f"Correct what was stated of {size}", "Publish the erratum", size)


@staff(Permission.SIZE_OPEN)
def open_component(request: SignedIn, slug: str, component: str, name: str = "") -> HttpResponse:
    """Who may have a component now and whom a change reaches, before the change."""
    of = size_or_404(request, f"{slug}/{name}") if name else get_object_or_404(Family, slug=slug)
    if component not in Component.values or Component(component).words.of_family != isinstance(of, Family):
        raise Http404
    part = Component(component)
    now = of.openings.holding(at=timezone.now()).filter(component=part).first()
    form = OpeningForm(request.POST or None, component=part, of=of, initial={"audience": now and now.audience})
    if form.is_valid():
        why = {"audience": Audience(form.cleaned_data["audience"]), "reason": form.cleaned_data["reason"]}
        with refusals_on(form):
            releases.open_component(by=request.user, of=of, component=part, **why)
            messages.success(request, part.sentence(why["audience"]))
            return redirect(page_of(of))
    context = {
        "form": form,
        "of": of,
        "component": part,
        "state": state_of(part, now),
        "blast": blast_of_component(of, part) if isinstance(of, ModelSize) and part.words.is_hosted else None,
        "back": page_of(of),
    }
    return render(request, "review/open_component.html", context)


def _rights(request: SignedIn) -> dict[str, bool]:
    may = request.user.may
    return {"may_edit": may(Permission.RELEASE_EDIT), "may_open": may(Permission.SIZE_OPEN)}


def page_of(of: Family | ModelSize) -> str:
    """Where the register has it."""
    if isinstance(of, Family):
        return reverse("review:register_family", args=[of.slug])
    return reverse("review:register_size", args=[of.family.slug, of.name])


def _form(request: SignedIn, form: Form, title: str, action: str, of: Family | ModelSize) -> HttpResponse:
    context = {"form": form, "title": title, "action": action, "of": of, "back": page_of(of)}
    return render(request, "review/register_form.html", context)
