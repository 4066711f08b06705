"""How tests wait: until something holds, and never for a measure of how fast the machine is.

What is promised in seconds is measured by `make faults`, which has the machine to itself.
"""

import os
import time
from collections.abc import Callable
from typing import TypeVar

import pytest

AT_LENGTH = bool(os.environ.get("FAULTS_AT_LENGTH"))
PATIENCE = 180
"""Seconds until a test that waits in vain gives up: more than any busy machine takes."""
MEASURED_TIMES = 3
Found = TypeVar("Found")


def until(holds: Callable[[], Found], *, what: str = "it came true", seconds: float = PATIENCE) -> Found:
    """Wait until something holds and return it; fails with what was waited for."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        if time.monotonic() > deadline:
            pytest.fail(f"Waited {seconds:.0f} s for this, in vain: {what}")
        time.sleep(0.1)
    return found


def within(promised: float) -> float:
    """How long to wait for what is promised in a number of seconds: `make faults` holds the promise to its word."""
    return promised if AT_LENGTH else PATIENCE


def assert_within(promised: float, measure: Callable[[], float]) -> None:
    """One of three measures keeps the promise; a busy moment of the machine spoils one, a fault spoils all."""
    measured = []
    while not measured or (min(measured) >= promised and len(measured) < MEASURED_TIMES):
        measured.append(measure())
    assert min(measured) < promised, f"It took {measured} seconds each time."
