"""The processes of the Procfile: all of them, kept running, or one.

    python -m release_portal.lib.processes          run all; one that ends is started again alone, ever later
    python -m release_portal.lib.processes web      become the process of that line, for systemd and containers

Either way a process gets only what it needs of the environment. (supervisor would start them again too. But it cannot
take a variable away from a process or name the lines of its output, and needs a server of its own to be asked.)
"""

import argparse
import os
import selectors
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from string import Template

PROCFILE = Path(__file__).resolve().parents[2] / "Procfile"

HIDDEN = {"DATABASE_OWNER_URL"}
"""What no process may see: `manage.py migrate` alone runs as the owner of the tables."""
HIDDEN_FROM = {
    "web": {"EMAIL_URL", "SERVER_KEY"},
    "site": {"EMAIL_URL", "SERVER_KEY"},
    "mail": {"SERVER_KEY"},
    "receive": {"EMAIL_URL", "SERVER_KEY"},
    "clock": {"EMAIL_URL", "SERVER_KEY"},
    "generate": {"SECRET_KEY", "SECRET_KEY_FALLBACKS", "DATABASE_URL", "EMAIL_URL", "DJANGO_SETTINGS_MODULE"},
}
"""By process: what else it may not see."""
FILES = {"generate": "worker.env"}
"""By process: the file in PORTAL_HOME, where there is one, whose lines stand in the place of the environment's own:
`manage.py enroll_worker` writes it, with an account on the broker that reaches nothing of the site's."""

LOOK_SECONDS = 0.2
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds before a process is started again
MOST_DOUBLINGS = 12  # far beyond the longest wait, and far below what a float holds
STEADY_SECONDS = 10
"""A process that ran for so long was well: its next end is the first."""
STOP_SECONDS = 8
"""From the request to end until what is still there is killed."""


def commands(procfile: Path = PROCFILE) -> dict[str, str]:
    """The lines of the Procfile, by the names of the processes."""
    return dict(line.split(": ", 1) for line in procfile.read_text().splitlines() if line.strip())


def environment_of(name: str, whole: Mapping[str, str]) -> dict[str, str]:
    """What the process may see of the environment. Programs of this virtual environment are found first."""
    hidden = HIDDEN | HIDDEN_FROM.get(name, set())
    path = os.pathsep.join([str(Path(sys.executable).parent), whole.get("PATH", os.defpath)])
    seen: dict[str, str] = {key: value for key, value in whole.items() if key not in hidden} | {"PATH": path}
    return seen | _read(Path(whole.get("PORTAL_HOME", "."), FILES.get(name, "")))


def _read(file: Path) -> dict[str, str]:
    """Its lines NAME=value; nothing where it is no file."""
    lines = file.read_text().splitlines() if file.is_file() else []
    return {line.partition("=")[0]: line.partition("=")[2] for line in lines if "=" in line}


def words_of(command: str, whole: Mapping[str, str]) -> list[str]:
    return shlex.split(Template(command).substitute({"PORT": "8000", **whole}))


