"""The processes of the Procfile: one that dies comes back alone, and none is left behind."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from release_portal.lib import processes
from release_portal.lib.processes import Kept, commands, environment_of, words_of

from ..patience import PATIENCE, until

# Beside its own, each starts a process that would stay behind.
STAYS = "sh -c 'sleep 300 & echo I am here; sleep 300'"
RUN = """
import os, sys
from release_portal.lib import processes
processes.FIRST_WAIT, processes.STOP_SECONDS = 0.05, 1
kept = [processes.Kept(*one, os.environ) for one in zip(("one", "other"), sys.argv[2:])]
sys.exit(processes.Processes(kept, give_up_after=int(sys.argv[1]) or None).run())
"""


class Running:
    """Two processes under one that keeps them, and what it wrote."""

    def __init__(self, folder: Path, *lines: str, give_up_after: int = 0) -> None:
        self.log = folder / "log"
        command = [sys.executable, "-c", RUN, str(give_up_after), *lines]
        with self.log.open("wb") as log:
            self.keeper = subprocess.Popen(command, stdout=log, stderr=log)

    def pids(self, name: str) -> list[int]:
        """Of each start of the process, the last one last."""
        return [int(pid) for pid in re.findall(rf"{name} +\| It started as process (\d+)", self.log.read_text())]

    def until(self, holds: Callable[[], object]) -> None:
        def holds_or_failed() -> object:
            return holds() or self.keeper.poll() not in (None, 0, 1) or "Traceback" in self.log.read_text()

        until(holds_or_failed, what=f"the log is {self.log}")
        assert holds(), self.log.read_text()

    def end(self) -> int:
        """Wait for the keeper; returns its exit status."""
        return self.keeper.wait(PATIENCE)


def is_there(pid: int) -> bool:
    """Whether the process, or one that it started, runs; what is dead and not yet reaped does not."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, group, *_ = path.read_text().rpartition(")")[2].split()
            if int(group) == pid and state != "Z":
                return True
    return False


def until_gone(*pids: int) -> None:
    """What was killed is there for a moment still."""
    until(lambda: not any(is_there(pid) for pid in pids), what=f"nothing of {pids} is left")


@pytest.fixture(autouse=True)
def _own_home(tmp_path, monkeypatch):
    """What a worker.env beside the tests tells is not read."""
    monkeypatch.setenv("PORTAL_HOME", str(tmp_path))


@pytest.fixture
def running(tmp_path):
    started: list[Running] = []

    def run(*lines: str, **settings) -> Running:
        started.append(Running(tmp_path, *lines, **settings))
        return started[-1]

    yield run
    for one in started:
        one.keeper.kill()
        one.keeper.wait()
        for name in ("one", "other"):
            for pid in one.pids(name):
                with suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)


def test_process_that_is_killed_comes_back_alone(running):
    both = running(STAYS, STAYS)
    both.until(lambda: both.pids("one") and both.pids("other"))
    (one,), (other,) = both.pids("one"), both.pids("other")
    os.kill(one, signal.SIGKILL)
    both.until(lambda: len(both.pids("one")) == 2)
    assert is_there(both.pids("one")[1])
    until_gone(one)  # with what it had started
    assert both.pids("other") == [other]
    assert is_there(other)
    assert "one      | It was ended by SIGKILL; it is started again in" in both.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_end_leaves_nothing_behind(running, number):
    both = running(STAYS, STAYS)
    both.until(lambda: both.pids("one") and both.pids("other"))
    both.keeper.send_signal(number)
    assert both.end() == 0
    until_gone(*both.pids("one"), *both.pids("other"))


def test_process_that_does_not_want_to_end_is_killed(running):
    deaf = running("sh -c 'trap : TERM; echo ready; while true; do sleep 0.1; done'", STAYS)
    deaf.until(lambda: "ready" in deaf.log.read_text())
    deaf.keeper.send_signal(signal.SIGTERM)
    assert deaf.end() == 0
    until_gone(deaf.pids("one")[0])


