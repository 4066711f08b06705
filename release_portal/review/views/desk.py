"""The desk: what waits, found by tabs, typed searches and saved ones; and which columns one wants."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from release_portal.access import actions as access
from release_portal.access.models import AccessRequest, DeskColumns
from release_portal.lib.days import whole_days
from release_portal.lib.states import Refused
from release_portal.lib.text import number_in
from release_portal.partners.models import Partner
from release_portal.partners.permissions import Permission
from release_portal.partners.shortcuts import SignedIn

from ..decorators import staff
from ..search import EXAMPLE, search

ROWS_PER_PAGE = 50
NEAR = timedelta(days=2)  # before the promised day, a row says that it is close
TABS = {
    "mine": "Waits for me",
    "claimed": "Claimed by me",
    "waiting": "All waiting",
    "late": "Late",
    "returned": "Returned",
    "decided": "Decided",
    "every": "Every request",
}
COLUMNS = {
    "kind": "Kind",
    "sender": "Sent by",
    "until": "Wanted until",
    "claim": "Claimed by",
    "promise": "Promised",
}
SORTS = {
    "organisation": "partner__legal_name",
    "state": "status",
    "kind": "kind",
    "sender": "submitted_by__name",
    "until": "until_wanted",
    "claim": "claimed_by__name",
    "promise": "promised_at",
    "sent": "submitted_at",
}
OLDEST = "sent"


@dataclass(frozen=True)
class Header:
    """The head of a column, which sorts by it; pressed again, the other way round."""

    name: str
    label: str
    order: str
    query: str


@staff(Permission.PARTNER_ADMIT, Permission.REQUEST_DECIDE, Permission.GRANT_REVOKE, Permission.BOOK_READ)
def desk(request: SignedIn) -> HttpResponse:
    requests, problem = found(request)
    organisations = Partner.objects.awaiting_review().select_related("applied_by")
    chosen = DeskColumns.objects.filter(user=request.user).first()
    columns = chosen.names if chosen else ["kind", "claim", "promise"]
    page = Paginator(list(requests.values_list("pk", flat=True)), ROWS_PER_PAGE).get_page(request.GET.get("page"))
    asked = AccessRequest.objects.with_items().in_bulk(list(page))
    now = timezone.now()
    context = {
        "q": _words(request),
        "tab": _tab(request),
        "tabs": TABS.items(),
        "problem": problem,
        "example": EXAMPLE,
        "sort": request.GET.get("sort", ""),
        "headers": _headers(request, columns),
        "columns": columns,
        "all_columns": COLUMNS.items(),
        "saved": request.user.saved_searches.all(),
        "organisations": Paginator(organisations, ROWS_PER_PAGE).get_page(request.GET.get("organisations")),
        "requests": page,
        "rows": [(asked[pk], promise_of(asked[pk], at=now), asked[pk].claimant(at=now)) for pk in page],
        "query": address_of(request),
        "batch_verbs": access.verbs_of(by=request.user, on_requests=True),
        "may_decide": request.user.may(Permission.REQUEST_DECIDE),
        "may_suspend": request.user.may(Permission.ACCESS_SUSPEND),
        "may_pause": request.user.may(Permission.RULE_SET),
    }
    return render(request, "review/desk.html", context)


def found(request: SignedIn) -> tuple[Any, str]:
    """The requests that the address names, in its order, and what of it is not understood."""
    now, words = timezone.now(), _words(request)
    rows, problem = AccessRequest.objects.sent().filter(_of_tab(_tab(request), request, now)), ""
    try:
        meaning = search(words, by=request.user, at=now)
        rows = rows.filter(pk__in=AccessRequest.objects.filter(meaning).values("pk")) if words else rows
    except Refused as refused:
        rows, problem = rows.none(), refused.sentence
    return rows.order_by(*_order(request)), problem


def address_of(request: SignedIn) -> str:
    """What the address says besides the page, encoded."""
    return urlencode({key: request.GET[key] for key in ("tab", "q", "sort") if request.GET.get(key)})


def promise_of(asked: AccessRequest, *, at: datetime) -> dict[str, str] | None:
    """How far the promised day is, as `components/status.html` shows it; nothing where no answer is owed now."""
    if asked.status != AccessRequest.Status.SUBMITTED or asked.promised_at is None:
        return None
    left = asked.promised_at - at
    days = whole_days(left) if left >= timedelta(days=1) else abs(left) // timedelta(days=1)
    far = f"{days} day{'' if days == 1 else 's'}" if days else "less than a day"
    if left < timedelta(0):
        return {"word": f"{far} late", "tone": "bad"}
    return {"word": f"{far} left", "tone": "wait" if left < NEAR else "off"}


@staff(Permission.REQUEST_DECIDE, routine=True)
@require_POST
def saved(request: SignedIn) -> HttpResponse:
    """Keep the search under a name, or remove one."""
    if pk := request.POST.get("forget", ""):
        kept = get_object_or_404(request.user.saved_searches, pk=number_in(pk))
        access.forget_search(by=request.user, search=kept)
        messages.success(request, f"The search “{kept}” was removed.")
        return redirect("review:desk")
    name, query = (request.POST.get(field, "") for field in ("name", "query"))
    kept = access.save_search(by=request.user, name=name, query=query)
    messages.success(request, f"The search is kept as “{kept}”.")
    return redirect(f"{reverse('review:desk')}?{query}")


@staff(Permission.REQUEST_DECIDE, routine=True)
@require_POST
def columns(request: SignedIn) -> HttpResponse:
    names = [name for name in COLUMNS if name in request.POST.getlist("column")]
    access.choose_columns(by=request.user, names=names)
    return redirect(f"{reverse('review:desk')}?{request.POST.get('query', '')}")


def _words(request: SignedIn) -> str:
    return request.GET.get("q", "").strip()


def _tab(request: SignedIn) -> str:
    """A search looks at every request, unless the address names a list."""
    tab = request.GET.get("tab", "every" if _words(request) else "mine")
    return tab if tab in TABS else "mine"


def _of_tab(tab: str, request: SignedIn, now: datetime) -> Q:
    user, waiting = request.user, Q(status=AccessRequest.Status.SUBMITTED)
    elsewhere = AccessRequest.is_claimed(at=now) & ~Q(claimed_by=user)
    return {
        "mine": waiting & ~elsewhere & ~Q(pk__in=AccessRequest.objects.barred_to(user).values("pk")),
        "claimed": waiting & AccessRequest.is_claimed(at=now, by=user),
        "waiting": waiting,
        "late": AccessRequest.is_overdue(at=now),
        "returned": Q(status=AccessRequest.Status.RETURNED),
        "decided": Q(status=AccessRequest.Status.DECIDED),
        "every": Q(),
    }[tab]


def _order(request: SignedIn) -> list[str]:
    """The order that the address names, oldest first without one; equals stand in the order of their arrival."""
    sort = request.GET.get("sort", "")
    name = sort.removeprefix("-")
    sign = "-" if sort.startswith("-") and name in SORTS else ""
    return [sign + SORTS.get(name, SORTS[OLDEST]), f"{sign}id"]


def _headers(request: SignedIn, columns: list[str]) -> list[Header]:
    """The heads of the columns that are shown, each with the address that sorts by it."""
    labels = {"organisation": "Request", "state": "State"}
    labels |= {name: label for name, label in COLUMNS.items() if name in columns} | {"sent": "Sent"}
    asked = request.GET.get("sort") or OLDEST
    now = asked if asked.removeprefix("-") in SORTS else OLDEST
    kept = {key: request.GET[key] for key in ("tab", "q") if request.GET.get(key)}
    headers = []
    for name, label in labels.items():
        order = {name: "ascending", f"-{name}": "descending"}.get(now, "")
        sort = f"-{name}" if order == "ascending" else name
        headers.append(Header(name, label, order, urlencode(kept | {"sort": sort})))
    return headers
