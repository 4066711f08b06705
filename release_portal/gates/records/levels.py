"""The closed lists of words in records."""

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
