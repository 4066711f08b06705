"""Reads a policy from YAML or JSON. What is wrong is collected, each with its line and the nearest known word."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date
from graphlib import CycleError, TopologicalSorter
from typing import Any

import yaml
from pydantic import ValidationError

from release_portal.releases.models import Audience, Component

from ..checks import CHECKS
from ..records import Severity
from .nodes import node_of_document, node_of_text
from .problems import MAX_WORD, PolicyError, Problem, nearest, short, wrong_parameter
from .tree import (
    COMBINATORS,
    KEYS,
    REQUIRED,
    REQUIRED_OF_STAGE,
    STAGE_KEYS,
    WATCH,
    WATCHED,
    CheckUse,
    Combination,
    Node,
    Policy,
    Requirement,
    StagePolicy,
    named,
)


def read_policy(text: str) -> Policy:
    """The policy that a YAML text says. Raises PolicyError."""
    return _Reader().policy(node_of_text(text))


def from_json(document: object) -> Policy:
    """The policy that plain types say, as the form sends them. Raises PolicyError."""
    return _Reader().policy(node_of_document(document))


MAX_WHOLE = 2**53
"""Beyond it JSON's readers differ."""


def _in_range(value: Any) -> Any:
    if isinstance(value, int) and abs(value) > MAX_WHOLE:
        raise ValueError(value)
    return value


