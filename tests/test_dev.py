"""`make dev`: what it shows of the inside can be seen nowhere else, and it meets no other site."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from release_portal.demo import dev

ROOT = settings.BASE_DIR
OURS = {"DEBUG": "1", "DEBUG_TOOLBAR": "1", "DATABASE_URL": "postgres://app@/portal?host=/tmp/home"}
OURS["EMBEDDED_DATABASE_URL"] = OURS["DATABASE_URL"]
ANSWER = "from django.conf import settings; print('debug_toolbar' in settings.INSTALLED_APPS, settings.DEBUG)"


def start(**given: str) -> subprocess.CompletedProcess[str]:
    """Read the settings with this environment and no other."""
    whole = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "release_portal.settings", "SECRET_KEY": "a key"}
    whole |= {"REDIS_URL": "redis://127.0.0.1", "BASE_URL": "http://127.0.0.1:8001"} | given
    return subprocess.run([sys.executable, "-c", ANSWER], env=whole, cwd=ROOT, capture_output=True, text=True)


def test_toolbar_is_there_with_debug_on_a_database_of_its_own():
    assert start(**OURS).stdout == "True True\n"


@pytest.mark.parametrize(
    "other",
    [
        {"DEBUG": "0"},
        {"DATABASE_URL": "postgres://app:password@db.example/portal"},
        {"EMBEDDED_DATABASE_URL": ""},
        {"BASE_URL": "https://portal.example"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_toolbar_stops_the_start_of_a_server(other):
    ended = start(**OURS | other)
    assert ended.returncode == 1
    assert "DEBUG_TOOLBAR is for `make dev` alone" in ended.stderr


def test_toolbar_is_not_there_unless_it_is_asked_for():
    assert start(DEBUG="1", DATABASE_URL=OURS["DATABASE_URL"]).stdout == "False True\n"
    assert start(DATABASE_URL=OURS["DATABASE_URL"]).stdout == "False False\n"


def test_packages_of_development_are_no_requirements_of_a_server():
    required = (ROOT / "requirements.txt").read_text().lower()
    assert "debug-toolbar" not in required
    assert "watchfiles" not in required


def test_make_dev_has_a_folder_a_port_and_a_database_of_its_own():
    given = {"PATH": os.environ["PATH"], "DATABASE_URL": "postgres://somewhere/portal"}
    command = ["make", "--dry-run", "dev", "HOME_DIR=/home/of/portal"]
    said = subprocess.run(command, env=given, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "env -u DATABASE_URL -u DATABASE_OWNER_URL -u REDIS_URL" in said
    assert "--home /home/of/portal/dev " in said


def test_web_process_alone_has_debug_and_no_process_knows_the_owner(monkeypatch):
    monkeypatch.setenv("DATABASE_OWNER_URL", "postgres://owner@/portal")
    for name in ("DEBUG", "DEBUG_TOOLBAR"):
        monkeypatch.delenv(name, raising=False)
    environments = {one.name: one._environment for one in dev.kept("8001")}
    assert set(environments) == {"web", "site", "mail", "receive", "clock"}
    assert [name for name, seen in environments.items() if "DEBUG" in seen or "DEBUG_TOOLBAR" in seen] == ["web"]
    assert not [name for name, seen in environments.items() if "DATABASE_OWNER_URL" in seen]


def test_each_process_but_the_web_runs_its_line_of_the_procfile_again_on_changes():
    words = {one.name: one._words for one in dev.kept("8001")}
    assert words.pop("web") == ["python", "manage.py", "runserver", "8001"]
    for name, line in dev.commands().items():
        if name in words:
            assert words[name][0] == "watchfiles"
            assert line in words[name]


def test_site_is_made_up_once(tmp_path: Path, monkeypatch):
    calls = []
    monkeypatch.setattr(dev, "manage", lambda *arguments, **options: calls.append(arguments))
    dev.fill(tmp_path)
    dev.fill(tmp_path)
    assert [arguments[0] for arguments in calls] == ["fill"]


def test_site_that_could_not_be_made_up_is_made_up_at_the_next_start(tmp_path: Path, monkeypatch):
    def failing(*arguments, **options):
        raise subprocess.CalledProcessError(1, arguments)

    monkeypatch.setattr(dev, "manage", failing)
    with pytest.raises(subprocess.CalledProcessError):
        dev.fill(tmp_path)
    assert not list(tmp_path.iterdir())
