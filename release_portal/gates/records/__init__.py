"""The facts that checks read: their kinds, and all of them for one stage at one moment."""

from .documents import Benefit, Document, Guidelines
from .evidence import (
    ActorAssessment,
    Artefact,
    Evaluation,
    Evidence,
    ExternalReview,
    Fact,
    GroupGap,
    LogScan,
    PublicModel,
)
from .gathered import Records
from .levels import FindingStatus, Kind, Producer, Severity
from .misuse import Incident, Monitoring, OverdueClock, RemovalQueue, RevocationDrill, SecurityControl, WatchCondition
from .partners import DeletionAttestation, Finding, Grant, NamedUser, PartnerCopy
from .process import Consultation, DecisionRecord, Dissent, Embargo, Notice, PanelVote, Signoff, Waiver
from .stage import ComponentLevel, Opened, OtherStage, Size, Stage

__all__ = [
    "ActorAssessment",
    "Artefact",
    "Benefit",
    "ComponentLevel",
    "Consultation",
    "DecisionRecord",
    "DeletionAttestation",
    "Dissent",
    "Document",
    "Embargo",
    "Evaluation",
    "Evidence",
    "ExternalReview",
    "Fact",
    "Finding",
    "FindingStatus",
    "Grant",
    "GroupGap",
    "Guidelines",
    "Incident",
    "Kind",
    "LogScan",
    "Monitoring",
    "NamedUser",
    "Notice",
    "Opened",
    "OtherStage",
    "OverdueClock",
    "PanelVote",
    "PartnerCopy",
    "Producer",
    "PublicModel",
    "Records",
    "RemovalQueue",
    "RevocationDrill",
    "SecurityControl",
    "Severity",
    "Signoff",
    "Size",
    "Stage",
    "Waiver",
    "WatchCondition",
]
