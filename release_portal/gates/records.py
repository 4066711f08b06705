"""The facts that checks read, gathered for one stage at one moment.

A kind of record that is None is not kept by the portal yet: a check over it answers unknown. An empty tuple says that
the records are kept and that there is none. Tuples are sets: their order means nothing.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

COMPONENTS = (
    "weights",
    "generation",
    "logprobs",
    "outputs",
    "detector",
    "code",
    "paper",
    "card",
    "data_summary",
    "agreement_template",
    "report",
)
"""What a stage can open, of a size or of the family as a whole."""


class _Ordered(StrEnum):
    """Members in the order in which they are written, least first."""

    @property
    def rank(self) -> int:
        return list(type(self)).index(self)

    def reaches(self, other: str) -> bool:
        return self.rank >= type(self)(other).rank


class Level(_Ordered):
    """Who may have a component, from nobody to everybody."""

    CLOSED = "closed"
    PARTNER = "partner"
    GATED = "gated"
    OPEN = "open"


class Severity(_Ordered):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Kind(StrEnum):
    """What an evaluation measures."""

    DETECTION = "detection"
    TRANSFER = "transfer"
    FINETUNE_DROP = "finetune_drop"
    CREDIBILITY = "credibility"
    BIAS = "bias"
    TOXICITY = "toxicity"
    MEMORISATION = "memorisation"


class Producer(StrEnum):
    """Who ran an evaluation."""

    INTERNAL = "internal"
    PARTNER = "partner"
    EXTERNAL = "external"


class FindingStatus(StrEnum):
    DRAFT = "draft"
    SUBMITTED = "submitted"
    ACKNOWLEDGED = "acknowledged"
    EMBARGOED = "embargoed"
    ANSWERED = "answered"
    PUBLISHED = "published"
    WITHHELD = "withheld"

    @property
    def is_answered(self) -> bool:
        return self in {FindingStatus.ANSWERED, FindingStatus.PUBLISHED, FindingStatus.WITHHELD}


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The level of a component now, and since when it has it."""

    component: str
    level: Level
    since: datetime


@dataclass(frozen=True, kw_only=True)
class Size:
    name: str
    parameters: int
    standings: tuple[Standing, ...] = ()

    def level(self, component: str) -> Level:
        return next((each.level for each in self.standings if each.component == component), Level.CLOSED)


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A component that the stage opens; `size` is empty where it is of the whole family."""

    component: str
    level: Level
    size: str = ""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The stage that the gate stands before. `sizes` are those that it is about, `opens` what it opens of any."""

    name: str
    sizes: tuple[str, ...] = ()
    opens: tuple[Opened, ...] = ()
    previous: str = ""
    embargo_until: datetime | None = None

    @property
    def all_sizes(self) -> set[str]:
        """Also those that only partners get in this stage."""
        return set(self.sizes) | {each.size for each in self.opens if each.size}


@dataclass(frozen=True, kw_only=True)
class OtherStage:
    name: str
    released_at: datetime | None


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
class ExternalReview(Evidence):
    reviewers: tuple[str, ...]
    independent: bool
    report_attached: bool
    """The report of the reviewers is there as they wrote it."""


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
class ActorAssessment(Evidence):
    tier: str


@dataclass(frozen=True, kw_only=True)
class PublicModel(Evidence):
    """A model of others that everybody can have."""

    name: str
    parameters: int
    capabilities: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RemovalQueue(Fact):
    """Requests to take texts out of the training set. The median is of the days to a decision."""

    overdue: int
    median_days: float | None


@dataclass(frozen=True, kw_only=True)
class Document(Fact):
    """Which sections or fields are filled, for one audience. Empty size: of the whole family."""

    filled: tuple[str, ...]
    audience: str = "public"
    size: str = ""
    published: bool = False


@dataclass(frozen=True, kw_only=True)
class LogScan(Evidence):
    """How many pieces of personal information a scan of the platform's logs found."""

    found: int


@dataclass(frozen=True, kw_only=True)
class SecurityControl(Fact):
    name: str
    in_place: bool
    tested_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class PartnerCopy(Fact):
    """A copy that an organisation holds. `marked`: by a mark of its own; None: not recorded."""

    organisation: str
    size: str
    marked: bool | None


@dataclass(frozen=True, kw_only=True)
class RevocationDrill(Fact):
    at: datetime
    succeeded: bool


@dataclass(frozen=True, kw_only=True)
class Guidelines(Fact):
    version: str
    live: bool


@dataclass(frozen=True, kw_only=True)
class Benefit(Fact):
    use: str
    evidenced: bool


@dataclass(frozen=True, kw_only=True)
class Waiver(Fact):
    """`key` is the key of the requirement that it answers; `valid` says that it has a reason, a measure and signers."""

    key: str
    blocking: bool
    valid: bool
    expires_at: datetime

    def holds(self, at: datetime) -> bool:
        return self.valid and at < self.expires_at


