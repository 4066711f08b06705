"""Other machines for generation workers: each a network namespace on a cable of its own to the broker."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings

from release_portal.jobs import actions as jobs
from release_portal.jobs.accounts import address_for

from ..live import ROOT, Portal

NETWORKS = IPv4Network("10.77.0.0/16")
REDIS_PORT = 6379


def why_not() -> str:
    """Why there can be no machines here; "" where there can, and where CI asks for them whatever the cost."""
    if shutil.which("ip") or os.environ.get("CI") == "true":
        return ""
    return "`ip` is not installed; `apt-get install iproute2` brings it."


def ip(*arguments: object) -> None:
    """Run `ip`; skips the test where this user or container may not touch the network."""
    ran = subprocess.run(["ip", *map(str, arguments)], capture_output=True, text=True)
    if "not permitted" in ran.stderr or "Permission denied" in ran.stderr:
        pytest.skip(f"Network namespaces need root: {ran.stderr.strip()}")
    assert not ran.returncode, f"ip {arguments}: {ran.stderr}"


@dataclass
class Machine:
    """A network namespace, its host name and its cable, all of one name; `folder` is all that its worker brings.

    At the near end of the cable Redis, which listens on a socket file, is forwarded.
    """

    name: str
    network: IPv4Network
    folder: Path
    key: str
    account: str
    """Name and password on the broker."""
    forwarder: subprocess.Popen[bytes] | None = None

    @property
    def broker(self) -> IPv4Address:
        return self.network[1]

    @property
    def environment(self) -> dict[str, str]:
        """All that its processes know."""
        return {
            "PATH": os.environ["PATH"],
            "REDIS_URL": f"redis://{self.account}@{self.broker}:{REDIS_PORT}",
            "WORKER_KEY": self.key,
            "WEIGHTS_ROOT": str(self.folder / "weights"),
            "SIZES": "gpt2/124M",
            "WORKER_NAME": self.name,
            "BATCH_ROWS": "4",  # slow enough that work is under way when the cable is pulled
            "OMP_NUM_THREADS": "1",
        }

    def run(self, *command: str, **how: object) -> subprocess.Popen[bytes]:
        """Start a command on the machine."""
        under_its_name = ["unshare", "--uts", "sh", "-c", 'hostname "$0" && exec "$@"', self.name, *command]
        inside = ["ip", "netns", "exec", self.name, *under_its_name]
        return subprocess.Popen(inside, cwd=self.folder, env=self.environment, **how)

    def plug_cable(self) -> None:
        ip("link", "set", self.name, "up")
        where = [str(self.broker), str(REDIS_PORT), urlsplit(settings.REDIS_URL).path]
        self.forwarder = subprocess.Popen(["python", "-m", "tests.faults.forwarder", *where], cwd=ROOT)

    def pull_cable(self) -> None:
        """The broker forgets the machine's connections, and the machine does not hear of it."""
        ip("link", "set", self.name, "down")
        self.forget()

    def forget(self) -> None:
        if self.forwarder:
            self.forwarder.kill()
            self.forwarder.wait()


@contextmanager
def machine(number: int, portal: Portal) -> Iterator[Machine]:
    """A machine that runs a generation worker. Names and networks follow from the process, for runs side by side."""
    place = (2 * os.getpid() + number) % 2**14
    network = IPv4Network((int(NETWORKS[0]) + 4 * place, 30))
    worker = jobs.enroll_worker(by=None, name=f"rp{os.getpid()}-{number}")
    account = urlsplit(address_for(worker)).netloc.rpartition("@")[0]
    made = Machine(worker.name, network, portal.home / f"machine-{number}", worker.key, account)
    shutil.copytree(ROOT / "inference", made.folder / "inference", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(portal.weights / "gpt2" / "124M", made.folder / "weights" / "gpt2" / "124M")
    with cable(made), (portal.home / f"machine-{number}.log").open("ab") as log:
        process = made.run(*portal.command("generate"), stdout=log, stderr=log)
        try:
            yield made
        finally:
            stop(process)


@contextmanager
def cable(made: Machine) -> Iterator[None]:
    """The namespace, and a pair of network devices between it and here."""
    remove(made)  # an earlier run that was killed, under the same number
    try:
        ip("netns", "add", made.name)
        ip("link", "add", made.name, "type", "veth", "peer", "name", "eth0", "netns", made.name)
        ip("address", "add", f"{made.broker}/30", "dev", made.name)
        ip("-n", made.name, "address", "add", f"{made.network[2]}/30", "dev", "eth0")
        ip("-n", made.name, "link", "set", "lo", "up")
        ip("-n", made.name, "link", "set", "eth0", "up")
        made.plug_cable()
        yield
    finally:
        remove(made)


def remove(made: Machine) -> None:
    made.forget()
    for kind in ("netns", "link"):
        subprocess.run(["ip", kind, "delete", made.name], capture_output=True)


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
