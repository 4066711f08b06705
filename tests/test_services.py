"""The services of a run in one process outlive it, for the next one: the same servers, and nothing in them."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
import redis

from . import kept, services
from .patience import until

pytestmark = [pytest.mark.live, pytest.mark.slow]
LONG = 3600.0


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Iterator[Path]:
    """Where services are kept, from one test to the next too."""
    folder = tmp_path_factory.mktemp("kept")
    yield folder
    kept.stop(folder)
    until(lambda: not folders(folder), what="the kept services to be stopped")


@pytest.fixture
def borrow(home) -> Iterator[Callable[..., kept.Loan | None]]:
    """What a run does when it begins."""
    loans = []

    def borrowed(migrated: Path | None = None, *, idle: float = LONG) -> kept.Loan | None:
        loans.append(kept.borrow(home, migrated or services._migrated(), idle=idle))
        return loans[-1]

    yield borrowed
    for loan in filter(None, loans):
        loan.give_back()


def folders(home: Path) -> list[Path]:
    return list(home.glob("*-kept"))


def postgres_of(loan: kept.Loan) -> int:
    """The process of its PostgreSQL."""
    return int((Path(loan.environment["PORTAL_HOME"]) / "postgres" / "postmaster.pid").read_text().split()[0])


def as_owner(loan: kept.Loan) -> psycopg.Connection:
    address = urlsplit(loan.environment["DATABASE_OWNER_URL"])
    host = parse_qs(address.query)["host"][0]
    return psycopg.connect(host=host, user="portal_owner", dbname=address.path[1:], autocommit=True)


def write(loan: kept.Loan) -> None:
    """What a run leaves: rows, tables, messages, an account on the broker, files."""
    with as_owner(loan) as database:
        database.execute("CREATE TABLE left_over (number integer)")
    with redis.Redis.from_url(loan.environment["REDIS_URL"]) as client:
        client.set("left", "over")
        client.acl_setuser("worker-left", enabled=True, nopass=True)
    (Path(loan.environment["PORTAL_HOME"]) / "mail").mkdir()


def left_over(loan: kept.Loan) -> list[object]:
    with as_owner(loan) as database:
        found: list[object] = database.execute("SELECT to_regclass('left_over')").fetchall()
    with redis.Redis.from_url(loan.environment["REDIS_URL"]) as client:
        found += [*client.keys(), *client.acl_users()]
    return [*found, (Path(loan.environment["PORTAL_HOME"]) / "mail").exists()]


def test_next_run_has_the_same_servers_and_nothing_of_the_last_one(borrow):
    first = borrow()
    write(first)
    first.give_back()
    second = borrow()
    assert postgres_of(second) == postgres_of(first)
    assert left_over(second) == [(None,), "default", False]
    with as_owner(second) as database:
        assert database.execute("SELECT count(*) FROM django_migrations").fetchone()[0] > 0


def test_run_beside_another_borrows_nothing(borrow, home):
    first = borrow()
    assert borrow() is None
    assert kept.stop(home) == "A test run uses the services; they are stopped when it ends."
    assert left_over(first) == [(None,), "default", False], "they were stopped under the run"
    first.give_back()
    until(lambda: not folders(home), what="the services to be stopped")


def test_services_end_by_themselves_when_nobody_uses_them(borrow, home):
    loan = borrow(idle=0.2)
    running = postgres_of(loan)
    loan.give_back()
    until(lambda: not folders(home) and not Path(f"/proc/{running}").exists(), what="PostgreSQL to end")
    assert not (home / "kept.sock").exists()
    assert kept.stop(home) == "No services are kept."


def test_run_of_other_migrations_gets_other_servers(borrow, home):
    first = borrow()
    running = postgres_of(first)
    first.give_back()
    migrated = home / "other-migrations"
    subprocess.run(["cp", "-a", services._migrated(), migrated], check=True)
    assert postgres_of(borrow(migrated)) != running
    until(lambda: len(folders(home)) == 1, what="the first services to be stopped")


def test_run_that_broke_off_leaves_nothing_behind(borrow, home):
    """It says nothing at its end: what it started may still write."""
    first = borrow()
    first._line.close()
    until(lambda: not folders(home), what="the services to be stopped")
    assert left_over(borrow()) == [(None,), "default", False]


def test_run_after_one_that_ended_redis_gets_other_servers(borrow):
    first = borrow()
    with redis.Redis.from_url(first.environment["REDIS_URL"]) as client:
        client.shutdown(nosave=True)
    first.give_back()
    assert left_over(borrow()) == [(None,), "default", False]


def test_servers_of_a_keeper_that_was_killed_are_ended_by_the_next_run(borrow, home, monkeypatch):
    first = borrow()
    running = postgres_of(first)
    keeper = kept.started[-1]
    keeper.kill()
    keeper.wait()
    monkeypatch.setattr(services, "HOME", home)
    services._sweep()
    until(lambda: not Path(f"/proc/{running}").exists(), what="PostgreSQL to end")
    assert not folders(home)
    assert postgres_of(borrow()) != running


def test_services_answer_their_own_user_alone(borrow, home):
    borrow()
    assert (home / "kept.sock").stat().st_mode & 0o077 == 0


def test_who_asks_nothing_that_is_known_gets_nothing(borrow, home):
    borrow().give_back()
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(str(home / "kept.sock"))
        line.sendall(b"no JSON\n")
        assert line.recv(1024) == b""
    assert borrow() is not None


def test_folder_too_deep_for_a_socket_keeps_nothing(tmp_path):
    assert kept.borrow(tmp_path / ("a" * 120), services._migrated()) is None


def test_runs_of_pytest_use_the_same_postgres(tmp_path, home):
    """A whole run, twice, each writing down which PostgreSQL it met."""
    look = tmp_path / "test_look.py"
    look.write_text(LOOK.format(seen=str(tmp_path / "seen")))
    ours = {"DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "PORTAL_HOME", "SECRET_KEY", services.MIGRATED_HERE}
    elsewhere = {name: value for name, value in os.environ.items() if name not in ours}
    elsewhere["TEST_SERVICES_HOME"] = str(home)
    command = [sys.executable, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", "-c", "pyproject.toml", look]
    for _ in range(2):
        subprocess.run(command, cwd=services.ROOT, env=elsewhere, check=True, stdout=subprocess.DEVNULL)
    first, second = (tmp_path / "seen").read_text().split()
    assert first == second


LOOK = """
import os
from pathlib import Path


def test_look():
    process = Path(os.environ["PORTAL_HOME"], "postgres", "postmaster.pid").read_text().split()[0]
    with open({seen!r}, "a") as seen:
        print(process, file=seen)
"""
