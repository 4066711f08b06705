"""Sealing what crosses the broker: encrypted and authenticated, so that Redis never holds a text."""

import json
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings


class BrokenSeal(Exception):
    """The message was not sealed with this portal's worker key."""


def seal(message: dict[str, Any]) -> str:
    return Fernet(settings.WORKER_KEY).encrypt(json.dumps(message).encode()).decode()


def unseal(sealed: str) -> dict[str, Any]:
    """The message as it was sealed. Raises BrokenSeal."""
    try:
        opened: dict[str, Any] = json.loads(Fernet(settings.WORKER_KEY).decrypt(sealed.encode()))
    except InvalidToken as error:
        raise BrokenSeal("A message on the site's queue was not sealed with WORKER_KEY.") from error
    return opened
