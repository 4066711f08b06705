"""What is asked before each size is granted; and the findings that count."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from release_portal.access import actions as access
from release_portal.access.decision_forms import RuleForm
from release_portal.access.models import Finding
from release_portal.partners.doors import SignedIn, refusals_on
from release_portal.partners.permissions import Permission
from release_portal.releases.models import ModelSize

from ..doors import staff

ROWS_PER_PAGE = 50


@staff(Permission.RULE_SET, Permission.REQUEST_DECIDE, Permission.BOOK_READ)
def rules(request: SignedIn) -> HttpResponse:
    sizes = ModelSize.objects.smallest_first().prefetch_related("rules__after_size__family", "rules__by")
    rows = [(size, max(size.rules.all(), key=lambda rule: rule.pk, default=None)) for size in sizes]
    return render(request, "review/rules.html", {"rows": rows})


@staff(Permission.RULE_SET)
def rule(request: SignedIn, family: str, name: str) -> HttpResponse:
    """The rule of a size and how it came about; set another."""
    size = get_object_or_404(ModelSize.objects.named(f"{family}/{name}").select_related("family"))
    history = size.rules.select_related("after_size__family", "by").order_by("-at", "-pk")
    now = history.first()
    fields = ("approvals", "roles", "veto_roles", "after_size", "after_days", "findings")
    form = RuleForm(
        request.POST or None, size=size, initial={field: getattr(now, field) for field in fields} if now else None
    )
    if form.is_valid():
        with refusals_on(form):
            access.set_rule(by=request.user, size=size, **form.told())
            messages.success(request, f"The rule of {size} was set.")
            return redirect("review:rules")
    return render(request, "review/rule.html", {"size": size, "form": form, "history": history})


@staff(Permission.REQUEST_DECIDE)
def findings(request: SignedIn) -> HttpResponse:
    rows = Finding.objects.newest_first().select_related("partner")
    waiting = rows.filter(accepted_at__isnull=True)
    shown = rows if request.GET.get("state") == "all" else waiting
    page = Paginator(shown, ROWS_PER_PAGE).get_page(request.GET.get("page"))
    state = "all" if request.GET.get("state") == "all" else ""
    return render(request, "review/findings.html", {"page": page, "state": state, "query": f"state={state}"})


@staff(Permission.REQUEST_DECIDE)
def finding(request: SignedIn, pk: int) -> HttpResponse:
    shown = get_object_or_404(Finding.objects.newest_first().select_related("partner"), pk=pk)
    if request.method == "POST":
        access.accept_finding(by=request.user, finding=shown)
        messages.success(request, "The finding was accepted.")
        return redirect("review:findings")
    return render(request, "review/finding.html", {"finding": shown})
