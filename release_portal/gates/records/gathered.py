"""The facts that checks read, gathered for one stage at one moment.

A kind of record that is None is not kept by the portal yet: a check over it answers unknown. An empty tuple says that
the records are kept and that there is none. Tuples are sets: their order means nothing.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from functools import cached_property

from .documents import Benefit, Document, Guidelines
from .evidence import ActorAssessment, Artefact, Evaluation, Evidence, ExternalReview, LogScan, PublicModel
from .levels import Kind
from .misuse import Incident, Monitoring, OverdueClock, RemovalQueue, RevocationDrill, SecurityControl, WatchCondition
from .partners import DeletionAttestation, Finding, Grant, PartnerCopy
from .process import Consultation, DecisionRecord, Dissent, Embargo, Notice, PanelVote, Signoff, Waiver
from .stage import OtherStage, Size, Stage

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
        inputs = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in ABOUT_THE_RUN}
        return hashlib.sha256(_canonical(_in_no_order(inputs)).encode()).hexdigest()

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
        return bool(evaluation.artefact_sha256) and any(
            artefact.artefact_sha256 == evaluation.artefact_sha256
            for artefact in self.artefacts or ()
            if artefact.size == evaluation.size and not artefact.changed_on_disk
        )

    def current(self, kind: Kind, size: str) -> list[Evaluation]:
        """The evaluations of a size that count: fresh and of the artefact as it is now. The newest comes first."""
        counting = [each for each in self.of_kind(kind, size) if self.is_fresh(each) and self.is_bound(each)]
        return sorted(counting, key=lambda each: (each.at, each.id), reverse=True)

    def of_kind(self, kind: Kind, size: str) -> list[Evaluation]:
        return self._by_kind.get((kind, size), [])

    @cached_property
    def _by_kind(self) -> dict[tuple[Kind, str], list[Evaluation]]:
        """Made once: many checks ask for one kind, and a family has thousands of evaluations."""
        found = defaultdict(list)
        for each in self.evaluations or ():
            found[each.kind, each.size].append(each)
        return dict(found)

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
    return json.dumps(value, default=_plain, sort_keys=True)


def _plain(value: object) -> object:
    """A moment or a fact as JSON has it."""
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else _in_no_order(vars(value))


def _in_no_order(facts: Mapping[str, object]) -> dict[str, object]:
    """Tuples are sets: each becomes the sorted list of its members' JSON."""
    return {name: sorted(map(_canonical, fact)) if isinstance(fact, tuple) else fact for name, fact in facts.items()}
