"""PostgreSQL and Redis that outlive a test run, so that the next one need not start them: `python -m tests.kept`.

A process of its own, the keeper, starts them and lends them to one run at a time, over a socket. Once a run has ended
it makes the database again from the migrated one and empties Redis. It ends, and they with it, after IDLE_SECONDS
without a run, when a run broke off, when its database is of other migrations, and at `make test-stop`.
"""

import argparse
import fcntl
import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import redis

from release_portal.lib.embedded import SOCKET_PATH_LIMIT, services

ROOT = Path(__file__).parent.parent
HOME = Path(os.environ.get("TEST_SERVICES_HOME", ROOT / ".portal" / "test"))
IDLE_SECONDS = 15 * 60
START_SECONDS = 60
"""How long a run waits for a keeper that it started; then it starts services of its own."""
BUSY, OTHER, STOPPED = "busy", "other", "stopped"
DONE, STOP = "done", "stop"
PRISTINE = "portal_migrated"
"""The database as it was migrated, beside the one that runs write to."""

started: list[subprocess.Popen[bytes]] = []
"""Keepers of this process: Python would warn of one that it forgets while it runs."""


class Loan:
    """The services, for one run; `give_back` has to be called at its end, or the keeper takes it for broken off."""

    def __init__(self, environment: dict[str, str], line: socket.socket) -> None:
        self.environment = environment
        self._line = line

    def give_back(self) -> None:
        with suppress(OSError), self._line:
            _say(self._line, DONE)


