"""The closed lists of this room: rights, purposes, and the reasons that staff give."""

from dataclasses import dataclass

from django.db import models

from release_portal.releases.models import Component


@dataclass(frozen=True)
class Behaviour:
    """What follows from a right: forms, terms, the API, the ladder and the access rule ask it here."""

    component: Component | None = None
    """What of the size must be opened for it. Without one it is refused, whatever is open."""
    is_metered: bool = False
    """Whether it is counted in tokens. What is not has no quota."""
    is_served: bool = False
    """Whether the portal hands it out. What nothing serves can be neither asked for nor granted."""
    words: str = "{size} ({right})"
    """A size with it, as sentences name it."""


UNWIRED = Behaviour()


class Right(models.TextChoices):
    """What of a size an organisation may be allowed, and what follows from it."""

    GENERATION = (
        "generation",
        Behaviour(Component.GENERATION, is_metered=True, is_served=True, words="{size}"),
        "Hosted generation",
    )
    LOGPROBS = "logprobs", Behaviour(Component.GENERATION), "Log-probabilities"
    WEIGHTS = "weights", Behaviour(Component.WEIGHTS), "Weights download"

    behaviour: Behaviour

    def __new__(cls, value: str, behaviour: Behaviour = UNWIRED) -> "Right":
        member = str.__new__(cls, value)
        member._value_ = value
        member.behaviour = behaviour
        return member

    @classmethod
    def metered(cls) -> list["Right"]:
        return [right for right in cls if right.is_metered]

    @classmethod
    def served(cls) -> list["Right"]:
        return [right for right in cls if right.behaviour.is_served]

    @property
    def component(self) -> Component | None:
        return self.behaviour.component

    @property
    def is_metered(self) -> bool:
        return self.behaviour.is_metered

    def of(self, size: object) -> str:
        """ "GPT-2 124M", or "GPT-2 124M (weights download)"."""
        return self.behaviour.words.format(size=size, right=self.label.lower())


class Purpose(models.TextChoices):
    """What a size is studied for; a grant allows some of these, and a job names one."""

    MISUSE = "misuse", "Misuse and its prevention"
    DETECTION = "detection", "Detection of generated text"
    BELIEF = "belief", "Human belief and credibility"
    BIAS = "bias", "Bias and fairness"
    PRIVACY = "privacy", "Privacy and memorisation"
    CAPABILITY = "capability", "Capabilities and evaluation"
    LANGUAGE = "language", "Linguistics and language use"
    TEACHING = "teaching", "Teaching"


class DeclineReason(models.TextChoices):
    """Why an item is declined."""

    PURPOSE = "purpose", "The purpose is outside this programme"
    NEED = "need", "A smaller size serves the purpose"
    SAFEGUARDS = "safeguards", "The safeguards described are not enough"
    ETHICS = "ethics", "An ethics review is needed first"
    LADDER = "ladder", "The steps before this size are not done"
    CAPACITY = "capacity", "There is no capacity for it now"
    RECORD = "record", "Earlier use did not keep to the agreement"
    OTHER = "other", "Another reason, given below"


class ReturnReason(models.TextChoices):
    """Why a request is returned for changes."""

    UNCLEAR = "unclear", "The purpose is not clear enough to judge"
    TEAM = "team", "Tell who will use it"
    AMOUNT = "amount", "Explain the size or the number of tokens"
    ETHICS = "ethics", "Add the ethics reference"
    SAFEGUARDS = "safeguards", "Tell how texts are kept and who sees them"
    OTHER = "other", "Another reason, given below"


class SuspendReason(models.TextChoices):
    """Why something is suspended: a closed list, so that reasons can be counted."""

    INVESTIGATION = "investigation", "Something is being investigated"
    KEY = "key", "A token or an account is in wrong hands"
    MISUSE = "misuse", "Texts were misused"
    AGREEMENT = "agreement", "The agreement was not kept"
    RISK = "risk", "A risk of the model itself was found"
    REQUESTED = "requested", "The organisation asked for it"
    OTHER = "other", "Another reason, given below"


class RevokeReason(models.TextChoices):
    """Why a grant is revoked."""

    MISUSE = "misuse", "Texts were misused"
    AGREEMENT = "agreement", "The agreement was not kept"
    KEY = "key", "A token or an account is in wrong hands"
    REQUESTED = "requested", "The organisation asked for it"
    OTHER = "other", "Another reason, given below"
