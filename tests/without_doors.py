"""Tests call verbs without a door: there a verb acts for the person whom it names, as a door would have said.

Where a request or a test has said for whom work is done, that stands. So a verb that names another is refused here as
it is in earnest.
"""

import functools
import inspect
import sys
from collections.abc import Callable
from contextlib import nullcontext
from importlib import import_module
from typing import Any

from release_portal.audit.acting import _person, acting_as

ROOMS = [
    "agreements",
    *(f"release_portal.{room}" for room in ("audit", "partners", "releases", "access", "jobs")),
]


def verbs_act_for_whom_they_name() -> None:
    """Wrap every function of the rooms' `actions` that takes `by`."""
    for room in ROOMS:
        import_module(f"{room}.actions")
    for name, module in list(sys.modules.items()):
        if name.startswith(("release_portal.", "agreements.")):
            _wrap_within(module)


def _wrap_within(module: Any) -> None:
    for name, found in list(vars(module).items()):
        if inspect.isfunction(found) and ".actions" in found.__module__ and "by" in inspect.signature(found).parameters:
            setattr(module, name, _acting(found))


@functools.cache
def _acting(verb: Callable) -> Callable:
    if hasattr(verb, "acts_for_by"):
        return verb

    @functools.wraps(verb)
    def acting(*given: Any, **named: Any) -> Any:
        by = named.get("by")
        with nullcontext() if by is None or _person.get() is not None else acting_as(by):
            return verb(*given, **named)

    acting.acts_for_by = True  # type: ignore[attr-defined]
    return acting
