"""The HTML door: the public texts, and signing."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone

from release_portal.lib.network import address_of
from release_portal.partners.models import Partner
from release_portal.partners.permissions import Permission
from release_portal.partners.shortcuts import SignedIn, fresh, refusals_on

from . import actions
from .forms import SignatureForm
from .models import Agreement, AgreementVersion
from .reading import as_html


def current(request: HttpRequest) -> HttpResponse:
    version = AgreementVersion.objects.current()
    return redirect(version) if version else render(request, "agreements/none.html")


def version(request: HttpRequest, number: int) -> HttpResponse:
    version = get_object_or_404(AgreementVersion, number=number)
    versions = AgreementVersion.objects.order_by("-number")
    context = {"version": version, "versions": versions, "html": as_html(version.text)}
    return render(request, "agreements/version.html", context)


def text(request: HttpRequest, number: int) -> HttpResponse:
    """The exact bytes whose SHA-256 a signature names."""
    version = get_object_or_404(AgreementVersion, number=number)
    return HttpResponse(version.text.encode(), content_type="text/markdown; charset=utf-8")


@login_required
@fresh
def sign(request: SignedIn, slug: str) -> HttpResponse:
    """Read and sign the current version; once signed, see what was signed."""
    partner = get_object_or_404(Partner.objects.visible_to(request.user), slug=slug)
    version = AgreementVersion.objects.current()
    if version is None:
        raise Http404
    signed = Agreement.objects.in_force(at=timezone.now()).filter(partner=partner, version=version).first()
    form = SignatureForm(request.POST or None, partner=partner, version=version)
    if form.is_valid():
        origin = actions.Origin(address_of(request) or None, request.headers.get("user-agent", ""))
        with refusals_on(form):
            actions.sign(by=request.user, partner=partner, version=version, origin=origin, **form.cleaned_data)
            messages.success(request, f"You signed the {version} for {partner}.")
            return redirect("agreements:sign", slug)
    context = {
        "partner": partner,
        "version": version,
        "html": as_html(version.text),
        "agreement": signed,
        "signatures": signed.signatures.all() if signed else [],
        "form": form,
        "may_sign": request.user.may(Permission.AGREEMENT_SIGN, partner),
    }
    return render(request, "agreements/sign.html", context)
