"""What can be wrong with a policy, in sentences."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from release_portal.lib.states import Refused

MAX_WORD = 80


@dataclass(frozen=True)
class Problem:
    """`line` counts from 1; it is 0 where the policy did not come as a text."""

    line: int
    word: str
    sentence: str


class PolicyError(Refused):
    """A policy that cannot be read, with all its problems."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems), key=lambda each: (each.line, each.word, each.sentence))
        lines = [f"Line {each.line}: {each.sentence}" if each.line else each.sentence for each in self.problems]
        super().__init__("\n".join(lines), field="policy")


def nearest(word: str, known: Iterable[str]) -> str:
    """ " Did you mean “weights”?", or nothing."""
    found = get_close_matches(word, sorted(known), n=1)
    return f" Did you mean “{found[0]}”?" if found else ""


def short(value: object) -> str:
    shown = str(value)
    return shown if len(shown) <= MAX_WORD else f"{shown[:MAX_WORD]}…"


def wrong_parameter(check: str, wrong: Mapping[str, Any], known: Iterable[str]) -> str:
    """An error of pydantic's as a sentence with the limit and what was given."""
    name = short(".".join(str(each) for each in wrong["loc"]))
    if wrong["type"] == "extra_forbidden":
        return f"“{name}” is no parameter of {check}.{nearest(name, known)}"
    if wrong["type"] == "missing":
        return f"{check} needs “{name}”."
    given = wrong["input"]
    near = nearest(given, wrong["ctx"]["expected"].split("'")[1::2]) if _is_misspelt(wrong) else ""
    return f"“{name}” of {check} {wrong['msg'].removeprefix('Input ')}; given: {_quoted(given)}.{near}"


def _quoted(given: object) -> str:
    """A text has quotation marks, a number none."""
    return f"“{short(given)}”" if isinstance(given, str) else short(given)


def _is_misspelt(wrong: Mapping[str, Any]) -> bool:
    return wrong["type"] == "literal_error" and isinstance(wrong["input"], str)
