"""What went wrong, and who looks for it."""

from dataclasses import dataclass
from datetime import datetime

from .evidence import Fact
from .levels import Severity


@dataclass(frozen=True, kw_only=True)
class Incident(Fact):
    """Empty size: not stated; severity None: not rated."""

    kind: str
    size: str
    severity: Severity | None
    at: datetime
    open: bool


@dataclass(frozen=True, kw_only=True)
class OverdueClock(Fact):
    incident: str


@dataclass(frozen=True, kw_only=True)
class Monitoring(Fact):
    sources: tuple[str, ...]
    last_reviewed_at: datetime | None
    untriaged: int


@dataclass(frozen=True, kw_only=True)
class WatchCondition(Fact):
    condition: str
    tripped: bool
    reviewed: bool


@dataclass(frozen=True, kw_only=True)
class RemovalQueue(Fact):
    """Requests to take texts out of the training set. The median is of the days to a decision."""

    overdue: int
    median_days: float | None


@dataclass(frozen=True, kw_only=True)
class SecurityControl(Fact):
    name: str
    in_place: bool
    tested_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class RevocationDrill(Fact):
    at: datetime
    succeeded: bool
