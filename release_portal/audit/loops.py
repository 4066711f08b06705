"""Doing something with each of many rows: a row that fails fails alone, and is tried again ever later."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from traceback import extract_tb
from typing import Any, TypeVar

from django.db import transaction

from release_portal.lib.states import Refused

from .models import Failure, key_of

Row = TypeVar("Row")

LONGEST_ROUND = 20.0
"""Seconds after which a round ends; the clock begins the next, which takes up the rest."""
LONGEST_WAIT = timedelta(hours=1)
"""Between two tries of a row."""

logger = logging.getLogger(__name__)


def each(
    rows: Iterable[Row],
    act: Callable[[Row], int | None],
    *,
    task: str,
    at: datetime,
    key: Callable[[Row], str] = key_of,  # type: ignore[assignment]
    name: Callable[[Row], str] = str,
) -> int:
    """Do `act` with each row that is due, in a transaction of its own; returns the sum of what it returned.

    `task` is the name of the Celery task that goes over the rows, after a colon its part. An error is noted as a
    Failure under `key` and `name`; it goes no further. `act` returns None where the row was not tried, as another round
    has it in hand: what is noted of it stays.
    """
    failed = {failure.thing: failure for failure in Failure.objects.filter(task=task)}
    unseen = {thing for thing, failure in failed.items() if failure.is_due(at)}
    ends, done = time.monotonic() + LONGEST_ROUND, 0
    for row in rows:
        thing = key(row)
        if thing in failed and not failed[thing].is_due(at):
            continue
        unseen.discard(thing)
        try:
            with transaction.atomic():
                number = act(row)
                if thing in failed and number is not None:
                    failed[thing].delete()
            done += number or 0
        except Exception as error:
            _note(task, thing, _named(row, name, thing), error, at)
        if time.monotonic() > ends:
            return done
    if unseen:
        Failure.objects.filter(task=task, thing__in=unseen).delete()  # nothing is left to do with them
    return done


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Inside, an error undoes what was done there and goes no further. For rows of somebody's act, who reads what
    became of each; a Refused is for them to read."""
    try:
        with transaction.atomic():
            yield
    except Refused:
        raise
    except Exception as error:
        logger.error("%s failed: %s", name, in_words(error))


@transaction.atomic
def _note(task: str, thing: str, name: str, error: Exception, at: datetime) -> None:
    columns = {"name": name[:200], "first_failed_at": at, "last_failed_at": at, "next_try_at": at}
    failure, _ = Failure.objects.select_for_update().get_or_create(task=task, thing=thing, defaults=columns)
    failure.attempts += 1
    failure.last_failed_at, failure.next_try_at = at, at + _wait(failure.attempts)
    failure.error = in_words(error)[:300]
    failure.save()
    logger.error("%s failed with %s, attempt %s: %s", task, thing, failure.attempts, failure.error)


def in_words(error: Exception) -> str:
    """What went wrong and where, without what the error quotes: that may be a text or an address."""
    return f"{type(error).__name__}{_reason(error)}, {_place(error)}"


def _named(row: Row, name: Callable[[Row], str], otherwise: str) -> str:
    """The row's name, which may need what is broken about it."""
    try:
        with transaction.atomic():
            return name(row)
    except Exception:
        return otherwise


def _reason(error: Any) -> str:
    """What an error tells apart from its message."""
    if code := getattr(error, "smtp_code", None):
        return f": the server answered {code}"
    if isinstance(error, OSError) and error.strerror:
        return f": {error.strerror}"
    if constraint := getattr(getattr(error.__cause__, "diag", None), "constraint_name", None):
        return f": {constraint}"
    return ""


def _place(error: Exception) -> str:
    """Where in our own code the error came up last."""
    frames = [(Path(frame.filename), frame.lineno) for frame in extract_tb(error.__traceback__)]
    ours = [(path, line) for path, line in frames if "site-packages" not in path.parts]
    path, line = ours[-1] if ours else frames[-1]
    return f"in {'/'.join(path.parts[-3:])}, line {line}"


def _wait(attempts: int) -> timedelta:
    return min(timedelta(seconds=2 ** min(attempts, 12)), LONGEST_WAIT)
