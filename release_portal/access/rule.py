"""Asking the access rule, which `conditions.py` writes: `decide()` says what is missing and whose turn it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from django.db.models import (
    BigIntegerField,
    BooleanField,
    Case,
    CharField,
    DateTimeField,
    F,
    FilteredRelation,
    Q,
    Value,
    When,
)

from release_portal.lib.prepared import Parameter, Prepared
from release_portal.partners.models import Membership, Partner, User
from release_portal.partners.permissions import Permission
from release_portal.releases.models import ModelSize

from .conditions import STEPS, SUSPENDED, conditions, with_rule_facts
from .models import Grant, Right
from .sentences import Missing, Situation, missing_of

COLUMNS = [field.attname for field in Grant._meta.concrete_fields]
AT = Parameter("at", DateTimeField())
PARTNER, SIZE, USER = (Parameter(name, BigIntegerField()) for name in ("partner", "size", "user"))
TOKENS, SAMPLES = (Parameter(name, BigIntegerField()) for name in ("tokens", "samples"))
RIGHT, PURPOSE = (Parameter(name, CharField()) for name in ("right", "purpose"))


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

    With `user`, also whether this person may submit for it; with `tokens` and `samples`, whether they are left in
    the quota; with `purpose`, whether the grant allows it.
    """
    parameters = {"at": at, "partner": partner.pk, "size": size.pk, "right": str(right)}
    parameters |= {"tokens": tokens, "samples": samples}
    parameters |= {"user": user.pk} if user is not None else {}
    parameters |= {"purpose": purpose} if purpose else {}
    row = _query(with_user=user is not None, with_purpose=bool(purpose)).row(parameters)
    grant = _grant_of(row, partner, size)
    situation = Situation(
        partner=partner,
        size=size,
        right=right,
        grant=grant,
        holds={name.removeprefix("holds_"): holds for name, holds in row.items() if name.startswith("holds_")},
        steps={name: row[f"step_{name}"] for name in STEPS},
        tokens=tokens,
        samples=samples,
        purpose=purpose,
    )
    missing = tuple(missing_of(situation))
    return Decision(not missing, grant, missing)


@cache
def _query(*, with_user: bool, with_purpose: bool) -> Prepared:
    """The rule as one query, asked from an organisation: each condition, the grant, and the steps before the size."""
    purpose = PURPOSE if with_purpose else ""
    rule = conditions(at=AT, partner="", grant="its_grant__", tokens=TOKENS, samples=SAMPLES, purpose=purpose)
    if with_user:
        rule["member"] = Q(pk__in=_partners_of(USER, AT))
    held = Q(grants__size=SIZE, grants__right=RIGHT)
    rows = Partner.objects.filter(pk=PARTNER).annotate(its_grant=FilteredRelation("grants", condition=held))
    rows = with_rule_facts(rows, at=AT, partner=F("pk"), size=SIZE, right=RIGHT, grant="its_grant__")
    rows = rows.annotate(**{f"holds_{name}": _truth(holds) for name, holds in rule.items()})
    rows = rows.order_by(_in_its_time(AT), F("its_grant__starts_at").desc()).values(
        *(f"holds_{name}" for name in rule),
        **{f"its_{name}": F(f"its_grant__{name}") for name in COLUMNS},
        **{f"step_{name}": F(name) for name in STEPS},
    )
    return Prepared.of(rows[:1])


def _partners_of(user: Parameter, at: Parameter) -> Any:
    """Those for which the person may submit at that time."""
    member = Membership.objects.filter(Q(ended_at__isnull=True) | Q(ended_at__gt=at), user=user, started_at__lte=at)
    return member.may(Permission.JOB_SUBMIT).values("partner")


def _in_its_time(at: Parameter) -> Case:
    """The grant that runs at that time comes first; there is at most one."""
    runs = Q(its_grant__starts_at__lte=at, its_grant__ends_at__gt=at) & (
        Q(its_grant__ended_at__isnull=True) | Q(its_grant__ended_at__gt=at)
    )
    return Case(When(runs, then=0), default=1)


def _truth(holds: Q) -> Case:
    return Case(When(holds, then=Value(True)), default=Value(False), output_field=BooleanField())


def _grant_of(row: Mapping[str, Any], partner: Partner, size: ModelSize) -> Grant | None:
    if row["its_id"] is None:
        return None
    grant = Grant(**{name: row[f"its_{name}"] for name in COLUMNS})
    grant._state.adding, grant._state.db = False, "default"
    grant.partner, grant.size = partner, size
    return grant
