"""Asking the access rule, which `models.conditions` writes: `decide()` says what is missing and whose turn it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import BooleanField, Case, Exists, F, FilteredRelation, OuterRef, Q, Value, When
from django.urls import reverse

from release_portal.partners.models import Membership, Partner, User
from release_portal.partners.permissions import Permission
from release_portal.releases.models import ModelSize

from .models import Grant, conditions


@dataclass(frozen=True)
class Missing:
    """One thing that stands between a person and a size: what, whose turn it is, and where they can do it."""

    code: str
    sentence: str
    who: str
    url: str


@dataclass(frozen=True)
class Decision:
    """The answer of the rule: the grant that allows it, or everything that is missing."""

    allowed: bool
    grant: Grant | None
    missing: tuple[Missing, ...]

    @property
    def sentence(self) -> str:
        return " ".join(missing.sentence for missing in self.missing)


def decide(*, partner: Partner, size: ModelSize, at: datetime, user: User | None = None, tokens: int = 0) -> Decision:
    """Whether the organisation may generate with the size at that time; one query.

    With `user`, also whether this person may submit for it; with `tokens`, whether so many are left in the quota.
    """
    rule = conditions(at=at, partner="", grant="its_grant__")
    if user is not None:
        rule["member"] = _member(user)
    asked = (
        Partner.objects.filter(pk=partner.pk)
        .annotate(its_grant=FilteredRelation("grants", condition=Q(grants__size=size)))
        .annotate(**{f"holds_{name}": _truth(holds) for name, holds in rule.items()})
        .order_by(
            Case(When(its_grant__status=Grant.Status.ACTIVE, then=0), default=1), F("its_grant__starts_at").desc()
        )
    )
    columns = [f"holds_{name}" for name in rule]
    grant_columns = [field.attname for field in Grant._meta.concrete_fields]
    row = asked.values(*columns, **{f"its_{name}": F(f"its_grant__{name}") for name in grant_columns})[:1].get()
    holds = {name: bool(row[f"holds_{name}"]) for name in rule}
    grant = _grant_of(row, grant_columns, partner, size)
    missing = tuple(_missing(holds, partner, size, grant, tokens))
    return Decision(not missing, grant, missing)


def _member(user: User) -> Exists:
    current = Membership.objects.current().filter(user=user, roles__permissions__contains=[Permission.JOB_SUBMIT])
    return Exists(current.filter(partner=OuterRef("pk")))


def _truth(holds: Q | Exists) -> Case:
    return Case(When(holds, then=Value(True)), default=Value(False), output_field=BooleanField())


def _grant_of(row: Mapping[str, Any], columns: list[str], partner: Partner, size: ModelSize) -> Grant | None:
    if row["its_id"] is None:
        return None
    grant = Grant(**{name: row[f"its_{name}"] for name in columns})
    grant._state.adding, grant._state.db = False, "default"
    grant.partner, grant.size = partner, size
    return grant


def _missing(
    holds: Mapping[str, bool], partner: Partner, size: ModelSize, grant: Grant | None, tokens: int
) -> list[Missing]:
    home = reverse("access:organisation", args=[partner.slug])
    found = []
    if not holds.get("member", True):
        found.append(Missing("member", f"You have no role at {partner} that may submit jobs.", "an owner", home))
    if not holds["admitted"]:
        found.append(Missing("admitted", f"{partner} is not admitted yet.", "the lab", home))
    if not holds["agreed"]:
        sign = reverse("agreements:sign", args=[partner.slug])
        sentence = f"{partner} has no model-sharing agreement in force."
        found.append(Missing("agreed", sentence, f"a signatory of {partner}", sign))
    if grant is None:
        ask = reverse("access:new", args=[partner.slug])
        found.append(
            Missing("granted", f"{size} has not been granted to {partner}.", f"an investigator of {partner}", ask)
        )
    else:
        found += _missing_of_grant(holds, partner, grant, tokens)
    return found


def _missing_of_grant(holds: Mapping[str, bool], partner: Partner, grant: Grant, tokens: int) -> list[Missing]:
    ask = reverse("access:new", args=[partner.slug]) + f"?size={grant.size_id}"
    who = f"an investigator of {partner}"
    if grant.status == Grant.Status.REVOKED:
        sentence = f"The grant of {grant.size} was revoked on {grant.ended_at:%-d %B %Y}: {grant.end_reason}"
        return [Missing("active", sentence, who, ask)]
    if not holds["not_over"] or not holds["active"]:
        return [Missing("not_over", f"The grant of {grant.size} ended on {grant.last_day:%-d %B %Y}.", who, ask)]
    if not holds["begun"]:
        sentence = f"The grant of {grant.size} begins on {grant.starts_at:%-d %B %Y}."
        return [Missing("begun", sentence, "nobody", ask)]
    if tokens > grant.tokens_left:
        sentence = (
            f"This needs up to {tokens:,} tokens and {grant.tokens_left:,} are left of the {grant.token_quota:,} "
            f"granted for {grant.size}."
        )
        return [Missing("quota", sentence, who, ask)]
    return []
