"""Who has access before everybody, and what they found."""

from dataclasses import dataclass
from datetime import datetime

from .evidence import Fact
from .levels import FindingStatus, Severity


@dataclass(frozen=True, kw_only=True)
class NamedUser:
    """A person whom a grant names. None: not recorded."""

    person: str
    trained: bool | None
    accepted: bool | None


@dataclass(frozen=True, kw_only=True)
class Grant(Fact):
    """`agreed` says whether a signed agreement is in force for it; None: not recorded."""

    organisation: str
    size: str
    starts_at: datetime
    ends_at: datetime
    topics: tuple[str, ...] = ()
    public: bool = False
    agreed: bool | None = None
    users: tuple[NamedUser, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Finding(Fact):
    """`direction` is raises, lowers or neutral. Empty size: not stated; severity None: not rated."""

    organisation: str
    topic: str
    size: str
    direction: str
    severity: Severity | None
    status: FindingStatus
    sent_at: datetime
    mitigated: bool = False


@dataclass(frozen=True, kw_only=True)
class DeletionAttestation(Fact):
    grant: str


@dataclass(frozen=True, kw_only=True)
class PartnerCopy(Fact):
    """A copy that an organisation holds. `marked`: by a mark of its own; None: not recorded."""

    organisation: str
    size: str
    marked: bool | None
