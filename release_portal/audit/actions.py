"""Writing in the book, and beside it."""

import logging
from datetime import timedelta
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models, transaction
from django.utils import timezone

from .acting import tell_database
from .models import Event, SecurityEvent, key_of

logger = logging.getLogger(__name__)


def record(
    kind: str,
    sentence: str,
    *about: models.Model,
    by: AbstractBaseUser | None,
    whom: AbstractBaseUser | None = None,
    detail: dict[str, Any] | None = None,
) -> Event:
    """Add one event, in the transaction of the act itself. PostgreSQL sets its time, and refuses one of another person
    than the one whom this work is done for (`acting.py`).

    `kind` is noun.past_tense. `sentence` tells it to a person, without names of people, addresses, or what people
    wrote: `by` is who acted, None where the portal did on its own, and `{whom}` in the sentence is whom it concerns.
    `about` are all rows that the act changed and the things it concerns, the first being the one acted on. Ids in
    `detail`, never texts.
    """
    tell_database()
    return Event.objects.create(
        kind=kind,
        sentence=sentence,
        at=timezone.now(),
        by=by,  # type: ignore[misc]
        whom=whom,
        about=[key_of(thing) for thing in about],
        detail=detail or {},
    )


def note(
    kind: SecurityEvent.Kind,
    sentence: str,
    *about: models.Model,
    by: AbstractBaseUser | None,
    whom: AbstractBaseUser | None = None,
    detail: dict[str, Any] | None = None,
    every: timedelta | None = None,
) -> None:
    """Add one security event, in a transaction of its own: it stays whatever becomes of the request.

    With `every`, the same by the same person, from one address and in all other detail, is noted once in that time. It
    never raises: what cannot be noted is logged, and the request goes on. No passwords, tokens, texts, nor addresses
    that no account has.
    """
    keys = [key_of(thing) for thing in about]
    now, detail = timezone.now(), detail or {}
    same = SecurityEvent.objects.filter(kind=kind, by=by, about=keys, detail=detail)  # type: ignore[misc]
    try:
        with transaction.atomic(durable=True):
            if every is None or not same.filter(at__gt=now - every).exists():
                columns = {"kind": kind, "sentence": sentence, "at": now, "by": by, "whom": whom}
                tell_database()
                SecurityEvent.objects.create(**columns, about=keys, detail=detail)
    except Exception:
        logger.exception("A security event of kind %s was not noted", kind)
