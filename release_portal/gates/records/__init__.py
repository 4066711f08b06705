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
from .levels import COMPONENTS, FindingStatus, Kind, Level, Producer, Severity
from .misuse import Incident, Monitoring, OverdueClock, RemovalQueue, RevocationDrill, SecurityControl, WatchCondition
from .partners import DeletionAttestation, Finding, Grant, NamedUser, PartnerCopy
from .process import Consultation, DecisionRecord, Dissent, Embargo, Notice, PanelVote, Signoff, Waiver
from .stage import Opened, OtherStage, Size, Stage, Standing

__all__ = [
    "COMPONENTS",
    "ActorAssessment",
    "Artefact",
    "Benefit",
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
    "Level",
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
    "Standing",
    "Waiver",
    "WatchCondition",
]