ABOUT_THE_RUN = frozenset({"at", "run_id", "signoffs"})
"""What is no input of a run: its moment, its name, and the signatures that are put under it afterwards."""


@dataclass(frozen=True, kw_only=True)
class Records:
    at: datetime
    stage: Stage
    sizes: tuple[Size, ...]
    run_id: str = ""
    stages: tuple[OtherStage, ...] | None = None
    evaluations: tuple[Evaluation, ...] | None = None
    artefacts: tuple[Artefact, ...] | None = None
    embargoes: tuple[Embargo, ...] | None = None
    consultations: tuple[Consultation, ...] | None = None
    signoffs: tuple[Signoff, ...] | None = None
    dissents: tuple[Dissent, ...] | None = None
    external_reviews: tuple[ExternalReview, ...] | None = None
    panel_votes: tuple[PanelVote, ...] | None = None
    decision_record: DecisionRecord | None = None
    notices: tuple[Notice, ...] | None = None
    grants: tuple[Grant, ...] | None = None
    findings: tuple[Finding, ...] | None = None
    deletion_attestations: tuple[DeletionAttestation, ...] | None = None
    incidents: tuple[Incident, ...] | None = None
    overdue_clocks: tuple[OverdueClock, ...] | None = None
    monitoring: Monitoring | None = None
    watch_conditions: tuple[WatchCondition, ...] | None = None
    actor_assessments: tuple[ActorAssessment, ...] | None = None
    public_models: tuple[PublicModel, ...] | None = None
    removal_queue: RemovalQueue | None = None
    data_summary: Document | None = None
    log_scan: LogScan | None = None
    security_controls: tuple[SecurityControl, ...] | None = None
    partner_copies: tuple[PartnerCopy, ...] | None = None
    revocation_drills: tuple[RevocationDrill, ...] | None = None
    cards: tuple[Document, ...] | None = None
    documentation_forms: tuple[Document, ...] | None = None
    guidelines: tuple[Guidelines, ...] | None = None
    benefits: tuple[Benefit, ...] | None = None
    waivers: tuple[Waiver, ...] | None = None

    def digest(self) -> str:
        """SHA-256 over every input, whatever the order of the facts: another one says that some input changed."""
        inputs = {each.name: _plain(getattr(self, each.name)) for each in fields(self)}
        kept = {name: value for name, value in inputs.items() if name not in ABOUT_THE_RUN}
        return hashlib.sha256(_canonical(kept).encode()).hexdigest()

    def size(self, name: str) -> Size | None:
        return next((each for each in self.sizes if each.name == name), None)

    def previous_size(self, name: str) -> Size | None:
        """The largest of the sizes that are smaller."""
        size = self.size(name)
        smaller = [each for each in self.sizes if size is not None and each.parameters < size.parameters]
        return max(smaller, key=lambda each: each.parameters, default=None)

    def days_since(self, moment: datetime) -> float:
        return (self.at - moment) / timedelta(days=1)

    def is_fresh(self, evidence: Evidence, max_age_days: float | None = None) -> bool:
        """Whether it is of now or before, has not expired, and is not too old."""
        return (
            evidence.at <= self.at
            and (evidence.expires_at is None or self.at < evidence.expires_at)
            and (max_age_days is None or self.days_since(evidence.at) <= max_age_days)
        )

    def is_bound(self, evaluation: Evaluation) -> bool:
        """Whether it was made with an artefact of its size as that is now."""
        return any(
            artefact.artefact_sha256 == evaluation.artefact_sha256
            for artefact in self.artefacts or ()
            if artefact.size == evaluation.size and not artefact.changed_on_disk
        )

    def current(self, kind: Kind, size: str) -> list[Evaluation]:
        """The evaluations of a size that count: fresh and of the artefact as it is now. The newest comes first."""
        counting = [each for each in self.of_kind(kind, size) if self.is_fresh(each) and self.is_bound(each)]
        return sorted(counting, key=lambda each: (each.at, each.id), reverse=True)

    def of_kind(self, kind: Kind, size: str) -> list[Evaluation]:
        return [each for each in self.evaluations or () if each.kind is kind and each.size == size]

    def evidence_authors(self) -> set[str]:
        evidence: Iterator[Evidence] = (
            each
            for kept in (self.evaluations, self.external_reviews, self.actor_assessments, self.public_models)
            for each in kept or ()
        )
        scanners = self.log_scan.authors if self.log_scan else ()
        return {author for each in evidence for author in each.authors} | set(scanners)

    def opened_artefacts(self) -> list[Artefact]:
        """Those of the sizes that the stage is about, and of what else it opens."""
        opened = {(each.component, each.size) for each in self.stage.opens}
        return [
            each
            for each in self.artefacts or ()
            if each.size in self.stage.sizes or (each.component, each.size) in opened
        ]


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _plain(value: object) -> object:
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, tuple):
        return sorted((_plain(each) for each in value), key=_canonical)
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value.isoformat() if isinstance(value, date) else value
