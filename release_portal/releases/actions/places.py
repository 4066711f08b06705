"""Where a component belongs: to a size, or to its family."""

from release_portal.lib.states import Refused

from ..models import Component, Family, ModelSize


def check_place(*, of: ModelSize | Family, component: Component) -> None:
    """Raise Refused for a component of a family at a size, and the other way round."""
    is_family = isinstance(of, Family)
    if component.words.of_family != is_family:
        one, other = ("a size", "a family") if is_family else ("a family", "a size")
        raise Refused(f"“{component.label}” is a component of {one}, not of {other}.", field="component")


def place_of(*, of: ModelSize | Family) -> list[ModelSize | Family]:
    """What an event about it concerns: the size and its family, or the family."""
    return [of] if isinstance(of, Family) else [of, of.family]
