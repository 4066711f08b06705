"""The closed lists of this room: rights, purposes, and the reasons that staff give."""

from django.db import models

from release_portal.releases.models import Component


class Right(models.TextChoices):
    """What of a size an organisation may be allowed."""

    GENERATION = "generation", "Hosted generation"
    LOGPROBS = "logprobs", "Log-probabilities"
    WEIGHTS = "weights", "Weights download"


SERVED = frozenset({Right.GENERATION})
"""What the portal hands out today. What nothing serves can be neither asked for nor granted."""

COMPONENT_OF = {
    Right.GENERATION: Component.GENERATION,
    Right.LOGPROBS: Component.GENERATION,
    Right.WEIGHTS: Component.WEIGHTS,
}


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
