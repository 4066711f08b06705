"""The seal on every message: Fernet (AES-128-CBC with HMAC-SHA256) under the key the site shares with its workers."""

import json

from cryptography.fernet import Fernet, InvalidToken

from inference import contract
from inference.contract import Hello, Report, WorkOrder


class SealError(Exception):
    """What arrived was not sealed with this key, or holds no such message."""


class Seal:
    """Closes and opens messages. `key` is a Fernet key: 32 bytes in URL-safe base64."""

    def __init__(self, key: str) -> None:
        self._fernet = Fernet(key)

    def close(self, message: WorkOrder | Report | Hello) -> str:
        """The message, encrypted and signed."""
        return self._fernet.encrypt(json.dumps(contract.to_wire(message)).encode()).decode()

    def open(self, kind: type[contract.Message], sealed: str) -> contract.Message:
        """The message in `sealed`; raises `SealError`."""
        try:
            return contract.from_wire(kind, json.loads(self._fernet.decrypt(sealed)))
        except InvalidToken:
            raise SealError(f"A {kind.__name__} arrived that was not sealed with this worker's key.") from None
        except (TypeError, KeyError, ValueError) as error:
            raise SealError(f"A sealed {kind.__name__} arrived that cannot be read: {type(error).__name__}.") from None
