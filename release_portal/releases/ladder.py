"""The ladder: the sizes of a family as rungs, in plain words, from state alone."""

from dataclasses import dataclass
from datetime import datetime

from .models import Audience, Component, Family, ModelSize, Opening

ALWAYS_SHOWN = (Component.GENERATION, Component.WEIGHTS)
"""What every ladder says of a size. Other components are said where one of the sizes had them opened."""


@dataclass(frozen=True)
class ComponentState:
    """Who may have one component of a size or a family."""

    component: Component
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
    once: str
    """Which names it had: "Once called 117M", or nothing."""
    weights: str
    size: ModelSize
    yours: Yours | None = None


def ladder_of(family: Family, *, at: datetime) -> list[Rung]:
    """The rungs of a family as they stood at that time, smallest first."""
    sizes = list(family.sizes.smallest_first().prefetch_related("artefacts", "errata"))
    openings = {(held.size_id, held.component): held for held in Opening.objects.of_sizes(sizes).holding(at=at)}
    opened = {component for _, component in openings}
    shown = [component for component in Component.of_sizes() if component in {*ALWAYS_SHOWN, *opened}]
    return [
        _rung(size, [state_of(component, openings.get((size.pk, component))) for component in shown]) for size in sizes
    ]


def rung_of(size: ModelSize, *, at: datetime) -> Rung:
    """One rung, with every component that a size can have."""
    openings = {held.component: held for held in Opening.objects.of_sizes([size]).holding(at=at)}
    return _rung(size, [state_of(component, openings.get(component)) for component in Component.of_sizes()])


def family_components(family: Family, *, at: datetime) -> list[ComponentState]:
    """What belongs to the family as a whole and was ever opened by then."""
    openings = {held.component: held for held in family.openings.holding(at=at)}
    return [state_of(component, openings[component]) for component in Component.of_families() if component in openings]


def state_of(component: Component, opening: Opening | None) -> ComponentState:
    """Who may have a component, by the opening that holds, if there is one."""
    audience = Audience(opening.audience) if opening else Audience.CLOSED
    reason = opening.reason if opening else "Not opened yet."
    sentence = component.sentence(audience)
    return ComponentState(component, component.label, audience.value, audience.label, sentence, reason)


def _rung(size: ModelSize, components: list[ComponentState]) -> Rung:
    installed = any(artefact.first_seen_at for artefact in size.artefacts.all())
    return Rung(
        name=size.name,
        parameters=size.parameters_in_words,
        url=size.get_absolute_url(),
        components=components,
        once=f"Once called {' and '.join(names)}" if (names := size.earlier_names) else "",
        weights="" if installed else "Weights not installed",
        size=size,
    )