def borrow(home: Path, migrated: Path, *, idle: float = IDLE_SECONDS) -> Loan | None:
    """The kept services below `home`, on a copy of the folder `migrated`; None where another run has them, or they
    cannot be kept here."""
    if len(str(_socket(home))) > SOCKET_PATH_LIMIT:
        return None
    home.mkdir(parents=True, exist_ok=True)
    with Path(home, "kept.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two runs that begin at once one starts a keeper
        answer = _ask(home, migrated.name)
        if answer in (None, OTHER):
            _start_keeper(home, migrated, idle)
            answer = _ask(home, migrated.name)
    return answer if isinstance(answer, Loan) else None


def stop(home: Path) -> str:
    """Have the keeper end; returns what becomes of it in a sentence."""
    answer = _ask(home, STOP)
    if answer == BUSY:
        return "A test run uses the services; they are stopped when it ends."
    return "The services of the last test run are stopped." if answer == STOPPED else "No services are kept."


def _ask(home: Path, wanted: str) -> Loan | str | None:
    """The keeper's answer; None where there is none."""
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(START_SECONDS)
    try:
        line.connect(str(_socket(home)))
        _say(line, wanted)
        answer = json.loads(_heard(line) or "null")
    except OSError:
        answer = None
    if isinstance(answer, dict):
        return Loan(answer, line)
    line.close()
    return answer


def _start_keeper(home: Path, migrated: Path, idle: float) -> None:
    """Returns once it can be asked. What it and its services write goes to a file: they outlive this run's terminal."""
    until = time.monotonic() + START_SECONDS
    while _is_listened_to(home) and time.monotonic() < until:  # by one that is about to end
        time.sleep(0.05)
    command = [sys.executable, "-m", __name__, "--home", home, "--migrated", migrated, "--idle", str(idle)]
    with Path(home, "kept.log").open("w") as log:
        to_log = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
        keeper = subprocess.Popen(command, cwd=ROOT, start_new_session=True, **to_log)
    started.append(keeper)
    while keeper.poll() is None and not _is_listened_to(home) and time.monotonic() < until:
        time.sleep(0.05)


def _is_listened_to(home: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as line:
        return line.connect_ex(str(_socket(home))) == 0


def _socket(home: Path) -> Path:
    return home / "kept.sock"


def _say(line: socket.socket, what: object) -> None:
    line.sendall(json.dumps(what).encode() + b"\n")


def _heard(line: socket.socket) -> str:
    """One line; "" where the other end is gone."""
    with line.makefile() as words:
        return words.readline()


class Keeper:
    """Lends the services to one run at a time, until it is no longer needed."""

    def __init__(self, environment: dict[str, str], fingerprint: str, idle: float) -> None:
        self._environment, self._fingerprint, self._idle = environment, fingerprint, idle
        self._lent: socket.socket | None = None
        self._ends = False

    def serve(self, door: socket.socket) -> None:
        """Answer at `door` until the services are to be stopped."""
        with selectors.DefaultSelector() as selector:
            selector.register(door, selectors.EVENT_READ)
            while not self._ends or self._lent:
                ready = selector.select(None if self._lent else self._idle)
                if not ready:
                    return
                for key, _ in ready:
                    if key.fileobj is door:
                        self._answer(door.accept()[0], selector)
                    else:
                        self._take_back(selector)

    def _answer(self, line: socket.socket, selector: selectors.BaseSelector) -> None:
        line.settimeout(START_SECONDS)  # somebody who asks nothing holds nobody up for longer
        with suppress(OSError, ValueError):
            wanted = json.loads(_heard(line) or "null")
            answer = self._answer_to(wanted)
            _say(line, answer)
            if answer is self._environment:
                self._lent = line
                selector.register(line, selectors.EVENT_READ)
                return
        line.close()

    def _answer_to(self, wanted: object) -> object:
        if wanted is None:  # only looked whether anybody is here
            return None
        if wanted == STOP or (not self._lent and (wanted != self._fingerprint or not _is_well(self._environment))):
            self._ends = True
        if self._lent:
            return BUSY
        if self._ends:
            return STOPPED if wanted == STOP else OTHER
        return self._environment

    def _take_back(self, selector: selectors.BaseSelector) -> None:
        """The run has ended. Where it broke off, processes of it may be left that still write: all is stopped then."""
        line, self._lent = self._lent, None
        assert line is not None
        selector.unregister(line)
        with line:
            try:
                ended_well = json.loads(_heard(line) or "null") == DONE
                if ended_well:
                    _make_new(self._environment)
            except (OSError, psycopg.Error, redis.RedisError) as error:
                print(f"The services are not lent again: {error}", flush=True)
                ended_well = False
        self._ends = self._ends or not ended_well


def _is_well(environment: dict[str, str]) -> bool:
    """Whether both services answer: a run may have ended one of them."""
    try:
        with _superuser(environment), redis.Redis.from_url(environment["REDIS_URL"]) as client:
            return bool(client.ping())
    except (psycopg.Error, redis.RedisError):
        return False


def _make_new(environment: dict[str, str]) -> None:
    """Bring everything to where a first run found it."""
    name = urlsplit(environment["DATABASE_URL"]).path.removeprefix("/")
    with _superuser(environment) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {PRISTINE} OWNER portal_owner")
    with redis.Redis.from_url(environment["REDIS_URL"]) as client:
        client.flushall()
        accounts = [account for account in client.acl_users() if account not in ("default", b"default")]
        if accounts:
            client.acl_deluser(*accounts)
            client.acl_save()
    for path in Path(environment["PORTAL_HOME"]).iterdir():
        if path.name not in ("postgres", "redis", "secrets.json"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextmanager
def _superuser(environment: dict[str, str]) -> Iterator[psycopg.Connection]:
    folder = parse_qs(urlsplit(environment["DATABASE_URL"]).query)["host"][0]
    with psycopg.connect(host=folder, user="postgres", dbname="postgres", autocommit=True) as connection:
        yield connection


@contextmanager
def _door(home: Path) -> Iterator[socket.socket]:
    """Where runs ask, this user's alone: the answer holds keys. Closed before the services are stopped."""
    path = _socket(home)
    path.unlink(missing_ok=True)  # of a keeper that was killed
    with socket.socket(socket.AF_UNIX) as door:
        before = os.umask(0o177)
        door.bind(str(path))
        os.umask(before)
        door.listen()
        mine = path.stat().st_ino
        try:
            yield door
        finally:
            with suppress(FileNotFoundError):
                if path.stat().st_ino == mine:
                    path.unlink()


def keep(home: Path, migrated: Path, idle: float) -> None:
    """Start the services in a folder of this process and lend them; returns once they are stopped and it is gone."""
    folder = home / f"{os.getpid()}-kept"
    subprocess.run(["cp", "-a", migrated, folder], check=True)
    try:
        with services(folder, given={}) as environment:
            with _superuser(environment) as connection:
                name = urlsplit(environment["DATABASE_URL"]).path.removeprefix("/")
                connection.execute(f"CREATE DATABASE {PRISTINE} TEMPLATE {name} OWNER portal_owner")
            with _door(home) as door:
                Keeper(environment, migrated.name, idle).serve(door)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Keep PostgreSQL and Redis for the next test run.")
    parser.add_argument("--home", type=Path, default=HOME)
    parser.add_argument("--stop", action="store_true", help="stop those that are kept")
    parser.add_argument("--migrated", type=Path, help="the folder that they begin as a copy of")
    parser.add_argument("--idle", type=float, default=IDLE_SECONDS, help="seconds without a run until they are stopped")
    arguments = parser.parse_args()
    if arguments.stop:
        print(stop(arguments.home))
        return 0
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    keep(arguments.home, arguments.migrated, arguments.idle)
    return 0


if __name__ == "__main__":
    sys.exit(main())
