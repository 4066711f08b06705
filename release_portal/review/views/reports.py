"""The lab's reports: approvals, medians and ages by step and size, as a page and as a CSV."""

import csv
from datetime import date, timedelta
from typing import Any

from django import forms
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from release_portal.access.forms import DayField
from release_portal.partners.permissions import Permission
from release_portal.partners.shortcuts import SignedIn

from ..decorators import staff
from ..reports import Period, Report, report_of

USUAL = timedelta(days=89)  # before the last day: 90 days in all
COLUMNS = ["section", "size", "measure", "value", "number"]
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet takes for the beginning of one


class PeriodForm(forms.Form):
    """The days that a report is about."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label in {"from": "From", "to": "To"}.items():  # `from` is a word of Python: no class can declare it
            self.fields[name] = DayField(label=f"{label} (UTC)")
            self.fields[name].error_messages["required"] = f"{label} (UTC) is missing."

    def clean(self) -> None:
        first, last = self.cleaned_data.get("from"), self.cleaned_data.get("to")
        today = timezone.now().date()
        if last and last > today:
            self.add_error("to", f"A report ends by today, {today:%-d %B %Y}; you gave {last:%-d %B %Y}.")
        elif first and last and first > last:
            given = f"you gave {first:%-d %B %Y}, and {last:%-d %B %Y} as the last day."
            self.add_error("from", f"The first day is not after the last: {given}")

    @property
    def period(self) -> Period:
        return Period(self.cleaned_data["from"], self.cleaned_data["to"])


@staff(Permission.REQUEST_DECIDE, Permission.BOOK_READ)
def reports(request: SignedIn) -> HttpResponse:
    """The figures of a period, the last 90 days unless the address names another, and what waits now."""
    query = _query_of(request)
    form = PeriodForm(query)
    period = form.period if form.is_valid() else None
    now = timezone.now()
    context = {
        "form": form,
        "now": now,
        "period": period,
        "report": report_of(period, at=now) if period else None,
        "query": query.urlencode() if period else "",
        "longer": f"?from={_days_ago(364)}&to={_days_ago(0)}",
    }
    return render(request, "review/reports.html", context)


@staff(Permission.REQUEST_DECIDE, Permission.BOOK_READ)
def reports_csv(request: SignedIn) -> HttpResponse:
    """The same figures as one long table; days that are not understood lead to the page, which says why."""
    query = _query_of(request)
    form = PeriodForm(query)
    if not form.is_valid():
        return redirect(f"{reverse('review:reports')}?{query.urlencode()}")
    period = form.period
    filename = f"reviews-{period.first}-to-{period.last}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{filename}"'}
    response = HttpResponse(content_type="text/csv; charset=utf-8", headers=headers)
    csv.writer(response).writerows(_table(report_of(period, at=timezone.now())))
    return response


def _query_of(request: SignedIn) -> QueryDict:
    """What the address says of the period, completed to the last 90 days."""
    query = request.GET.copy()
    query.setdefault("from", f"{_days_ago(USUAL.days)}")
    query.setdefault("to", f"{_days_ago(0)}")
    return query


def _days_ago(days: int) -> date:
    return timezone.now().date() - timedelta(days=days)


def _table(report: Report) -> list[list[str | float | None]]:
    rows: list[list[str | float | None]] = [list(COLUMNS)]
    for section, lines in report.sections.items():
        for line in lines:
            for figure in line.figures:
                measure = f"{line.step}: {figure.measure}" if line.step else figure.measure
                rows.append([*map(_cell, (section, line.size, measure, figure.value)), figure.number])
    return rows


def _cell(text: str) -> str:
    """The text as a spreadsheet shows it, and never counts it."""
    return f"'{text}" if text.startswith(FORMULA) else text
