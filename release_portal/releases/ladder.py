"""The ladder: the sizes of a family as rungs, in plain words, from state alone."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from .models import Audience, Component, Family, ModelSize

SENTENCES = {
    (Component.GENERATION, Audience.CLOSED): "Nobody outside the lab can generate with it.",
    (Component.GENERATION, Audience.PARTNER): "Partner organisations with a grant can generate with it.",
    (Component.GENERATION, Audience.GATED): "Anyone who asks and is granted access can generate with it.",
    (Component.GENERATION, Audience.OPEN): "Everyone can generate with it.",
    (Component.WEIGHTS, Audience.CLOSED): "The weights stay with the lab.",
    (Component.WEIGHTS, Audience.PARTNER): "The weights are with partner organisations.",
    (Component.WEIGHTS, Audience.GATED): "Anyone who asks and is granted access gets the weights.",
    (Component.WEIGHTS, Audience.OPEN): "The weights are public.",
}


@dataclass(frozen=True)
class ComponentState:
    """Who may have one component of a size."""

    label: str
    state: str
    word: str
    sentence: str
    reason: str


@dataclass(frozen=True)
class Yours:
    """What of a size is the reader's own organisation's."""

    word: str
    state: str
    detail: str = ""
    url: str = ""
    action: str = ""


@dataclass
class Rung:
    name: str
    parameters: str
    url: str
    components: list[ComponentState]
    weights: str
    size: ModelSize
    yours: Yours | None = None


def ladder_of(family: Family, *, at: datetime) -> list[Rung]:
    """The rungs of a family as they stood at that time, smallest first."""
    sizes = family.sizes.smallest_first().with_audiences(at=at).prefetch_related("artefacts")
    return [rung_of(size) for size in sizes]


def rung_of(size: ModelSize) -> Rung:
    """One rung, from a size of `ModelSize.objects.with_audiences()`."""
    installed = any(True for _ in size.artefacts.all())
    return Rung(
        name=size.name,
        parameters=size.parameters_in_words,
        url=size.get_absolute_url(),
        components=list(_components(size)),
        weights="" if installed else "Weights not installed",
        size=size,
    )


def _components(size: ModelSize) -> Iterable[ComponentState]:
    for component in Component:
        audience = Audience(getattr(size, f"{component}_audience") or Audience.CLOSED)
        reason = getattr(size, f"{component}_reason") or "Not opened yet."
        yield ComponentState(component.label, audience.value, audience.label, SENTENCES[component, audience], reason)
