"""Asking the access rule, which `conditions.py` writes: `decide()` says what is missing and whose turn it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import BooleanField, Case, F, FilteredRelation, Q, Value, When

from release_portal.partners.models import Membership, Partner, User
from release_portal.partners.permissions import Permission
from release_portal.releases.models import ModelSize

from .conditions import STEPS, SUSPENDED, conditions, situated
from .models import Grant, Right
from .words import Missing, Situation, missing_of


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
        """What of it is missing because of a suspension, at whatever level: it can come back."""
        return tuple(missing for missing in self.missing if missing.code in SUSPENDED)

    @property
    def is_paused(self) -> bool:
        """Whether lifting suspensions would be enough."""
        return bool(self.missing) and len(self.suspended) == len(self.missing)


def decide(
    *,
    partner: Partner,
    size: ModelSize,
    at: datetime,
    right: Right = Right.GENERATION,
    user: User | None = None,
    tokens: int = 0,
    samples: int = 0,
    purpose: str = "",
) -> Decision:
    """Whether the organisation may use the right on the size at that time; one query.

    With `user`, also whether this person may submit for it; with `tokens` and `samples`, whether so many are left in
    the quota; with `purpose`, whether the grant allows it.
    """
    rule = conditions(at=at, partner="", grant="its_grant__", tokens=tokens, samples=samples, purpose=purpose)
    if user is not None:
        rule["member"] = Q(pk__in=_partners_of(user, at))
    held = Q(grants__size=size, grants__right=right)
    rows = Partner.objects.filter(pk=partner.pk).annotate(its_grant=FilteredRelation("grants", condition=held))
    rows = situated(rows, at=at, partner=F("pk"), size=Value(size.pk), right=Value(right), grant="its_grant__")
    rows = rows.annotate(**{f"holds_{name}": _truth(holds) for name, holds in rule.items()})
    columns = [field.attname for field in Grant._meta.concrete_fields]
    row = (
        rows.order_by(_in_its_time(at), F("its_grant__starts_at").desc())
        .values(
            *(f"holds_{name}" for name in rule),
            **{f"its_{name}": F(f"its_grant__{name}") for name in columns},
            **{f"step_{name}": F(name) for name in STEPS},
        )[:1]
        .get()
    )
    grant = _grant_of(row, columns, partner, size)
    situation = Situation(
        partner=partner,
        size=size,
        right=right,
        grant=grant,
        holds={name: bool(row[f"holds_{name}"]) for name in rule},
        steps={name: row[f"step_{name}"] for name in STEPS},
        tokens=tokens,
        samples=samples,
        purpose=purpose,
    )
    missing = tuple(missing_of(situation))
    return Decision(not missing, grant, missing)


def _partners_of(user: User, at: datetime) -> Any:
    """Those for which the person may submit at that time."""
    member = Membership.objects.filter(Q(ended_at__isnull=True) | Q(ended_at__gt=at), user=user, started_at__lte=at)
    return member.may(Permission.JOB_SUBMIT).values("partner")


def _in_its_time(at: datetime) -> Case:
    """The grant that runs at that time comes first; there is at most one."""
    runs = Q(its_grant__starts_at__lte=at, its_grant__ends_at__gt=at) & (
        Q(its_grant__ended_at__isnull=True) | Q(its_grant__ended_at__gt=at)
    )
    return Case(When(runs, then=0), default=1)


def _truth(holds: Q) -> Case:
    return Case(When(holds, then=Value(True)), default=Value(False), output_field=BooleanField())


def _grant_of(row: Mapping[str, Any], columns: list[str], partner: Partner, size: ModelSize) -> Grant | None:
    if row["its_id"] is None:
        return None
    grant = Grant(**{name: row[f"its_{name}"] for name in columns})
    grant._state.adding, grant._state.db = False, "default"
    grant.partner, grant.size = partner, size
    return grant
