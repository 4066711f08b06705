"""What an organisation found and reported to the lab."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from release_portal.partners.models import Partner
from release_portal.partners.permissions import Permission
from release_portal.partners.shortcuts import SignedIn, refusals_on

from .. import actions
from ..forms import FindingForm

ROWS_PER_PAGE = 50


@login_required
def findings(request: SignedIn, slug: str) -> HttpResponse:
    """What was reported so far, and the form for another."""
    partner = get_object_or_404(Partner.objects.visible_to(request.user), slug=slug)
    form = FindingForm(request.POST or None, partner=partner)
    if form.is_valid():
        with refusals_on(form):
            made = actions.report_finding(by=request.user, partner=partner, **form.cleaned_data)
            messages.success(request, "The lab has your finding, and answers by mail.")
            return redirect("access:finding", partner.slug, made.pk)
    context = {
        "partner": partner,
        "form": form,
        "page": Paginator(partner.findings.newest_first(), ROWS_PER_PAGE).get_page(request.GET.get("page")),
        "may_report": request.user.may(Permission.JOB_SUBMIT, partner) and partner.grants.exists(),
    }
    return render(request, "access/findings.html", context)


@login_required
def finding(request: SignedIn, slug: str, pk: int) -> HttpResponse:
    partner = get_object_or_404(Partner.objects.visible_to(request.user), slug=slug)
    shown = get_object_or_404(partner.findings.newest_first(), pk=pk)
    return render(request, "access/finding.html", {"partner": partner, "finding": shown})
