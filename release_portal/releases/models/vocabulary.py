"""The closed lists of this room: what of a family or a size can be opened, and to whom."""

from dataclasses import dataclass

from django.db import models


class Audience(models.TextChoices):
    """Who may have a component, from nobody to everybody."""

    CLOSED = "closed", "Closed"
    PARTNER = "partner", "With partners"
    GATED = "gated", "On request"
    OPEN = "open", "Open"

    def reaches(self, other: str) -> bool:
        """Whether everybody whom the other lets in is let in by this."""
        order = list(Audience)
        return order.index(self) >= order.index(Audience(other))


@dataclass(frozen=True)
class Words:
    """How sentences speak of a component, and what it is."""

    noun: str
    """Such as "the weights"."""
    is_plural: bool = True
    of_family: bool = False
    """Whether a family has it once, and not each of its sizes."""
    is_hosted: bool = False
    """Whether the portal runs it. What is not hosted is a copy, and no copy can be called back."""


NAMELESS = Words("")


class Component(models.TextChoices):
    """What can be opened: parts of a size, then parts of its family."""

    GENERATION = "generation", Words("hosted generation", is_plural=False, is_hosted=True), "Hosted generation"
    LOGPROBS = "logprobs", Words("log-probabilities", is_hosted=True), "Log-probabilities"
    WEIGHTS = "weights", Words("the weights"), "Weights"
    OUTPUTS = "outputs", Words("the output samples"), "Output samples"
    DETECTOR = "detector", Words("the detector", is_plural=False), "Detector"
    CARD = "card", Words("the model card", is_plural=False), "Model card"
    CODE = "code", Words("the sampling code", is_plural=False, of_family=True), "Sampling code"
    TRAINING = "training", Words("the training code", is_plural=False, of_family=True), "Training code"
    DATA_SUMMARY = "data_summary", Words("the data summary", is_plural=False, of_family=True), "Data summary"
    PAPER = "paper", Words("the paper", is_plural=False, of_family=True), "Paper"
    REPORT = "report", Words("the technical report", is_plural=False, of_family=True), "Technical report"
    AGREEMENT_TEMPLATE = (
        "agreement_template",
        Words("the agreement template", is_plural=False, of_family=True),
        "Agreement template",
    )

    words: Words

    def __new__(cls, value: str, words: Words = NAMELESS) -> "Component":
        member = str.__new__(cls, value)
        member._value_ = value
        member.words = words
        return member

    @classmethod
    def of_sizes(cls) -> list["Component"]:
        return [component for component in cls if not component.words.of_family]

    @classmethod
    def of_families(cls) -> list["Component"]:
        return [component for component in cls if component.words.of_family]

    def sentence(self, audience: Audience) -> str:
        """Who may have it, as the public page says it."""
        if self is Component.GENERATION:
            return GENERATION[audience]
        noun, verb, stay = self.words.noun, "are" if self.words.is_plural else "is", "stay"
        stay = stay if self.words.is_plural else f"{stay}s"
        sentence = {
            Audience.CLOSED: f"{noun} {stay} with the lab.",
            Audience.PARTNER: f"{noun} {verb} with partner organisations.",
            Audience.GATED: f"anyone who asks and is granted access gets {noun}.",
            Audience.OPEN: f"{noun} {verb} public.",
        }[audience]
        return sentence[0].upper() + sentence[1:]


GENERATION = {
    Audience.CLOSED: "Nobody outside the lab can generate with it.",
    Audience.PARTNER: "Partner organisations with a grant can generate with it.",
    Audience.GATED: "Anyone who asks and is granted access can generate with it.",
    Audience.OPEN: "Everyone can generate with it.",
}
