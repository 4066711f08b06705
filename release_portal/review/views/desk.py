"""The desk: what waits, found by tabs, typed searches and saved ones; and which columns one wants."""

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
from release_portal.lib.states import Refused
from release_portal.partners.doors import SignedIn
from release_portal.partners.models import Partner
from release_portal.partners.permissions import Permission

from ..doors import staff
from ..search import EXAMPLE, search

ROWS_PER_PAGE = 50
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
ORDERS = {"oldest": ["submitted_at", "id"], "newest": ["-submitted_at", "-id"], "organisation": ["partner__legal_name"]}


@staff(Permission.PARTNER_ADMIT, Permission.REQUEST_DECIDE, Permission.GRANT_REVOKE, Permission.BOOK_READ)
def desk(request: SignedIn) -> HttpResponse:
    words = request.GET.get("q", "").strip()
    tab = request.GET.get("tab", "mine" if not words else "every")
    requests, problem = found(request)
    organisations = Partner.objects.awaiting_review().select_related("applied_by")
    chosen = DeskColumns.objects.filter(user=request.user).first()
    context = {
        "q": words,
        "tab": tab if tab in TABS else "mine",
        "tabs": TABS.items(),
        "problem": problem,
        "example": EXAMPLE,
        "order": request.GET.get("order", "oldest"),
        "orders": ORDERS,
        "columns": chosen.names if chosen else ["kind", "claim", "promise"],
        "all_columns": COLUMNS.items(),
        "saved": request.user.saved_searches.all(),
        "now": timezone.now(),
        "organisations": Paginator(organisations, ROWS_PER_PAGE).get_page(request.GET.get("organisations")),
        "requests": Paginator(requests.with_items(), ROWS_PER_PAGE).get_page(request.GET.get("page")),
        "query": address_of(request),
        "may_decide": request.user.may(Permission.REQUEST_DECIDE),
        "may_suspend": request.user.may(Permission.ACCESS_SUSPEND),
        "may_pause": request.user.may(Permission.RULE_SET),
    }
    return render(request, "review/desk.html", context)


def found(request: SignedIn) -> tuple[Any, str]:
    """The requests that the address names, in its order, and what of it is not understood."""
    now, words = timezone.now(), request.GET.get("q", "").strip()
    tab = request.GET.get("tab", "mine" if not words else "every")
    rows, problem = AccessRequest.objects.sent().filter(_tab(tab, request, now)), ""
    try:
        meaning = search(words, by=request.user, at=now)
        rows = rows.filter(pk__in=AccessRequest.objects.filter(meaning).values("pk")) if words else rows
    except Refused as refused:
        rows, problem = rows.none(), refused.sentence
    return rows.order_by(*ORDERS.get(request.GET.get("order", "oldest"), ORDERS["oldest"])), problem


def address_of(request: SignedIn) -> str:
    """What the address says besides the page, encoded."""
    return urlencode({key: request.GET[key] for key in ("tab", "q", "order") if request.GET.get(key)})


@staff(Permission.REQUEST_DECIDE)
@require_POST
def saved(request: SignedIn) -> HttpResponse:
    """Keep the search under a name, or remove one."""
    if pk := request.POST.get("forget", ""):
        kept = get_object_or_404(request.user.saved_searches, pk=int(pk) if pk.isdigit() else 0)
        access.forget_search(by=request.user, search=kept)
        messages.success(request, f"The search “{kept}” was removed.")
        return redirect("review:desk")
    query = request.POST.get("query", "")
    kept = access.save_search(by=request.user, name=request.POST.get("name", ""), query=query)
    messages.success(request, f"The search is kept as “{kept}”.")
    return redirect(f"{reverse('review:desk')}?{query}")


@staff(Permission.REQUEST_DECIDE)
@require_POST
def columns(request: SignedIn) -> HttpResponse:
    names = [name for name in COLUMNS if name in request.POST.getlist("column")]
    access.choose_columns(by=request.user, names=names)
    return redirect(f"{reverse('review:desk')}?{request.POST.get('query', '')}")


def _tab(tab: str, request: SignedIn, now: Any) -> Q:
    user, waiting = request.user, Q(status=AccessRequest.Status.SUBMITTED)
    elsewhere = Q(claimed_until__gt=now) & ~Q(claimed_by=user)
    mine = waiting & ~elsewhere & ~Q(pk__in=AccessRequest.objects.barred_to(user).values("pk"))
    tabs = {
        "mine": mine,
        "claimed": waiting & Q(claimed_by=user, claimed_until__gt=now),
        "waiting": waiting,
        "late": waiting & Q(promised_at__lt=now),
        "returned": Q(status=AccessRequest.Status.RETURNED),
        "decided": Q(status=AccessRequest.Status.DECIDED),
        "every": Q(),
    }
    return tabs.get(tab, mine)
