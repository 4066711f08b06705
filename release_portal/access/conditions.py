"""The access rule: what must hold for an organisation to use a right on a size. It is written here and nowhere else.

Every condition is about times that the rows keep, so the rule answers for any moment, past ones too. Only the quota is
the present one.
"""

from datetime import timedelta
from typing import Any

from django.db.models import (
    Case,
    Count,
    DurationField,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Concat, Least

from agreements.models import Agreement
from release_portal.lib.prepared import Moment, Number, Parameter
from release_portal.releases.models import Audience, Opening

from .models import Finding, Grant, Right, SizeRule, Suspension
from .models.grants import has_room

SUSPENDED = frozenset({"everything_on", "size_on", "partner_on", "grant_on"})
STEPS = ("after_name", "after_days", "after_findings", "days_held", "findings_sent")
NO_TIME = Value(timedelta(0), output_field=DurationField())


def with_rule_facts(rows: Any, *, at: Moment, partner: F, size: F | Value, right: F | Value, grant: str | None) -> Any:
    """The rows with the columns that `conditions()` reads: who, which size and right, and what is asked before it.

    `partner`, `size` and `right` tell where these are in a row; `grant` is the lookup prefix of its grant, or None for
    rows that have none.
    """
    rows = rows.alias(the_partner=partner, the_size=size, the_right=right)
    start: Any = _value(at)
    if grant is not None:
        rows = rows.alias(the_grant=F(f"{grant}id"))
        start = Coalesce(F(f"{grant}starts_at"), start)
    wired = [right for right in Right if right.component is not None]
    component = Case(*(When(the_right=right.value, then=Value(right.component)) for right in wired))
    rows = rows.alias(the_component=component, the_start=start)
    opening = Opening.objects.filter(size=OuterRef("the_size"), component=OuterRef("the_component"), at__lte=at)
    rule = SizeRule.objects.filter(size=OuterRef("the_size")).holding(at=OuterRef("the_start"))
    after = Concat(F("after_size__family__name"), Value(" "), F("after_size__name"))
    rows = rows.alias(
        the_audience=Subquery(opening.order_by("-at", "-id").values("audience")[:1]),
        after_size=Subquery(rule.values("after_size")[:1]),
        after_days=Subquery(rule.values("after_days")[:1]),
        after_findings=Subquery(rule.values("findings")[:1]),
        after_name=Subquery(rule.values_list(after)[:1]),
    )
    return rows.alias(days_held=_held(at), findings_sent=Coalesce(_findings(at), 0))


def conditions(
    *,
    at: Moment,
    partner: str,
    grant: str,
    tokens: Number = 0,
    samples: Number = 0,
    purpose: str | Parameter = "",
) -> dict[str, Q]:
    """What must hold, each condition under its name, over rows that are `with_rule_facts()`.

    `partner` and `grant` are lookup prefixes, so that the same rule can be asked from an organisation or from a grant.
    """
    agreed = Agreement.objects.in_force(at=at).filter(partner=OuterRef("the_partner"))
    stopped = Suspension.objects.in_force(at=at)
    rule = {
        "admitted": _begun(partner, "admitted_at", "closed_at", at),
        "agreed": Q(Exists(agreed)),
        "opened": Q(the_audience__isnull=False) & ~Q(the_audience=Audience.CLOSED),
        "granted": Q(**{f"{grant}id__isnull": False}),
        "begun": Q(**{f"{grant}starts_at__lte": at}),
        "not_over": Q(**{f"{grant}ends_at__gt": at}),
        "not_ended": Q(**{f"{grant}ended_at__isnull": True}) | Q(**{f"{grant}ended_at__gt": at}),
        "ladder": _ladder(grant),
        "everything_on": ~Q(Exists(stopped.filter(level=Suspension.Level.EVERYTHING))),
        "size_on": ~Q(Exists(stopped.filter(size=OuterRef("the_size")))),
        "partner_on": ~Q(Exists(stopped.filter(partner=OuterRef("the_partner")))),
        "grant_on": ~Q(Exists(stopped.filter(grant=OuterRef("the_grant")))),
        "quota": has_room(grant, tokens=tokens, samples=samples),
    }
    return rule | ({"purpose": Q(**{f"{grant}purposes__contains": [purpose]})} if purpose else {})


def _begun(prefix: str, start: str, end: str, at: Moment) -> Q:
    return Q(**{f"{prefix}{start}__lte": at}) & (
        Q(**{f"{prefix}{end}__isnull": True}) | Q(**{f"{prefix}{end}__gt": at})
    )


def _ladder(grant: str) -> Q:
    """The steps before the size are done, or not asked for: by no rule, or by a waiver written on the grant."""
    days = ExpressionWrapper(F("after_days") * Value(timedelta(days=1)), output_field=DurationField())
    done = Q(days_held__gte=days, findings_sent__gte=F("after_findings"))
    return Q(after_size__isnull=True) | ~Q(**{f"{grant}waiver": ""}) & Q(**{f"{grant}id__isnull": False}) | done


def _held(at: Moment) -> Coalesce:
    """For how long the organisation has held hosted generation of the size before this one, all its grants together."""
    ended = Least(Coalesce(F("ended_at"), F("ends_at")), F("ends_at"), _value(at))
    span = ExpressionWrapper(ended - F("starts_at"), output_field=DurationField())
    grants = Grant.objects.filter(
        partner=OuterRef("the_partner"), size=OuterRef("after_size"), right=Right.GENERATION, starts_at__lte=at
    )
    summed = grants.order_by().values("partner").annotate(span=Sum(span)).values("span")
    return Coalesce(Subquery(summed, output_field=DurationField()), NO_TIME)


def _findings(at: Moment) -> Subquery:
    accepted = Finding.objects.accepted(at=at).filter(partner=OuterRef("the_partner"), size=OuterRef("after_size"))
    return Subquery(accepted.order_by().values("partner").annotate(number=Count("pk")).values("number"))


def _value(at: Moment) -> Value:
    return at if isinstance(at, Parameter) else Value(at)
