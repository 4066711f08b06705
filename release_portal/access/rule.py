"""Asking the access rule, which `conditions.py` writes: `decide()` says what is missing and whose turn it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import BooleanField, Case, Exists, F, FilteredRelation, OuterRef, Q, Value, When
from django.urls import reverse

from release_portal.partners.models import Membership, Partner, User
from release_portal.partners.permissions import Permission
from release_portal.releases.models import ModelSize

from .conditions import SUSPENDED, conditions, situated
from .models import Grant


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

    @property
    def suspended(self) -> tuple[Missing, ...]:
        """What is missing because of a suspension, at whatever level: it can come back."""
        return tuple(missing for missing in self.missing if missing.code in SUSPENDED)

    @property
    def is_paused(self) -> bool:
        """Whether nothing is missing but what lifting suspensions would bring back."""
        return bool(self.missing) and len(self.suspended) == len(self.missing)


def decide(*, partner: Partner, size: ModelSize, at: datetime, user: User | None = None, tokens: int = 0) -> Decision:
    """Whether the organisation may generate with the size at that time; one query.

    With `user`, also whether this person may submit for it; with `tokens`, whether so many are left in the quota.
    """
    rule = conditions(at=at, partner="", grant="its_grant__")
    if user is not None:
        rule["member"] = Q(_member(user))
    its_grant = FilteredRelation("grants", condition=Q(grants__size=size))
    rows = Partner.objects.filter(pk=partner.pk).annotate(its_grant=its_grant)
    rows = situated(rows, at=at, partner=F("pk"), size=Value(size.pk), grant="its_grant__")
    asked = rows.annotate(**{f"holds_{name}": _truth(holds) for name, holds in rule.items()}).order_by(
        Case(When(rule["begun"] & rule["active"] & rule["not_over"], then=0), default=1),
        F("its_grant__starts_at").desc(),
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


def _truth(holds: Q) -> Case:
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
        told = partner.standing if partner.status == Partner.Status.CLOSED else "not admitted yet"
        found.append(Missing("admitted", f"{partner} is {told}.", "the lab", home))
    if not holds["agreed"]:
        sign = reverse("agreements:sign", args=[partner.slug])
        sentence = f"{partner} has no model-sharing agreement in force."
        found.append(Missing("agreed", sentence, f"a signatory of {partner}", sign))
    found += _suspensions(holds, partner, size, home)
    if not holds["opened"]:
        sentence = f"{size} is closed: nobody outside the lab may use it now."
        found.append(Missing("opened", sentence, "the lab", size.get_absolute_url()))
    if grant is None:
        ask = reverse("access:new", args=[partner.slug])
        found.append(
            Missing("granted", f"{size} has not been granted to {partner}.", f"an investigator of {partner}", ask)
        )
    else:
        found += _missing_of_grant(holds, partner, grant, tokens)
    return found


def _suspensions(holds: Mapping[str, bool], partner: Partner, size: ModelSize, url: str) -> list[Missing]:
    subjects = {
        "everything_on": "All use of every size",
        "size_on": f"All use of {size}",
        "partner_on": f"All access of {partner}",
        "grant_on": f"The grant of {size} to {partner}",
    }
    return [
        Missing(code, f"{subject} is suspended. Nothing is lost; it goes on once that is lifted.", "the lab", url)
        for code, subject in subjects.items()
        if not holds[code]
    ]


def _missing_of_grant(holds: Mapping[str, bool], partner: Partner, grant: Grant, tokens: int) -> list[Missing]:
    ask = reverse("access:new", args=[partner.slug]) + f"?size={grant.size_id}"
    who = f"an investigator of {partner}"
    if grant.status == Grant.Status.REVOKED and not holds["active"]:
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
