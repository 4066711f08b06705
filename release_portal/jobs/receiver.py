"""Reads what workers push to the broker: the process `receive` of the Procfile.

What is not sealed by a worker whose key holds is dropped and counted. While the database is away nothing more is taken
from the broker.
"""

import logging
import threading
from datetime import datetime

import redis
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone
from redis.client import Pipeline

from inference.contract import REPORTS, Heartbeat, Report
from inference.seal import SealError
from release_portal.audit.loops import in_words
from release_portal.lib.broker import broker
from release_portal.lib.states import Refused

from . import actions
from .window import note_drop, receive, tell_again

logger = logging.getLogger(__name__)

THREADS = 4
TAKE_SECONDS = 2
"""How long a thread waits for a message before it looks whether it is to end; less than the broker's time limit."""
AWAY_SECONDS = (0.1, 0.2, 0.5, 1, 2, 5)
"""The pauses between tries while the database or the broker is away; the last one repeats."""


class Receiver:
    """A few threads that take messages from the broker until `stop`."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._threads = [threading.Thread(target=self._keep_taking, name=f"receive-{n}") for n in range(THREADS)]

    def run(self) -> None:
        """Take messages until `stop` is set; what was taken is finished."""
        for thread in self._threads:
            thread.start()
        for thread in self._threads:
            thread.join()

    def _keep_taking(self) -> None:
        away = 0
        while not self.stop.is_set():
            try:
                taken = broker().brpop([REPORTS], TAKE_SECONDS)
            except redis.RedisError as error:
                logger.warning("The broker cannot be read: %s", error)
                if str(error).startswith("WRONGTYPE"):
                    clear_list(at=timezone.now())
                away = self._pause(away)
            else:
                away = 0
                if taken:
                    self.handle(bytes_of(taken[1]))
        connection.close()

    def handle(self, sent: bytes) -> None:
        """Read one message, and again while the database is away or has broken up a deadlock; never raises.

        It is tried once even after `stop`, and what cannot be read then goes back to where it was taken from.
        """
        away = 0
        while not self._is_taken(sent):
            if self.stop.is_set():
                put_back(sent)
                return
            away = self._pause(away)

    def _is_taken(self, sent: bytes) -> bool:
        try:
            take(sent, at=timezone.now())
        except (OperationalError, InterfaceError) as error:
            logger.warning("A message waits for the database: %s", type(error).__name__)
            connection.close()
            return False
        return True

    def _pause(self, away: int) -> int:
        self.stop.wait(AWAY_SECONDS[min(away, len(AWAY_SECONDS) - 1)])
        return away + 1


def take(sent: bytes, *, at: datetime) -> None:
    """Act on one message, or drop and count it. Raises only where the database is away."""
    try:
        receive(sent, at=at, act=act)
    except (SealError, Refused) as refused:
        reason = refused.reason if isinstance(refused, SealError) else "its worker is not enrolled"
        logger.warning("A message of %d bytes was dropped: %s.", len(sent), reason)
        note_drop(reason, at=at)
        tell_again(sent)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:
        logger.error("A message of %d bytes failed with %s", len(sent), in_words(error))
        note_drop(f"it failed with {type(error).__name__}", at=at)


def put_back(sent: bytes) -> None:
    """Have the next receiver take this message first. Never raises."""
    try:
        broker().rpush(REPORTS, sent)
    except redis.RedisError as error:
        logger.warning("A message of %d bytes was not put back: %s", len(sent), error)


def clear_list(*, at: datetime) -> None:
    """Remove and count what a worker put in the place of the list: it can on Redis before 7, while the list is empty.
    Never raises."""

    def remove(pipe: Pipeline) -> None:
        if bytes_of(pipe.type(REPORTS)) not in (b"list", b"none"):  # another thread may have been here
            pipe.multi()
            pipe.delete(REPORTS)

    try:
        if broker().transaction(remove, REPORTS):
            note_drop("it stood in the place of the list", at=at)
    except (redis.RedisError, OperationalError, InterfaceError) as error:
        logger.warning("The list of reports was not cleared: %s", type(error).__name__)


def bytes_of(item: bytes | str) -> bytes:
    """An item of a list as redis gives it, which may be set to decode."""
    return item.encode() if isinstance(item, str) else item


def act(message: Report | Heartbeat, at: datetime) -> None:
    """The verb of a message."""
    if isinstance(message, Report):
        actions.receive_report(by=None, report=message, at=at)
    else:
        actions.receive_heartbeat(by=None, heartbeat=message, at=at)
