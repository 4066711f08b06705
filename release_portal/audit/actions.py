"""Writing in the book, and beside it."""

import logging
from datetime import timedelta
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models, transaction
from django.utils import timezone

from .models import Event, SecurityEvent, key_of

logger = logging.getLogger(__name__)


def record(
    kind: str,
    sentence: str,
    *about: models.Model,
    by: AbstractBaseUser | None,
    detail: dict[str, Any] | None = None,
) -> Event:
    """Add one event, in the transaction of the act itself.

    `kind` is noun.past_tense; `sentence` tells it to a person, without the actor; `about` are the things it concerns,
    the first being the one acted on; `by` is None where the portal acted on its own. Ids in `detail`, never texts.
    """
    return Event.objects.create(
        kind=kind,
        sentence=sentence,
        at=timezone.now(),
        by=by,  # type: ignore[misc]
        about=[key_of(thing) for thing in about],
        detail=detail or {},
    )


def note(
    kind: SecurityEvent.Kind,
    sentence: str,
    *about: models.Model,
    by: AbstractBaseUser | None,
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
                told = {"kind": kind, "sentence": sentence, "at": now, "by": by, "about": keys, "detail": detail}
                SecurityEvent.objects.create(**told)
    except Exception:
        logger.exception("A security event of kind %s was not noted", kind)
