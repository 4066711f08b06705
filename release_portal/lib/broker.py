"""Tasks and messages that leave when the running transaction commits.

The database is the truth: what is lost, the clock or the next message of the same worker brings again.
"""

import logging
from functools import cache
from typing import Any

import redis
from django.conf import settings
from django.db import transaction
from kombu.exceptions import OperationalError

from inference.contract import BROKER_OPTIONS
from release_portal.celery import app

FORGOTTEN_SECONDS = 60

logger = logging.getLogger(__name__)


def send_task_on_commit(task: str, *args: Any, queue: str | None = None) -> None:
    """Send a task by name once the running transaction has committed."""
    transaction.on_commit(lambda: _send(task, args, queue))


def push_on_commit(key: str, message: str) -> None:
    """Put a message into a list of Redis once the running transaction has committed. One that nobody takes is forgotten
    after a minute."""
    transaction.on_commit(lambda: _push(key, message))


def is_due(name: str, *, seconds: int) -> bool:
    """Whether no process asked this about `name` in the last `seconds`. Raises `redis.RedisError`."""
    return bool(broker().set(f"asked:{name}", 1, nx=True, ex=seconds))


def _send(task: str, args: tuple[Any, ...], queue: str | None) -> None:
    try:
        app.send_task(task, args=args, queue=queue, retry=False)
    except OperationalError as error:
        logger.warning("%s was not sent, the clock will send it again: %s", task, error)


def _push(key: str, message: str) -> None:
    try:
        with broker().pipeline() as pipe:
            pipe.lpush(key, message)
            pipe.expire(key, FORGOTTEN_SECONDS)
            pipe.execute()
    except redis.RedisError as error:
        logger.warning("A message to %s was not sent, the next message of its worker brings it again: %s", key, error)


@cache
def broker() -> redis.Redis:
    """A client of Redis, for all threads."""
    return redis.Redis.from_url(settings.REDIS_URL, **BROKER_OPTIONS)
