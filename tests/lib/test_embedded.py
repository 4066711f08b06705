"""PostgreSQL is started once for each test process, by tests/services.py; here one more is where it is restarted."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from release_portal.lib import embedded

from ..patience import PATIENCE

pytestmark = pytest.mark.live


@pytest.fixture
def elsewhere(monkeypatch):
    """The environment names no server."""
    for name in ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "SECRET_KEY", "PORTAL_HOME"):
        monkeypatch.delenv(name, raising=False)


def test_services_use_the_servers_that_the_environment_names(tmp_path, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgres://somewhere/portal")
    monkeypatch.setenv("REDIS_URL", "redis://somewhere:6379")
    with embedded.services(tmp_path) as environment:
        assert environment["DATABASE_URL"] == "postgres://somewhere/portal"
        assert environment["REDIS_URL"] == "redis://somewhere:6379"
    assert not (tmp_path / "postgres").exists()
    assert not (tmp_path / "redis").exists()


def test_services_tell_a_process_all_that_settings_require(tmp_path, elsewhere, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgres://somewhere/portal")
    with embedded.services(tmp_path) as environment:
        assert {"PORTAL_HOME", "SECRET_KEY", "DATABASE_URL", "REDIS_URL"} <= set(environment)
        assert environment["PORTAL_HOME"] == str(tmp_path)
        with redis.Redis.from_url(environment["REDIS_URL"]) as client:
            assert client.ping()
        socket = Path(urlsplit(environment["REDIS_URL"]).path)
    assert not socket.exists(), "Redis was left running"


def test_secrets_are_made_once_and_kept_for_their_owner(tmp_path, elsewhere, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgres://somewhere/portal")
    monkeypatch.setenv("REDIS_URL", "redis://somewhere:6379")
    with embedded.services(tmp_path) as first, embedded.services(tmp_path) as second:
        assert first["SECRET_KEY"] == second["SECRET_KEY"]
    path = tmp_path / "secrets.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert set(json.loads(path.read_text())) == {"SECRET_KEY", "REDIS_PASSWORD"}


def test_folder_and_what_is_written_there_are_for_their_owner_alone(tmp_path):
    """Mail among them: it holds links that open accounts."""
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    script = (
        "from django.conf import settings; settings.configure();"
        "from django.core.mail.backends.filebased import EmailBackend; from django.core.mail import EmailMessage;"
        f"folder = EmailBackend(file_path={str(home / 'mail')!r});"
        "EmailMessage('A', 'B', 'a@x.example', ['b@x.example'], connection=folder).send()"
    )
    command = [sys.executable, "-m", "release_portal.lib.embedded", "--home", str(home), sys.executable, "-c", script]
    given = os.environ | {"DATABASE_URL": "postgres://somewhere/portal", "REDIS_URL": "redis://somewhere:6379"}
    subprocess.run(command, env=given, check=True, umask=0o022)
    (letter,) = (home / "mail").iterdir()
    assert "To: b@x.example" in letter.read_text()
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in (home, home / "mail", home / "secrets.json", letter)
    }
    assert modes == {"home": 0o700, "mail": 0o700, "secrets.json": 0o600, letter.name: 0o600}


def test_redis_starts_below_a_folder_too_deep_for_a_socket(tmp_path, elsewhere, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgres://somewhere/portal")
    deep = tmp_path / ("a" * 60) / ("b" * 60)
    with embedded.services(deep) as environment, redis.Redis.from_url(environment["REDIS_URL"]) as client:
        assert len(urlsplit(environment["REDIS_URL"]).path) <= embedded.SOCKET_PATH_LIMIT
        client.set("kept", "below the folder")
    assert (deep / "redis").is_dir()


def test_redis_keeps_what_it_knew_over_a_restart(tmp_path, elsewhere, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgres://somewhere/portal")
    with embedded.services(tmp_path) as environment, redis.Redis.from_url(environment["REDIS_URL"]) as client:
        client.set("kept", "yes")
    with embedded.services(tmp_path) as environment, redis.Redis.from_url(environment["REDIS_URL"]) as client:
        assert client.get("kept") == b"yes"


def test_command_line_ends_with_the_status_of_its_command(tmp_path):
    command = [sys.executable, "-m", "release_portal.lib.embedded", "--home", str(tmp_path)]
    program = "import os; raise SystemExit(7 if 'PORTAL_HOME' in os.environ else 1)"
    ended = subprocess.run([*command, sys.executable, "-c", program], env=os.environ, check=False)
    assert ended.returncode == 7


ANSWER = """
import os

import psycopg, redis

for _ in range(2):
    with redis.Redis.from_url(os.environ["REDIS_URL"]) as client:
        with psycopg.connect(os.environ["DATABASE_URL"]) as database:
            print(client.incr("asked"), *database.execute("SELECT 1").fetchone(), flush=True)
    input()
"""


def test_commands_beside_each_other_share_servers_which_the_last_of_them_stops(tmp_path, elsewhere):
    """Whichever began first: a site may be started while a command runs."""
    embed = [sys.executable, "-m", "release_portal.lib.embedded", "--home", str(tmp_path), sys.executable, "-c", ANSWER]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(embed, **pipes) as first:
        assert first.stdout.readline() == "1 1\n"
        with subprocess.Popen(embed, **pipes) as second:
            assert second.stdout.readline() == "2 1\n"
            print("on\non", file=first.stdin, flush=True)
            assert first.wait(PATIENCE) == 0
            print("on\non", file=second.stdin, flush=True)
            assert second.stdout.readline() == "4 1\n", "the servers went with the first"
            assert second.wait(PATIENCE) == 0
    assert not (tmp_path / "redis" / "redis.sock").exists()
    assert not (tmp_path / "postgres" / "postmaster.pid").exists()


RESTART = """
import sys, time
from pathlib import Path
from urllib.parse import urlsplit

import django

django.setup()
from tests.faults.nemeses import restart_postgres

running = Path(sys.argv[1])
before = int(running.read_text().split()[0])
restart_postgres()
assert running.read_text().split()[0] != str(before)
until = time.monotonic() + 60
while Path(f"/proc/{before}").exists() and time.monotonic() < until:
    time.sleep(0.1)
"""


def test_postgres_that_was_restarted_meanwhile_is_stopped_too(tmp_path, elsewhere):
    running = tmp_path / "postgres" / "postmaster.pid"
    command = [sys.executable, "-m", "release_portal.lib.embedded", "--home", str(tmp_path)]
    subprocess.run([*command, sys.executable, "-c", RESTART, str(running)], env=os.environ, check=True)
    assert not running.exists(), "PostgreSQL was left running"


def test_database_is_used_by_a_role_that_owns_no_table(db):
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, count(*) FROM pg_tables WHERE tableowner = current_user GROUP BY 1")
        assert cursor.fetchall() == []
        cursor.execute("SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == (False, False, False)
