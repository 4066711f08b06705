"""A stage before its gate: 355M would open, 124M is open since 100 days, and the table of a check's cases."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from release_portal.gates.checks import CHECKS, Outcome
from release_portal.gates.logic import Result
from release_portal.gates.records import (
    Artefact,
    ComponentLevel,
    Evaluation,
    Kind,
    Opened,
    OtherStage,
    Records,
    Size,
    Stage,
)
from release_portal.releases.models import Audience

NOW = datetime(2019, 11, 5, 12, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)
PASS, FAIL, UNKNOWN, NOT_APPLICABLE = Result
OPENS = (Opened(component="weights", size="355M", level=Audience.OPEN),)
STAGE = Stage(name="s2", sizes=("355M",), opens=OPENS, previous="s1")
NO_SIZES = Stage(name="s0")


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


SMALL = Size(
    name="124M", parameters=124, levels=(ComponentLevel(component="weights", level=Audience.OPEN, since=ago(100)),)
)
LARGE = Size(name="355M", parameters=355)
HASHES = {"124M": "a" * 64, "355M": "b" * 64}


def weights(size: str = "355M", **fields: Any) -> Artefact:
    defaults = {
        "id": f"weights-{size}",
        "artefact_sha256": HASHES[size],
        "all_hashed": True,
        "signed": True,
        "changed_on_disk": False,
    }
    return Artefact(component="weights", size=size, **(defaults | fields))


def evaluation(kind: Kind, value: float, *, size: str = "355M", **fields: Any) -> Evaluation:
    defaults = {"id": f"{kind}-{size}", "at": ago(10), "artefact_sha256": HASHES[size], "metric": "", "n": 1000}
    return Evaluation(kind=kind, size=size, value=value, **(defaults | fields))


def records(**facts: Any) -> Records:
    defaults = {
        "at": NOW,
        "stage": STAGE,
        "sizes": (SMALL, LARGE),
        "run_id": "run-1",
        "stages": (OtherStage(name="s1", released_at=ago(100)),),
        "artefacts": (weights("124M"), weights("355M")),
    }
    return Records(**(defaults | facts))


def ask(check: str, given: Mapping[str, Any], facts: Mapping[str, Any]) -> Outcome:
    return CHECKS[check].run(records(**facts), given)


def case(check: str, expected: Result, given: Mapping[str, Any], why: str, **facts: Any) -> Any:
    """One row of a table: with these parameters and facts the check says this, and why."""
    return pytest.param(check, expected, given, facts, id=f"{check}: {why}")


STALE: dict[str, dict[str, Any]] = {
    "it expired in the same moment": {"expires_at": NOW},
    "it is of another artefact": {"artefact_sha256": "c" * 64},
    "it is of no artefact": {"artefact_sha256": ""},
    "it is of the future": {"at": NOW + MOMENT},
}
"""The ways in which an evaluation does not count."""


def says(check: str, expected: Result, given: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    """Whether the check answers so, in a sentence and with the same answer for the same facts in another order."""
    outcome = ask(check, given, facts)
    assert outcome.sentence[:1].strip(), "a sentence begins with something"
    assert outcome.sentence.endswith("."), outcome.sentence
    turned = {name: tuple(reversed(fact)) if isinstance(fact, tuple) else fact for name, fact in facts.items()}
    assert ask(check, given, turned) == outcome
    assert outcome.result is expected, outcome
    return True
