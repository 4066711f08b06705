"""A gate policy as a value: its stages, what each opens, and the requirements that it must meet.

YAML, the form's JSON and these classes say the same; `plain()` is what the first two are made of.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from release_portal.releases.models import Audience

from ..checks import CHECKS

COMBINATORS = ("all", "any", "at_least", "not")
KEYS = ("policy", "version", "locked_at", "roles", "stages")
REQUIRED = ("policy", "version", "roles", "stages")
STAGE_KEYS = ("id", "after", "release", "partner_access", "checks", "watch")
REQUIRED_OF_STAGE = ("id", "release", "checks")
WATCHED = ("finding_severity", "incident_severity", "leak")
WATCH = re.compile(r"(?P<subject>\w+)(?:>=(?P<severity>\w+))?@(?P<size>[\w.-]+)")
"""Such as finding_severity>=high@1558M, or leak@any."""


@dataclass(frozen=True)
class CheckUse:
    """A check with parameters, in plain types."""

    check: str
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.check

    def uses(self) -> Iterator["CheckUse"]:
        yield self

    def plain(self) -> dict[str, Any]:
        return {"check": self.check, **self.parameters}


@dataclass(frozen=True)
class Combination:
    """Several requirements as one. `k` is of `at_least`; `not` has one part."""

    combinator: str
    of: tuple["Node", ...]
    k: int | None = None

    @property
    def name(self) -> str:
        return self.combinator

    def uses(self) -> Iterator[CheckUse]:
        for each in self.of:
            yield from each.uses()

    def plain(self) -> dict[str, Any]:
        parts = [each.plain() for each in self.of]
        if self.combinator == "at_least":
            return {"at_least": {"k": self.k, "of": parts}}
        return {self.combinator: parts[0] if self.combinator == "not" else parts}


Node = CheckUse | Combination


@dataclass(frozen=True)
class Requirement:
    """What blocks the gate, or only advises. Within a combination nothing blocks by itself."""

    node: Node
    blocking: bool = True

    def plain(self) -> dict[str, Any]:
        return {**self.node.plain(), "blocking": self.blocking}


@dataclass(frozen=True)
class StagePolicy:
    """`release` and `partner_access` are levels by component, as in weights/355M."""

    id: str
    release: Mapping[str, Audience]
    checks: tuple[Requirement, ...]
    after: tuple[str, ...] = ()
    partner_access: Mapping[str, Audience] = field(default_factory=dict)
    watch: tuple[str, ...] = ()

    def requirements(self) -> dict[str, Requirement]:
        """By key, which a waiver names: the check or combinator, from the second one on with its number."""
        keyed: dict[str, Requirement] = {}
        for each in self.checks:
            same = sum(other.node.name == each.node.name for other in keyed.values())
            keyed[f"{each.node.name}-{same + 1}" if same else each.node.name] = each
        return keyed

    def named_stages(self) -> set[str]:
        """The stages that come before it: by `after`, or by a parameter of a check."""
        return {*self.after, *(name for requirement in self.checks for name in named("stage", requirement.node))}

    def plain(self) -> dict[str, Any]:
        plain = {
            "id": self.id,
            "after": list(self.after),
            "release": {name: level.value for name, level in self.release.items()},
            "partner_access": {name: level.value for name, level in self.partner_access.items()},
            "checks": [each.plain() for each in self.checks],
            "watch": list(self.watch),
        }
        return {key: value for key, value in plain.items() if value or key in REQUIRED_OF_STAGE}


@dataclass(frozen=True)
class Policy:
    name: str
    version: int
    roles: tuple[str, ...]
    stages: tuple[StagePolicy, ...]
    locked_at: str = ""
    """The day from which it is not changed any more, such as 2019-02-10, or empty."""

    def stage(self, id_: str) -> StagePolicy:
        return next(each for each in self.stages if each.id == id_)

    def plain(self) -> dict[str, Any]:
        plain = {
            "policy": self.name,
            "version": self.version,
            "locked_at": self.locked_at,
            "roles": list(self.roles),
            "stages": [each.plain() for each in self.stages],
        }
        return {key: value for key, value in plain.items() if value or key in REQUIRED}


def named(what: str, node: Node) -> Iterator[str]:
    """The stages or roles that parameters of a node's checks name."""
    for use in node.uses():
        for parameter in CHECKS[use.check].parameters:
            if parameter.names == what and parameter.name in use.parameters:
                value = use.parameters[parameter.name]
                yield from [value] if isinstance(value, str) else value or ()
