"""Waking another process. The database is the truth: a lost wake-up only means waiting for the clock."""

import logging
from typing import Any

from django.db import transaction
from kombu.exceptions import OperationalError

from release_portal.celery import app

logger = logging.getLogger(__name__)


def wake(task: str, *args: Any, queue: str | None = None) -> None:
    """Send a task by name once the running transaction has committed."""
    transaction.on_commit(lambda: _send(task, args, queue))


def broadcast(command: str, **arguments: Any) -> None:
    """Send a remote-control command to every generation worker once the running transaction has committed."""
    transaction.on_commit(lambda: _broadcast(command, arguments))


def _send(task: str, args: tuple[Any, ...], queue: str | None) -> None:
    try:
        app.send_task(task, args=args, queue=queue, retry=False)
    except OperationalError as error:
        logger.warning("%s was not sent, the clock will send it again: %s", task, error)


def _broadcast(command: str, arguments: dict[str, Any]) -> None:
    try:
        app.control.broadcast(command, arguments=arguments)
    except OperationalError as error:
        logger.warning("%s was not sent, the next report will bring it again: %s", command, error)
