"""The seal on every message: Fernet (AES-128-CBC with HMAC-SHA256, and the time) under the key of one worker, which the
site and that worker share. Both sides of the wall use this file."""

import base64
import hashlib
import json
import time
from threading import Lock

from cryptography.fernet import Fernet, InvalidToken

from inference import contract
from inference.contract import MESSAGE_SECONDS


class SealError(Exception):
    """What arrived was not sealed with this key, is too old, was read before, or holds no such message.

    `reason` says which in a few words, the same ones for every message of its kind.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"A message was refused: {reason}.")
        self.reason = reason


class Seal:
    """Closes and opens messages. `key` is a Fernet key: 32 bytes in URL-safe base64."""

    def __init__(self, key: str) -> None:
        self._fernet = Fernet(key)

    def close(self, message: contract.Sealed) -> str:
        """The message with its kind and the time, encrypted and signed."""
        inside = {"kind": type(message).__name__, "message": contract.to_wire(message)}
        return self._fernet.encrypt(json.dumps(inside).encode()).decode()

    def open(self, sealed: str | bytes, at: float | None = None) -> "Opened":
        """What was sealed, unread, at a time in seconds since 1970; raises `SealError`."""
        now = int(time.time() if at is None else at)
        try:
            inside = json.loads(self._fernet.decrypt_at_time(sealed, MESSAGE_SECONDS, now))
            return Opened(inside["kind"], inside["message"], _digest(sealed))
        except InvalidToken:
            raise SealError(self._why(sealed)) from None
        except (TypeError, KeyError, ValueError, RecursionError):
            raise SealError("it cannot be read") from None

    def _why(self, sealed: str | bytes) -> str:
        try:
            self._fernet.extract_timestamp(sealed)
        except (InvalidToken, ValueError):
            return "it was not sealed with this key"
        return "it is too old, or from a clock that is ahead"


class Opened:
    """A message out of its seal: its kind, its plain values, and a digest that names this one sending of it."""

    def __init__(self, kind: str, wire: object, digest: str) -> None:
        self.kind = kind
        self.wire = wire
        self.digest = digest

    def read(self, kind: type[contract.Message]) -> contract.Message:
        """The message, if it is of this kind; raises `SealError`."""
        if self.kind != kind.__name__:
            raise SealError("it is of another kind")
        try:
            return contract.from_wire(kind, self.wire)
        except TypeError:
            raise SealError("it cannot be read") from None


class Once:
    """Remembers what was opened for as long as it is not too old, so that the same is not read twice."""

    def __init__(self) -> None:
        self._seen: dict[str, float] = {}
        self._lock = Lock()

    def check(self, opened: Opened) -> None:
        """Raise `SealError` where this was here before."""
        now = time.monotonic()
        with self._lock:
            for digest, at in list(self._seen.items()):
                if at > now - 2 * MESSAGE_SECONDS:
                    break
                del self._seen[digest]
            if opened.digest in self._seen:
                raise SealError("it was read before")
            self._seen[opened.digest] = now


def addressed(worker: str, sealed: str) -> str:
    """A sealed message behind the name of the worker that sends it."""
    return f"{worker} {sealed}"


def _digest(sealed: str | bytes) -> str:
    """Of the bytes inside the base64, which can spell them in many ways."""
    return hashlib.sha256(base64.urlsafe_b64decode(sealed)).hexdigest()