class Kept:
    """One process, started again whenever it ends."""

    def __init__(self, name: str, command: str, whole: Mapping[str, str]) -> None:
        self.name = name
        self.early_ends = 0
        """How often in a row it ended soon after its start."""
        self._words, self._environment = words_of(command, whole), environment_of(name, whole)
        self._process: subprocess.Popen[bytes] | None = None
        self._began = self._due = 0.0
        self._line = b""

    def look(self) -> None:
        """Pass on what it wrote; start it, where it is not running and its time has come."""
        if self._process is None:
            if time.monotonic() >= self._due:
                self._start()
            return
        ended = self._process.poll()
        self._pass_on()
        if ended is None:
            return
        self.signal(signal.SIGKILL)  # what it left behind
        self._close()
        how = f"was ended by {signal.Signals(-ended).name}" if ended < 0 else f"ended with status {ended}"
        self._wait_after(f"It {how}", well=time.monotonic() - self._began >= STEADY_SECONDS)

    @property
    def output(self) -> int | None:
        """The descriptor of what it writes, while it runs."""
        return self._process.stdout.fileno() if self._process and self._process.stdout else None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and to all that it started."""
        if self._process:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def is_there(self) -> bool:
        """Whether it still runs; passes on what it wrote."""
        self._pass_on()
        return self._process is not None and self._process.poll() is None

    def say(self, sentence: str) -> None:
        with suppress(BrokenPipeError):  # nobody reads any more; that is no reason to leave processes behind
            print(f"{self.name:<8} | {sentence}", flush=True)

    def _wait_after(self, what: str, *, well: bool) -> None:
        """Set when it is started again, and say so: later with each early end, a start that fails being one."""
        self.early_ends = 1 if well else self.early_ends + 1
        doublings = min(self.early_ends - 1, MOST_DOUBLINGS)
        wait = min(FIRST_WAIT * 2**doublings, LONGEST_WAIT)
        self._due = time.monotonic() + wait
        self.say(f"{what}; it is started again in {wait:.0f} s.")

    def _start(self) -> None:
        try:
            self._process = subprocess.Popen(
                self._words,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:  # no memory, no process left, or no such program: the others go on
            self._wait_after(f"It could not be started: {error.strerror}", well=False)
            return
        self._began = time.monotonic()
        assert self.output is not None  # noqa: S101 - it is a pipe
        os.set_blocking(self.output, False)
        self.say(f"It started as process {self._process.pid}.")

    def _close(self) -> None:
        """Forget a process that has ended, and write what it left of a line."""
        if self._line:
            self.say(self._line.decode(errors="replace"))
        if self._process and self._process.stdout:
            self._process.stdout.close()
        self._process, self._line = None, b""

    def _pass_on(self) -> None:
        if (output := self.output) is None:
            return
        with suppress(BlockingIOError):
            while chunk := os.read(output, 65_536):
                *lines, self._line = (self._line + chunk).split(b"\n")
                for line in lines:
                    self.say(line.decode(errors="replace"))


class Processes:
    """Several processes beside each other, until a signal ends them all."""

    def __init__(self, kept: Iterable[Kept], *, give_up_after: int | None = None) -> None:
        self._kept = list(kept)
        self._give_up_after = give_up_after
        self._ending = False

    def run(self) -> int:
        """Keep them running until SIGINT or SIGTERM; 1 where one was given up, which ended so often at its start."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._end)
        try:
            while not self._ending:
                for one in self._kept:
                    one.look()
                    if self._give_up_after and one.early_ends >= self._give_up_after:
                        one.say(f"It ended {one.early_ends} times in a row, so all are stopped.")
                        return 1
                self._wait()
        finally:
            self._stop()
        return 0

    def _end(self, *_: object) -> None:
        self._ending = True

    def _wait(self) -> None:
        """Until one of them writes something, or it is time to look."""
        with selectors.DefaultSelector() as selector:
            for one in self._kept:
                if one.output is not None:
                    selector.register(one.output, selectors.EVENT_READ)
            selector.select(LOOK_SECONDS)

    def _stop(self) -> None:
        """Ask all to end; whatever is left after a while is killed."""
        for one in self._kept:
            one.signal(signal.SIGTERM)
        until = time.monotonic() + STOP_SECONDS
        while [one for one in self._kept if one.is_there()] and time.monotonic() < until:
            time.sleep(LOOK_SECONDS / 4)
        for one in self._kept:
            one.signal(signal.SIGKILL)


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the processes of the Procfile, or one of them.")
    parser.add_argument("name", nargs="?", choices=[*commands()], help="the process to become; without it all are run")
    parser.add_argument("--give-up-after", type=int, help="stop all once one ended this often in a row at its start")
    arguments = parser.parse_args()
    os.umask(0o077)  # what they write is for their owner alone
    if arguments.name:
        words, environment = (
            words_of(commands()[arguments.name], os.environ),
            environment_of(arguments.name, os.environ),
        )
        os.execvpe(words[0], words, environment)  # noqa: S606 - the Procfile's own line
    kept = [Kept(name, command, os.environ) for name, command in commands().items()]
    return Processes(kept, give_up_after=arguments.give_up_after).run()


if __name__ == "__main__":
    sys.exit(main())
