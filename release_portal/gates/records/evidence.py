"""What somebody found out: it may expire, and may hold for one artefact only."""

from dataclasses import dataclass
from datetime import datetime

from .levels import Kind, Producer


@dataclass(frozen=True, kw_only=True)
class Fact:
    id: str


@dataclass(frozen=True, kw_only=True)
class Evidence(Fact):
    """A fact that somebody found at a time, that may expire, and that may hold for one artefact only."""

    at: datetime
    expires_at: datetime | None = None
    artefact_sha256: str = ""
    authors: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class GroupGap:
    """How far a group of people is from the others: in the metric's unit, and as a standardised effect."""

    group: str
    gap: float
    effect: float | None = None


@dataclass(frozen=True, kw_only=True)
class Evaluation(Evidence):
    """A measurement of one artefact. Rates are fractions of 1; the interval is the one of 95 %."""

    kind: Kind
    size: str
    metric: str
    value: float
    n: int
    producer: Producer = Producer.INTERNAL
    ci_low: float | None = None
    ci_high: float | None = None
    standard_error: float | None = None
    fpr: float | None = None
    sampling: str = ""
    detector_class: str = ""
    trained_on: str = ""
    tested_on: str = ""
    domain: str = ""
    length_chars: int = 0
    pipeline: str = ""
    arms: tuple[str, ...] = ()
    human_value: float | None = None
    suite: str = ""
    correction: str = "none"
    percentile: float | None = None
    gaps: tuple[GroupGap, ...] = ()
    public_since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Artefact(Fact):
    """A manifest of files. `changed_on_disk` is None where the files were not compared with it."""

    component: str
    size: str = ""
    artefact_sha256: str
    all_hashed: bool
    signed: bool
    licence_version: str = ""
    changed_on_disk: bool | None = None
    public_since: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class ExternalReview(Evidence):
    reviewers: tuple[str, ...]
    independent: bool
    report_attached: bool
    """The report of the reviewers is there as they wrote it."""


@dataclass(frozen=True, kw_only=True)
class ActorAssessment(Evidence):
    tier: str


@dataclass(frozen=True, kw_only=True)
class PublicModel(Evidence):
    """A model of others that everybody can have."""

    name: str
    parameters: int
    capabilities: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LogScan(Evidence):
    """How many pieces of personal information a scan of the platform's logs found."""

    found: int
