"""A generation worker that one word brings down at once, as a bug in a kernel would. As under a supervisor, another
comes in its place, from a process that has imported torch already."""

import ctypes
import importlib
import os
import signal

from inference.loading import Checkpoint

WORD = " (deadly)"
DEATH = "The worker was killed; another starts."
PR_SET_PDEATHSIG = 1
_encode = Checkpoint.encode


def encode(checkpoint: Checkpoint, prompt: str) -> tuple[int, ...]:
    """The tokens of a prompt, unless it is the last one."""
    if WORD in prompt:
        os.kill(os.getpid(), signal.SIGKILL)
    return _encode(checkpoint, prompt)


Checkpoint.encode = encode


def go_on_as_a_child() -> None:
    """Return in a child, and in another whenever one was killed; this process ends as the last one does."""
    importlib.import_module("transformers.models.gpt2.modeling_gpt2")  # or each child would, for seconds
    while child := os.fork():
        signal.signal(signal.SIGTERM, lambda *_, child=child: os.kill(child, signal.SIGTERM))
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            os._exit(os.waitstatus_to_exitcode(status))
        print(DEATH, flush=True)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def __getattr__(name: str):
    """Celery's `app`: the worker reads its environment only where there is one."""
    if name != "app":
        raise AttributeError(name)
    go_on_as_a_child()
    from inference import worker

    return worker.app