class _Reader:
    """Turns nodes into a policy and collects what is wrong on the way."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def policy(self, node: yaml.Node | None) -> Policy:
        keys = self.mapping(node, KEYS, "a policy", required=REQUIRED)
        roles = tuple(self.text(each, "a role") for each in self.sequence(keys.get("roles"), "roles"))
        stages = [self.stage(each) for each in self.sequence(keys.get("stages"), "stages")]
        policy = Policy(
            name=self.text(keys.get("policy"), "policy"),
            version=self.whole(keys.get("version"), "version"),
            roles=roles,
            stages=tuple(stage for _, stage in stages),
            locked_at=self.day(keys.get("locked_at"), "locked_at"),
        )
        self.refuse_duplicates(stages)
        self.refuse_unknown_names(stages, set(roles))
        self.refuse_cycles(stages)
        if self.problems:
            raise PolicyError(self.problems)
        return policy

    def say(self, node: yaml.Node | None, word: object, sentence: str) -> None:
        mark = node.start_mark if node else None
        self.problems.append(Problem(mark.line + 1 if mark else 0, short(word), sentence))

    # --- plain nodes

    def mapping(
        self, node: yaml.Node | None, known: Iterable[str] | None, what: str, *, required: tuple[str, ...] = ()
    ) -> dict[str, yaml.Node]:
        """The nodes by key. Without `known`, any key will do."""
        if not isinstance(node, yaml.MappingNode):
            self.say(node, "", f"Here {what} is a map of keys and values.")
            return {}
        found: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            if name in found:
                self.say(key, name, f"“{short(name)}” is there twice in {what}.")
            elif known is not None and name not in known:
                self.say(key, name, f"“{short(name)}” is no key of {what}.{nearest(name, known)}")
            found[name] = value
        for name in required:
            if name not in found:
                self.say(node, name, f"“{name}” is missing in {what}.")
        return found

    def sequence(self, node: yaml.Node | None, what: str) -> list[yaml.Node]:
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            self.say(node, what, f"“{what}” is a list.")
            return []
        return list(node.value)

    def text(self, node: yaml.Node | None, what: str) -> str:
        if node is None:
            return ""
        value = self.plain(node)
        if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > MAX_WORD:
            self.say(node, what, f"“{what}” is a text of one line, 1 to {MAX_WORD} characters; given: {short(value)}.")
            return ""
        return value

    def whole(self, node: yaml.Node | None, what: str) -> int:
        value = 1 if node is None else self.plain(node)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            self.say(node, what, f"“{what}” is a whole number of 1 or more; given: {short(value)}.")
            return 1
        return value

    def day(self, node: yaml.Node | None, what: str) -> str:
        if node is None:
            return ""
        value = self.plain(node)
        try:
            return date.fromisoformat(str(value)).isoformat()
        except ValueError:
            self.say(node, what, f"“{what}” is a day such as 2019-02-10; given: {short(value)}.")
            return ""

    def plain(self, node: yaml.Node) -> Any:
        """What a node says in plain types. A date stays a text."""
        if isinstance(node, yaml.MappingNode):
            return {name: self.plain(value) for name, value in self.mapping(node, None, "a parameter").items()}
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(each) for each in node.value]
        if node.tag == "tag:yaml.org,2002:timestamp":
            return node.value
        try:
            return _in_range(yaml.constructor.SafeConstructor().construct_object(node))
        except (ValueError, yaml.YAMLError):
            self.say(node, node.value, f"“{short(node.value)}” cannot be read.")
            return None

    # --- stages

    def stage(self, node: yaml.Node) -> tuple[yaml.Node, StagePolicy]:
        keys = self.mapping(node, STAGE_KEYS, "a stage", required=REQUIRED_OF_STAGE)
        for name, what in (("release", "names at least one component"), ("checks", "has at least one check")):
            if isinstance(keys.get(name), yaml.CollectionNode) and not keys[name].value:
                self.say(keys[name], name, f"“{name}” {what}.")
        return node, StagePolicy(
            id=self.text(keys.get("id"), "id"),
            after=tuple(self.text(each, "after") for each in self.sequence(keys.get("after"), "after")),
            release=self.levels(keys.get("release"), "release"),
            partner_access=self.levels(keys.get("partner_access"), "partner_access"),
            checks=tuple(self.requirements(keys.get("checks"))),
            watch=tuple(self.watch(each) for each in self.sequence(keys.get("watch"), "watch")),
        )

    def levels(self, node: yaml.Node | None, what: str) -> dict[str, Audience]:
        if node is None:
            return {}
        levels = {}
        for name, value in self.mapping(node, None, what).items():
            component, _, of = name.partition("/")
            if component not in Component.values:
                self.say(value, name, f"“{short(component)}” is no component.{nearest(component, Component.values)}")
            if "/" in name and not of:
                self.say(value, name, f"“{short(name)}” names no size after the stroke.")
            level = self.text(value, name)
            if level in set(Audience):
                levels[name] = Audience(level)
            elif level:
                self.say(value, level, f"“{level}” is no level.{nearest(level, Audience)}")
        return levels

    def watch(self, node: yaml.Node) -> str:
        text = self.text(node, "watch")
        found = WATCH.fullmatch(text)
        if found is None:
            self.say(node, text, f"A watch condition is such as incident_severity>=high@774M; given: {short(text)}.")
            return text
        subject, severity = found["subject"], found["severity"]
        if subject not in WATCHED:
            self.say(node, subject, f"“{subject}” cannot be watched.{nearest(subject, WATCHED)}")
        elif (severity is None) != (subject == "leak"):
            self.say(node, text, f"“{subject}” needs {'no severity' if severity else 'a severity'}: {short(text)}.")
        if severity is not None and severity not in set(Severity):
            self.say(node, severity, f"“{severity}” is no severity.{nearest(severity, Severity)}")
        return text

    # --- checks

    def requirements(self, node: yaml.Node | None) -> Iterator[Requirement]:
        for each in self.sequence(node, "checks"):
            keys = self.mapping(each, None, "a check")
            blocking = self.plain(keys["blocking"]) if "blocking" in keys else True
            if not isinstance(blocking, bool):
                self.say(keys["blocking"], "blocking", f"“blocking” is true or false; given: {short(blocking)}.")
                blocking = True
            read = self.node(each, keys, outermost=True)
            if read is not None:
                yield Requirement(read, blocking)

    def node(self, node: yaml.Node, keys: dict[str, yaml.Node], *, outermost: bool = False) -> Node | None:
        if "blocking" in keys and not outermost:
            self.say(node, "blocking", "“blocking” stands beside the outermost check or combinator only.")
        kinds = [each for each in ("check", *COMBINATORS) if each in keys]
        if len(kinds) != 1:
            near = "".join(nearest(key, ("check", *COMBINATORS)) for key in keys if key != "blocking")
            self.say(node, "", f"Each requirement has one of check, all, any, at_least and not.{near}")
            return None
        return self.use(node, keys) if kinds == ["check"] else self.combination(node, kinds[0], keys)

    def combination(self, node: yaml.Node, combinator: str, keys: dict[str, yaml.Node]) -> Combination | None:
        for key in set(keys) - {combinator, "blocking"}:
            self.say(node, key, f"“{short(key)}” is no key of “{combinator}”.")
        inside, k = keys[combinator], None
        if combinator == "at_least":
            parts = self.mapping(inside, ("k", "of"), "at_least", required=("k", "of"))
            k, inside = self.whole(parts.get("k"), "k"), parts.get("of", inside)
        nodes = [inside] if combinator == "not" else self.sequence(inside, combinator)
        read = [self.node(each, self.mapping(each, None, "a check")) for each in nodes]
        if k is not None and k > len(read):
            self.say(node, "k", f"“k” is at most the number of checks in “of”, {len(read)}; given: {k}.")
        if not read:
            self.say(node, combinator, f"“{combinator}” has at least one check.")
        return Combination(combinator, tuple(each for each in read if each is not None), k)

    def use(self, node: yaml.Node, keys: dict[str, yaml.Node]) -> CheckUse | None:
        name = self.text(keys["check"], "check")
        check = CHECKS.get(name)
        if check is None:
            self.say(keys["check"], name, f"“{name}” is no check.{nearest(name, CHECKS)}")
            return None
        given = {key: self.plain(value) for key, value in keys.items() if key not in {"check", "blocking"}}
        try:
            return CheckUse(name, check.plain(given))
        except ValidationError as error:
            known = [each.name for each in check.parameters]
            for wrong in error.errors():
                parameter = str(wrong["loc"][0])
                self.say(keys.get(parameter, node), parameter, wrong_parameter(name, wrong, known))
            return None

    # --- the whole

    def refuse_duplicates(self, stages: list[tuple[yaml.Node, StagePolicy]]) -> None:
        counted = Counter(stage.id for _, stage in stages)
        for node, stage in stages:
            if counted[stage.id] > 1 and stage.id:
                self.say(node, stage.id, f"The stage “{stage.id}” is there {counted[stage.id]} times.")

    def refuse_unknown_names(self, stages: list[tuple[yaml.Node, StagePolicy]], roles: set[str]) -> None:
        ids = {stage.id for _, stage in stages}
        for node, stage in stages:
            for name in sorted(stage.named_stages() - ids):
                self.say(node, name, f"The stage “{stage.id}” names “{name}”, which is no stage.{nearest(name, ids)}")
            asked = {role for requirement in stage.checks for role in named("role", requirement.node)}
            for name in sorted(asked - roles):
                sentence = f"The stage “{stage.id}” names “{name}”, which is no role of this policy."
                self.say(node, name, sentence + nearest(name, roles))

    def refuse_cycles(self, stages: list[tuple[yaml.Node, StagePolicy]]) -> None:
        try:
            TopologicalSorter({stage.id: stage.named_stages() for _, stage in stages}).prepare()
        except CycleError as error:
            cycle = error.args[1]
            node = next(node for node, stage in stages if stage.id == cycle[0])
            self.say(node, cycle[0], f"These stages wait for each other: {', '.join(cycle)}.")
