"""YAML nodes, which know their lines, of a text or of plain types, within limits."""

from collections.abc import Iterator

import yaml

from .problems import PolicyError, Problem

MAX_BYTES = 200_000
MAX_DEPTH = 20


def node_of_text(text: str) -> yaml.Node | None:
    """What a YAML text says, or None where it says nothing. Raises PolicyError."""
    size = len(text.encode(errors="replace"))
    if size > MAX_BYTES:
        raise PolicyError([Problem(1, "", f"A policy has at most {MAX_BYTES:,} bytes; this has {size:,}.")])
    try:
        problems = list(_refused_events(text))
        if problems:
            raise PolicyError(problems)
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise PolicyError([_syntax(error)]) from error


def node_of_document(document: object) -> yaml.Node:
    """What plain types say. Its nodes know no lines. Raises PolicyError."""
    if _depth(document) > MAX_DEPTH:
        raise PolicyError([Problem(0, "", f"A policy is nested at most {MAX_DEPTH} deep.")])
    try:
        return yaml.representer.SafeRepresenter(sort_keys=False).represent_data(document)
    except (yaml.YAMLError, ValueError) as error:
        raise PolicyError([Problem(0, "", "A policy is made of texts, numbers, lists and maps only.")]) from error


def _depth(document: object) -> int:
    """How deep lists and maps are nested, counted no further than needed."""
    level, depth = [document], 0
    while level and depth <= MAX_DEPTH:
        inside = [each for each in level if isinstance(each, dict | list)]
        level = [part for each in inside for part in (each.values() if isinstance(each, dict) else each)]
        depth += bool(inside)
    return depth


def _refused_events(text: str) -> Iterator[Problem]:
    """What a policy does without, so that its text cannot grow when it is read."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            yield Problem(line, "", f"A policy is nested at most {MAX_DEPTH} deep.")
            return
        if isinstance(event, yaml.NodeEvent) and event.anchor:
            yield Problem(line, event.anchor, f"Anchors and aliases are not used in a policy: “{event.anchor}”.")
        tag = getattr(event, "tag", None)
        if tag:
            yield Problem(line, tag, f"Tags are not used in a policy: “{tag}”.")


def _syntax(error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None)
    said = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
    return Problem(mark.line + 1 if mark else 1, "", f"This is not YAML: {said}.")
