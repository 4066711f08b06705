"""Writing in the book."""

from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models
from django.utils import timezone

from .models import Event, key_of


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
