"""What is asked before each size is granted; and the findings that count."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from release_portal.access import actions as access
from release_portal.access.models import Finding, SizeRule
from release_portal.partners.conflicts import conflict_of
from release_portal.partners.models import Role
from release_portal.partners.permissions import Permission
from release_portal.partners.shortcuts import SignedIn, refusals_on, refusals_told
from release_portal.releases.models import ModelSize
from release_portal.releases.shortcuts import size_or_404

from ..decorators import staff
from ..forms import RuleForm

ROWS_PER_PAGE = 50


@staff(Permission.RULE_SET, Permission.REQUEST_DECIDE, Permission.BOOK_READ)
def rules(request: SignedIn) -> HttpResponse:
    sizes = list(ModelSize.objects.smallest_first().prefetch_related("rules__after_size__family", "rules__by"))
    largest = {size.family_id: size.pk for size in sizes}
    families = [size.family_id for size in sizes]
    titles = _titles()
    rows = []
    for size in sizes:
        rule = max(size.rules.all(), key=lambda rule: (rule.at, rule.pk), default=SizeRule(size=size))
        is_largest = largest[size.family_id] == size.pk and families.count(size.family_id) > 1
        needed = rule.approvals_needed(is_largest=is_largest)
        rows.append((size, _in_words(rule, titles) | {"approvals": needed}))
    context = {"rows": rows, "may_set": request.user.may(Permission.RULE_SET)}
    return render(request, "review/rules.html", context)


@staff(Permission.RULE_SET)
def rule(request: SignedIn, family: str, name: str) -> HttpResponse:
    """The rule of a size and how it came about; set another."""
    size = size_or_404(request, f"{family}/{name}")
    history = list(size.rules.select_related("after_size__family", "by").order_by("-at", "-pk"))
    fields = ("approvals", "roles", "veto_roles", "after_size", "after_days", "findings")
    initial = {field: getattr(history[0], field) for field in fields} if history else None
    form = RuleForm(request.POST or None, size=size, initial=initial)
    if form.is_valid():
        with refusals_on(form):
            access.set_rule(by=request.user, size=size, **form.as_arguments())
            messages.success(request, f"The rule of {size} was set.")
            return redirect("review:rules")
    titles = _titles()
    changes = [_in_words(rule, titles) for rule in history]
    context = {"size": size, "form": form, "history": changes, "largest": size.is_largest()}
    return render(request, "review/rule.html", context)


def _titles() -> dict[str, str]:
    return dict(Role.objects.filter(at_lab=True).values_list("code", "title"))


def _in_words(rule: SizeRule, titles: dict[str, str]) -> dict[str, Any]:
    """A rule as a row of a table shows it."""
    parts = [f"{rule.after_days} day{'' if rule.after_days == 1 else 's'}"] if rule.after_days else []
    if rule.findings:
        parts.append(f"{rule.findings} accepted finding{'' if rule.findings == 1 else 's'}")
    return {
        "rule": rule,
        "approvals": rule.approvals,
        "roles": [titles.get(code, code) for code in rule.roles],
        "veto": [titles.get(code, code) for code in rule.veto_roles],
        "after": f"{rule.after_size}: {' and '.join(parts) or 'nothing counted'}" if rule.after_size else "",
    }


@staff(Permission.REQUEST_DECIDE)
def findings(request: SignedIn) -> HttpResponse:
    rows = Finding.objects.newest_first().select_related("partner")
    waiting = rows.filter(accepted_at__isnull=True)
    shown = rows if request.GET.get("state") == "all" else waiting
    page = Paginator(shown, ROWS_PER_PAGE).get_page(request.GET.get("page"))
    state = "all" if request.GET.get("state") == "all" else ""
    return render(request, "review/findings.html", {"page": page, "state": state})


@staff(Permission.REQUEST_DECIDE)
def finding(request: SignedIn, pk: int) -> HttpResponse:
    shown = get_object_or_404(Finding.objects.newest_first().select_related("partner"), pk=pk)
    if request.method == "POST":
        with refusals_told(request):
            access.accept_finding(by=request.user, finding=shown)
            messages.success(request, "The finding was accepted.")
        return redirect("review:findings")
    authors = [(shown.sent_by_id, shown.sent_at)]
    conflict = conflict_of(request.user, Permission.REQUEST_DECIDE, shown.partner, authors=authors)
    return render(request, "review/finding.html", {"finding": shown, "conflict": conflict})