def test_output_of_each_is_shown_under_its_name(running):
    both = running("sh -c 'echo hello; printf half; exit 3'", STAYS)
    both.until(lambda: len(both.pids("one")) == 2)
    output = both.log.read_text()
    for line in ("one      | hello", "one      | half", "one      | It ended with status 3; ", "other    | I am"):
        assert line in output


def test_process_that_keeps_ending_at_its_start_is_given_up_with_all_others(running):
    both = running("false", STAYS, give_up_after=3)
    assert both.end() == 1
    assert len(both.pids("one")) == 3
    assert "one      | It ended 3 times in a row, so all are stopped." in both.log.read_text()
    until_gone(both.pids("other")[0])


def test_process_that_cannot_be_started_is_tried_again_and_the_other_goes_on(running):
    both = running("no-such-program", STAYS)
    both.until(lambda: both.log.read_text().count("one      | It could not be started: No such file") >= 2)
    assert is_there(both.pids("other")[0])
    assert len(both.pids("other")) == 1


def test_process_that_keeps_ending_is_started_ever_later(monkeypatch):
    now = [1_000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    kept, waits = Kept("one", "true", os.environ), []
    for _ in range(9):
        kept.look()
        kept._process.wait()
        kept.look()
        waits.append(kept._due - now[0])
        now[0] = kept._due
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    kept.early_ends = 10_000  # a week of them
    kept.look()
    kept._process.wait()
    kept.look()
    assert kept._due - now[0] == processes.LONGEST_WAIT
    now[0] = kept._due
    kept.look()
    now[0] += processes.STEADY_SECONDS
    kept._process.wait()
    kept.look()
    assert kept._due - now[0] == 1, "it was well for a while"


def test_no_process_sees_what_it_does_not_need(tmp_path):
    whole = dict.fromkeys(["DATABASE_OWNER_URL", "DATABASE_URL", "SECRET_KEY", "EMAIL_URL", "WORKER_KEY"], "x")
    whole["PORTAL_HOME"] = str(tmp_path)
    assert set(processes.HIDDEN_FROM) == set(commands())
    seen = {name: set(environment_of(name, whole)) - {"PATH", "PORTAL_HOME"} for name in commands()}
    assert not [name for name in seen if "DATABASE_OWNER_URL" in seen[name]]
    assert seen["generate"] == {"WORKER_KEY"}
    assert [name for name in seen if "EMAIL_URL" in seen[name]] == ["mail"]


def test_what_a_process_writes_is_for_its_owner_alone(tmp_path):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\numask\n")
    program.chmod(0o755)
    script = "import sys; sys.executable = sys.argv.pop(1); from release_portal.lib import processes; processes.main()"
    command = [sys.executable, "-c", script, str(program), "web"]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, umask=0o022).stdout
    assert output.strip() == "0077"


def test_one_process_alone_becomes_the_line_of_the_procfile(tmp_path):
    """For systemd and containers: what they start, signal and wait for is the process itself."""
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho $$ $DATABASE_OWNER_URL $DATABASE_URL $*\n")
    program.chmod(0o755)
    whole = os.environ | {"DATABASE_OWNER_URL": "owner", "DATABASE_URL": "app", "PORT": "8123"}
    script = (
        "import os, sys; sys.executable = sys.argv.pop(1); from release_portal.lib import processes; processes.main()"
    )
    started = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "python"), "web"], env=whole, stdout=subprocess.PIPE, text=True
    )
    output, _ = started.communicate(timeout=PATIENCE)
    assert output.split() == [
        str(started.pid),
        "app",
        *["-m", "release_portal.serve", "--port", "8123"],
    ]


def test_port_has_a_default():
    assert words_of("uvicorn --port $PORT", {}) == ["uvicorn", "--port", "8000"]
    assert words_of("uvicorn --port $PORT", {"PORT": "9"}) == ["uvicorn", "--port", "9"]
