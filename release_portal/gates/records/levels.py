"""The closed lists of words in records."""

from enum import StrEnum


class Severity(StrEnum):
    """In their order, the least first."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    def reaches(self, other: str) -> bool:
        order = list(Severity)
        return order.index(self) >= order.index(Severity(other))


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
