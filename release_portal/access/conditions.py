"""The access rule: what must hold for an organisation to use a size. It is written here and nowhere else.

Every condition is about times that the rows keep, so the rule answers for any moment, past ones too.
"""

from datetime import datetime
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, Subquery, Value

from agreements.models import Agreement
from release_portal.releases.models import Audience, Component, Opening

from .models import Suspension

SUSPENDED = frozenset({"everything_on", "size_on", "partner_on", "grant_on"})


def situated(rows: Any, *, at: datetime, partner: F, size: F | Value, grant: str) -> Any:
    """The rows with the columns that `conditions()` reads: who, which size, which grant, and whom the size is open to.

    `partner` and `size` tell where these are in a row; `grant` is the lookup prefix of its grant.
    """
    rows = rows.alias(the_partner=partner, the_size=size, the_grant=F(f"{grant}id"))
    opening = Opening.objects.filter(size=OuterRef("the_size"), component=Component.GENERATION, at__lte=at)
    return rows.alias(the_audience=Subquery(opening.order_by("-at", "-id").values("audience")[:1]))


def conditions(*, at: datetime, partner: str, grant: str) -> dict[str, Q]:
    """What must hold, each condition under its name, over rows that are `situated()`.

    `partner` and `grant` are lookup prefixes, so that the same rule can be asked from an organisation or from a grant.
    """
    agreed = Agreement.objects.in_force(at=at).filter(partner=OuterRef("the_partner"))
    stopped = Suspension.objects.in_force(at=at)
    return {
        "admitted": Q(**{f"{partner}admitted_at__lte": at}) & _not_yet(f"{partner}closed_at", at),
        "agreed": Q(Exists(agreed)),
        "opened": Q(the_audience__isnull=False) & ~Q(the_audience=Audience.CLOSED),
        "granted": Q(**{f"{grant}id__isnull": False}),
        "begun": Q(**{f"{grant}starts_at__lte": at}),
        "active": _not_yet(f"{grant}ended_at", at),
        "not_over": Q(**{f"{grant}ends_at__gt": at}),
        "everything_on": ~Q(Exists(stopped.filter(level=Suspension.Level.EVERYTHING))),
        "size_on": ~Q(Exists(stopped.filter(size=OuterRef("the_size")))),
        "partner_on": ~Q(Exists(stopped.filter(partner=OuterRef("the_partner")))),
        "grant_on": ~Q(Exists(stopped.filter(grant=OuterRef("the_grant")))),
    }


def _not_yet(column: str, at: datetime) -> Q:
    return Q(**{f"{column}__isnull": True}) | Q(**{f"{column}__gt": at})
