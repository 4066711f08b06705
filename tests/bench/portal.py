"""A whole portal for the benchmarks, with the settings that a site and a worker have by default."""

import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import django
import requests

from tests.bench import model
from tests.live import Portal, free_port, has_worker
from tests.patience import until

SITE = ("web", "site", "mail", "receive", "clock")
LONGEST_SECONDS = 600.0
"""How long one job may take."""


@dataclass
class Client:
    """A researcher's program: it calls the portal's API with a token."""

    portal: Portal
    token: str
    session: requests.Session = field(default_factory=requests.Session)

    def call(self, method: str, path: str, **options: Any) -> Any:
        """The answer to a call; raises where it is an error."""
        return self.send(self.prepare(method, path, **options))

    def prepare(self, method: str, path: str, **options: Any) -> requests.PreparedRequest:
        """A call, made up but not sent."""
        headers = {"Authorization": f"Bearer {self.token}"}
        request = requests.Request(method, f"{self.portal.base_url}/api/v1{path}", headers=headers, **options)
        return self.session.prepare_request(request)

    def send(self, request: requests.PreparedRequest) -> Any:
        """The answer to a call that was prepared."""
        answer = self.session.send(request, timeout=LONGEST_SECONDS)
        if not answer.ok:
            raise RuntimeError(f"{request.method} {request.path_url} was answered {answer.status_code}: {answer.text}")
        return answer.json()

    def wait(self, job: Mapping[str, Any], every: float) -> None:
        """Ask after a job every `every` seconds until it is finished; cancel it where that is given up."""
        deadline = time.monotonic() + LONGEST_SECONDS
        try:
            while (status := self.call("GET", f"/jobs/{job['id']}")["status"]) != "finished":
                if status not in ("queued", "running") or time.monotonic() > deadline:
                    raise RuntimeError(f"The job is {status}.\n{self.portal.log()}")
                time.sleep(every)
        except KeyboardInterrupt:
            self.call("POST", f"/jobs/{job['id']}/cancel")
            raise


@contextmanager
def running(home: Path, *names: str, commands: Mapping[str, str] | None = None) -> Iterator[Client]:
    """The site, and the processes of these names beside it; stopped at the end, whatever happens.

    The services are those of the environment. Their database is migrated, and a new organisation is granted 124M.
    """
    django.setup()
    from tests.without_doors import verbs_act_for_whom_they_name  # it reads models

    verbs_act_for_whom_they_name()
    folder = home / "portal"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    settings = {"WEIGHTS_ROOT": str(model.install(home).resolve()), "SIZES": model.SIZE}
    portal = Portal(folder.resolve(), free_port(), settings, commands=commands or {})
    portal.manage("migrate", "--database", "owner", "--verbosity", "0")
    portal.manage("first_records")
    portal.manage("enroll_worker", "bench", "--file", str(portal.home / "worker.env"), "--again")
    try:
        for name in (*SITE, *names):
            portal.start(name)
        until(lambda: answers(portal), what="the site to start")
        if "generate" in names:
            until(lambda: has_worker(portal), what="the worker to start")
        yield Client(portal, new_token())
    finally:
        stop(portal)


def answers(portal: Portal) -> bool:
    """Whether the site is up."""
    try:
        return requests.get(f"{portal.base_url}/health/", timeout=2).ok
    except requests.RequestException:
        return False


def new_token() -> str:
    """An API token of a new researcher, whose organisation may generate with 124M."""
    from release_portal.partners.actions import create_token
    from tests import cast

    reviewer, researcher = cast.reviewer(), cast.researcher()
    cast.grant("124M", researcher, cast.organisation(researcher, reviewer), reviewer)
    return create_token(by=researcher, name="bench")[1]


def stop(portal: Portal) -> None:
    """Stop every process: the worker first, so that the site hears that it leaves."""
    try:
        if "generate" in portal.processes:
            portal.kill("generate", signal.SIGTERM)
            until(lambda: not has_worker(portal), seconds=20, what="the worker to leave")
    finally:
        portal.stop()


@contextmanager
def paused(portal: Portal) -> Iterator[None]:
    """The portal's processes stand still meanwhile, and have a live worker again afterwards."""
    for process in portal.processes.values():
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in portal.processes.values():
            process.send_signal(signal.SIGCONT)
    until(lambda: has_worker(portal), what="the worker to go on")
