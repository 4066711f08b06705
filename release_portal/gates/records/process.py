"""What people did to decide."""

from dataclasses import dataclass
from datetime import datetime

from .evidence import Fact


@dataclass(frozen=True, kw_only=True)
class Embargo(Fact):
    """A time in which nothing is published, of a calendar such as “elections”."""

    calendar: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, kw_only=True)
class Consultation(Fact):
    responses: int
    answered: int
    closed_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Signoff(Fact):
    person: str
    roles: tuple[str, ...]
    run_id: str
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Dissent(Fact):
    answered: bool


@dataclass(frozen=True, kw_only=True)
class PanelVote(Fact):
    at: datetime
    in_favour: int
    against: int
    abstained: int = 0


@dataclass(frozen=True, kw_only=True)
class DecisionRecord(Fact):
    filled: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Notice(Fact):
    """What was sent to a class of people whom the release touches."""

    party_class: str
    sent_at: datetime


@dataclass(frozen=True, kw_only=True)
class Waiver(Fact):
    """`key` is the key of the requirement that it answers; `valid` says that it has a reason, a measure and signers."""

    key: str
    blocking: bool
    valid: bool
    expires_at: datetime

    def holds(self, at: datetime) -> bool:
        return self.valid and at < self.expires_at
