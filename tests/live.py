"""A whole portal for tests: the processes of the Procfile, on the test services, with tiny random models."""

import io
import os
import shlex
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

import pytest
import requests
from django.core.management import call_command
from django.db import connection

from release_portal.lib.processes import environment_of

from . import forked
from .inference.tiny import install_tiny_gpt2
from .patience import AT_LENGTH, PATIENCE, until

ROOT = Path(__file__).parent.parent
PORTALS = {
    "tests/faults/test_chaos.py": "chaos",
    "tests/faults/": "faults",
    "tests/browser/": "people",
    "tests/journeys/": "people",
}
"""Which tests share a portal, by how their names begin."""
LEASE_SECONDS = 2
FOR_FAULTS = {
    "SIZES": "gpt2/124M,gpt2/355M,gpt2/774M",
    "LEASE_SECONDS": str(LEASE_SECONDS),
    "ORDER_SEQUENCES": "16",
    "BATCH_ROWS": "12",  # slow enough that work is under way when a fault strikes
    "RATE_LIMITS_OFF": "1",
    "OMP_NUM_THREADS": "1",  # two threads of torch on a busy machine wait for each other
}


@dataclass
class Portal:
    """A running portal; each process can be killed and started again by its name in the Procfile.

    `settings` are given to every process; `commands` are beside those of the Procfile, or in their place.
    """

    home: Path
    port: int
    settings: Mapping[str, str] = field(default_factory=dict)
    worker: str = "inference.worker"
    """The module that its generation worker runs."""
    commands: Mapping[str, str] = field(default_factory=dict)
    processes: dict[str, forked.Forked] = field(default_factory=dict)
    services: list[subprocess.Popen[bytes]] = field(default_factory=list)
    """Servers that a test started again."""

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def weights(self) -> Path:
        return self.home / "weights"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PORTAL_HOME": str(self.home),
            "WEIGHTS_ROOT": str(self.weights),
            "BASE_URL": self.base_url,
            "PORT": str(self.port),
            "EMAIL_URL": f"filemail:///{self.home}/mail",
            **self.settings,
        }

    def command(self, name: str) -> list[str]:
        """What starts the process of that name."""
        line = (procfile() | self.commands)[name]
        return shlex.split(Template(line).substitute(PORT=self.port, PORTAL_HOME=self.home))

    def start(self, name: str, *, worker: str = "", extra: Mapping[str, str] | None = None) -> None:
        """Start a process; `worker` is the module that a generation worker runs this time, `extra` are
        settings of this process alone."""
        command = [worker or self.worker if word == "inference.worker" else word for word in self.command(name)]
        environment = environment_of(name, self.environment | {"PGAPPNAME": name} | (extra or {}))
        imported = forked.WORKER if name == "generate" else forked.SITE
        self.processes[name] = forked.template(imported).start(command, environment, self.home / f"{name}.log")

    def manage(self, *arguments: str) -> None:
        """Run a command of manage.py, in this process: it has Django at hand."""
        call_command(*arguments, stdout=io.StringIO())

    def enroll(self, name: str) -> None:
        """Give its generation worker a name and a key."""
        self.manage("enroll_worker", name, "--file", str(self.home / "worker.env"))

    def kill(self, name: str, with_signal: signal.Signals = signal.SIGKILL) -> None:
        """Send the process a signal and wait until it is gone."""
        self.processes[name].send_signal(with_signal)
        self.processes.pop(name).wait(PATIENCE)

    def stop(self) -> None:
        for process in (*self.processes.values(), *self.services):
            process.terminate()
        for process in (*self.processes.values(), *self.services):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()

    def assert_all_run(self) -> None:
        """Fail where a process ended by itself, with what all of them wrote."""
        ended = [name for name, process in self.processes.items() if process.poll() is not None]
        assert not ended, f"These processes ended by themselves: {ended}\n{self.log()}"

    def log(self) -> str:
        return "\n".join(f"{path.name}:\n{path.read_text()[-3000:]}" for path in self.home.glob("*.log"))


def procfile() -> dict[str, str]:
    """The commands of the Procfile by name."""
    return dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def has_worker(portal: Portal) -> bool:
    """Whether the site answers and knows of a worker; fails where one of them has ended."""
    portal.assert_all_run()
    try:
        return bool(requests.get(f"{portal.base_url}/health/", timeout=10).json()["workers"])
    except requests.RequestException:
        return False


@pytest.fixture(scope="session")
def portal(django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[Portal]:
    """The portal that the journeys, the browser and the faults share. Its rows are committed and stay."""
    home = tmp_path_factory.mktemp("portal")
    portal = Portal(home, free_port(), FOR_FAULTS, "inference.worker" if AT_LENGTH else "tests.paced")
    install_tiny_gpt2(portal.weights, "gpt2/124M", **({"layers": 6, "width": 256} if AT_LENGTH else {}))
    install_tiny_gpt2(portal.weights, "gpt2/774M")
    with django_db_blocker.unblock():
        portal.manage("first_records")
        portal.enroll("live")
        try:
            for name in ("web", "site", "mail", "receive", "clock", "generate"):
                portal.start(name)
            until(lambda: has_worker(portal), what="the site and its worker to start")
            yield portal
            portal.assert_all_run()
        finally:
            portal.stop()
            connection.close()


def portal_of(nodeid: str) -> str:
    """Which portal the test runs on; "" where on none."""
    return next((name for start, name in PORTALS.items() if nodeid.startswith(start)), "")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The tests on a live portal come last: its workers would take up what the other tests leave in the database.

    Where they have processes of their own, they come first.
    """
    for item in items:
        if portal_of(item.nodeid):
            item.add_marker("live")
    items.sort(key=lambda item: bool(portal_of(item.nodeid)), reverse=hasattr(config, "workerinput"))
