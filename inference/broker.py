"""kombu's Redis transport, for both sides of the wall, made to outlive what anybody may put into a queue.

kombu reads what arrives with `json.loads` in the thread that all of a process's queues share, and an error there ends
the process. Importing this module puts the transport below in the place of kombu's own.
"""

import logging
from collections.abc import Callable
from typing import Any

from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as kombu_redis

logger = logging.getLogger(__name__)

Listener = Callable[[str], None]
_listeners: list[Listener] = []


def on_drop(listener: Listener) -> Listener:
    """Call `listener` with the reason for each message that is dropped. It must not raise."""
    _listeners.append(listener)
    return listener


class QoS(kombu_redis.QoS):
    """Messages are wake-ups, and what they wake up for is in PostgreSQL: none is looked for that was not acknowledged.

    kombu would look with a script, which a worker's account on the broker may not run.
    """

    def restore_visible(self, *_: Any, **__: Any) -> None:
        """Nothing is restored."""


class Channel(kombu_redis.Channel):
    """Drops and counts what is not JSON."""

    QoS = QoS

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]
        except (ValueError, RecursionError) as error:
            drop(error)
            return True


class Transport(kombu_redis.Transport):
    """Drops and counts what is JSON and not a message: without a body, or with parts of other types."""

    Channel = Channel

    def _deliver(self, message: Any, queue: str | None) -> None:
        try:
            super()._deliver(message, queue)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            drop(error)


def drop(error: Exception) -> None:
    """Note that a message was dropped: why, in the words of a `SealError`, else the error's type alone, whose words may
    quote the message."""
    reason = str(getattr(error, "reason", type(error).__name__))
    logger.error("A message was dropped: %s.", reason)
    for listener in _listeners:
        listener(reason)


TRANSPORT_ALIASES |= dict.fromkeys(("redis", "rediss"), f"{__name__}:Transport")
