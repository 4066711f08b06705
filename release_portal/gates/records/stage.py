"""The family and the stage that the gate stands before."""

from dataclasses import dataclass
from datetime import datetime

from release_portal.releases.models import Audience


@dataclass(frozen=True, kw_only=True)
class ComponentLevel:
    """The level of a component now, and since when it has it."""

    component: str
    level: Audience
    since: datetime


@dataclass(frozen=True, kw_only=True)
class Size:
    name: str
    parameters: int
    levels: tuple[ComponentLevel, ...] = ()

    def level(self, component: str) -> Audience:
        return next((each.level for each in self.levels if each.component == component), Audience.CLOSED)


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A component that the stage opens; `size` is empty where it is of the whole family."""

    component: str
    level: Audience
    size: str = ""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The stage that the gate stands before. `sizes` are those that it is about, `opens` what it opens of any."""

    name: str
    sizes: tuple[str, ...] = ()
    opens: tuple[Opened, ...] = ()
    previous: str = ""
    embargo_until: datetime | None = None

    @property
    def all_sizes(self) -> set[str]:
        """Also those that only partners get in this stage."""
        return set(self.sizes) | {each.size for each in self.opens if each.size}


@dataclass(frozen=True, kw_only=True)
class OtherStage:
    name: str
    released_at: datetime | None
