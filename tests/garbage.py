"""What anybody who reaches the broker can put into a queue of Celery."""

import base64
import json
import pickle
from pathlib import Path
from typing import Any

WHERE = {"exchange": "", "routing_key": "anything"}
"""Without it no message comes so far that its body is read."""


class Touching:
    """Makes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


def touching(path: Path) -> bytes:
    """A message of Celery whose pickle makes this file where somebody reads it."""
    message = {
        "body": base64.b64encode(pickle.dumps(Touching(path))).decode(),
        "content-type": "application/x-python-serialize",
        "content-encoding": "binary",
        "headers": {},
        "properties": {"body_encoding": "base64", "delivery_info": WHERE, "delivery_tag": "1"},
    }
    return json.dumps(message).encode()
