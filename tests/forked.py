"""The processes of a portal, forked from one that has imported already what they import from packages.

A worker imports torch and transformers, and the live tests start some forty processes. Nothing of the
project is imported before the fork, and nothing that reads the environment: a process is what its command line and its
environment make it.
"""

import atexit
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

CELERY = ("celery.bin.celery", "celery.bin.worker", "celery.concurrency.thread", "celery.worker.worker", "redis")
SITE = (
    *CELERY,
    "celery.bin.beat",
    "kombu.transport.redis",
    "requests",
    "django.core.management",
    "django.contrib.postgres.fields",
    "django.template.defaulttags",
    "psycopg_pool",
    "pydantic",
    "cryptography.fernet",
)
WORKER = (*CELERY, "kombu.transport.redis", "torch", "safetensors.torch", "transformers.models.gpt2.modeling_gpt2")
ROOT = Path(__file__).parent.parent


class Template:
    """The process that is forked. It ends with the one that asks it."""

    def __init__(self, modules: Sequence[str]) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            command = [sys.executable, "-m", "tests.forked", str(theirs.fileno()), *modules]
            environment = os.environ | {"OMP_NUM_THREADS": "1"}  # read as torch is imported; threads are not forked
            fds = [theirs.fileno()]
            self._process = subprocess.Popen(command, cwd=ROOT, env=environment, pass_fds=fds, start_new_session=True)
            self._asking = ours.makefile("rw")
        atexit.register(self._close)

    def start(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> "Forked":
        """Start a command of Python's in a session of its own; what it writes comes to the end of `log`."""
        return Forked(self, self.ask(command=command, environment=dict(environment), log=str(log)))

    def ask(self, **asked: object) -> int:
        print(json.dumps(asked), file=self._asking, flush=True)
        return int(self._asking.readline())

    def _close(self) -> None:
        self._asking.close()
        self._process.wait()


class Forked:
    """A process that the template started, with what the tests ask of a `subprocess.Popen`."""

    def __init__(self, parent: Template, pid: int) -> None:
        self.pid = pid
        self._parent, self._descriptor = parent, os.pidfd_open(pid)
        self._status: int | None = None

    def poll(self) -> int | None:
        """Its exit status, negative where a signal ended it; None while it runs."""
        return self._ended(0)

    def wait(self, timeout: float) -> int:
        """Wait until it ended; returns its exit status, and raises `subprocess.TimeoutExpired`."""
        if (status := self._ended(timeout)) is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
        return status

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, where it has not ended."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _ended(self, seconds: float) -> int | None:
        waiting = select.poll()
        waiting.register(self._descriptor, select.POLLIN)
        if self._status is None and waiting.poll(seconds * 1000):
            self._status = self._parent.ask(ended=self.pid)
        return self._status


@functools.cache
def template(modules: Sequence[str]) -> Template:
    """The one of this process that has imported these."""
    return Template(modules)


def serve(descriptor: int, modules: Sequence[str]) -> dict | None:
    """Import the modules, then answer with the process number of each new process and the exit status of each that
    ended, until nobody can ask any more: None. A new process gets what it was asked to be."""
    for module in modules:
        importlib.import_module(module)
    gc.freeze()
    with socket.socket(fileno=descriptor) as end, end.makefile("rw") as asking:
        for line in asking:
            match json.loads(line):
                case {"ended": pid}:
                    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), file=asking, flush=True)
                case asked:
                    if (pid := os.fork()) == 0:
                        return asked
                    print(pid, file=asking, flush=True)
    return None


def become(command: Sequence[str], environment: Mapping[str, str], log: str) -> None:
    """Be the process of that command line: `celery ...`, `python -m module ...` or `python file ...`."""
    os.setsid()
    silence, output = os.open(os.devnull, os.O_RDONLY), os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for ours, theirs in ((silence, 0), (output, 1), (output, 2)):
        os.dup2(ours, theirs)
    os.environ.clear()
    os.environ.update(environment)
    words = list(command) if command[0] == "celery" else list(command[1:])
    if is_module := words[0] == "-m":
        del words[0]
    sys.argv = words
    if is_module or words[0] == "celery":
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    if asked := serve(int(sys.argv[1]), sys.argv[2:]):
        become(**asked)
