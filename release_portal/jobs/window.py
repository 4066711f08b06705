"""The site's side of the window in the wall: what leaves for a worker is sealed with its key, and what comes is read
only where a worker's key, which still holds, sealed it lately and it was not read before.

Who sent a message is then known; what it says may still be wrong, and `flaws.py` says what cannot be so.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import redis
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F

from inference import contract
from inference.contract import Heartbeat, Report, Revoked, Stop, Text, WorkOrder
from inference.seal import Opened, SealError
from release_portal.lib.broker import is_due, push_on_commit, send_task_on_commit

from .models import Drop, SeenMessage, Worker

logger = logging.getLogger(__name__)

LONGEST_MESSAGE = 32 * 2**20
"""Bytes; a report of 64 texts of 1,024 tokens has about one million."""
TELL_AGAIN_SECONDS = 5
"""The least time between two notices to a worker that its key was revoked."""
UNREADABLE = "unreadable"
"""The finish reason of a text that is none: no worker may give it."""


def send_order(worker: Worker, order: WorkOrder) -> None:
    """Have a worker carry out an order, once the running transaction has committed."""
    send_task_on_commit(contract.GENERATE, worker.seal.close(order), queue=contract.orders_of(worker.name))


def send_notice(worker: Worker, notice: Stop | Revoked) -> None:
    """Have a worker know something at once, after the running transaction has committed. One whose key cannot be read
    gets no answer."""
    if not worker.has_readable_key:
        logger.error("The key of worker %s cannot be read under this SECRET_KEY. Enrol it again.", worker)
        return
    push_on_commit(contract.notices_of(worker.name), worker.seal.close(notice))


def send_stop(name: str | None, order: str, token: int, group: str = "") -> None:
    """Have the worker of that name stop a hand-out, or one group of it; nothing where there is none whose key holds."""
    if worker := Worker.objects.enrolled().filter(name=name).first():
        send_notice(worker, Stop(order, token, group))


def tell_again(sent: bytes) -> None:
    """Tell a revoked worker in whose name a message comes that it is revoked: the first notice did not reach it."""
    worker = Worker.objects.filter(name=_name_of(sent), revoked_at__isnull=False).first()
    try:
        if worker and is_due(f"revoked:{worker}", seconds=TELL_AGAIN_SECONDS):
            send_notice(worker, Revoked(worker.name))
    except redis.RedisError as error:
        logger.warning("Worker %s got no second notice of its revocation: %s", worker, error)


@transaction.atomic
def receive(sent: bytes, *, at: datetime, act: Callable[[Report | Heartbeat, datetime], object]) -> None:
    """Read one message of a worker and act on it, both or neither. Raises `SealError` where it is to be dropped."""
    worker, opened = _opened(sent, at)
    message = _read_report(opened) if opened.kind == Report.__name__ else opened.read(Heartbeat)
    if message.worker != worker.name:
        raise SealError("it speaks for another worker")
    if not _is_new(opened, at):
        raise SealError("it was read before")
    act(message, at)


def note_drop(reason: str, *, at: datetime) -> None:
    """Count a message that was not read."""
    drop, _ = Drop.objects.get_or_create(day=at.date(), reason=reason[:80], defaults={"last_at": at})
    Drop.objects.filter(pk=drop.pk).update(number=F("number") + 1, last_at=at)


def forget_seen(*, at: datetime) -> int:
    """Forget the messages that are too old to be read again; returns how many there were."""
    old = at - timedelta(seconds=2 * contract.MESSAGE_SECONDS)
    return SeenMessage.objects.filter(seen_at__lt=old).delete()[0]


def _opened(sent: bytes, at: datetime) -> tuple[Worker, Opened]:
    if len(sent) > LONGEST_MESSAGE:
        raise SealError("it is too long")
    worker = Worker.objects.enrolled().filter(name=_name_of(sent)).first()
    if worker is None:
        raise SealError("it comes from no worker whose key holds")
    if not worker.has_readable_key:
        raise SealError("the key of its worker cannot be read")
    return worker, worker.seal.open(sent.partition(b" ")[2], at.timestamp())


def _name_of(sent: bytes) -> str:
    """What could be the name of its worker; "" where it is none."""
    name = sent.partition(b" ")[0]
    return name.decode() if len(name) < 100 and name.isascii() and b"\0" not in name else ""


def _is_new(opened: Opened, at: datetime) -> bool:
    """Note that it was read: of two that read the same at once, the database lets one go on."""
    with connection.cursor() as cursor:
        table = SeenMessage._meta.db_table
        cursor.execute(
            f"INSERT INTO {table} (digest, seen_at) VALUES (%s, %s) ON CONFLICT DO NOTHING",  # noqa: S608 - our table
            [opened.digest, at],
        )
        return bool(cursor.rowcount)


def _read_report(opened: Opened) -> Report:
    """A report, whose texts are each read alone: one that is none costs no other. Of too many texts, one too many
    are read."""
    wire = opened.wire
    texts = wire.pop("texts", []) if isinstance(wire, dict) else []
    report = opened.read(Report)
    texts = texts[: settings.ORDER_SEQUENCES + 1] if isinstance(texts, list) else []
    return replace(report, texts=tuple(_read_text(text) for text in texts))


def _read_text(wire: object) -> Text:
    try:
        return contract.from_wire(Text, wire)
    except TypeError:
        key = wire.get("key") if isinstance(wire, dict) else ""
        return Text(key if isinstance(key, str) else "", "", 0, 0, UNREADABLE)
