"""A generation worker that one word brings down at once, as a bug in a kernel would."""

import os
import signal

from inference.loading import Checkpoint

WORD = " (deadly)"
_encode = Checkpoint.encode


def encode(checkpoint: Checkpoint, prompt: str) -> tuple[int, ...]:
    """The tokens of a prompt, unless it is the last one."""
    if WORD in prompt:
        os.kill(os.getpid(), signal.SIGKILL)
    return _encode(checkpoint, prompt)


Checkpoint.encode = encode


def __getattr__(name: str):
    """Celery's `app`: the worker reads its environment only where there is one."""
    from inference import worker

    return getattr(worker, name)
