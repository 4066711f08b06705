"""What starts the portal on a server names the processes of the Procfile. No container is started here."""

import os
import re
import subprocess
from configparser import ConfigParser

import pytest
import yaml
from django.conf import settings

from release_portal.lib.embedded import SILENT
from release_portal.lib.processes import HIDDEN, HIDDEN_FROM, commands

ROOT = settings.BASE_DIR
SERVICES = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
BESIDE = {"postgres", "redis", "migrate"}


def test_compose_has_a_service_for_each_process():
    assert set(SERVICES) - BESIDE == set(commands())
    assert {name: SERVICES[name]["command"] for name in commands()} == {name: name for name in commands()}


def test_compose_starts_each_service_again_alone():
    restarts = {name: service["restart"] for name, service in SERVICES.items()}
    assert restarts.pop("migrate") == "no"
    assert set(restarts.values()) == {"unless-stopped"}


@pytest.mark.parametrize("name", commands())
def test_compose_tells_no_process_what_it_does_not_need(name):
    assert not set(SERVICES[name]["environment"]) & (HIDDEN | HIDDEN_FROM[name])


def test_compose_believes_its_gateway_alone_and_publishes_on_loopback_alone():
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
    (network,) = compose["networks"]["default"]["ipam"]["config"]
    assert SERVICES["web"]["environment"]["TRUSTED_PROXIES"] == f"{network['gateway']}/32"
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_proxy_takes_what_the_portal_takes_and_hides_what_clients_forge():
    configuration = (ROOT / "deploy" / "nginx.conf").read_text()
    taken = int(re.search(r"client_max_body_size\s+(\d+)m;", configuration)[1])
    assert settings.UPLOAD_LIMIT_MB < taken < settings.UPLOAD_LIMIT_MB + 5
    for header in ("X-Forwarded-Host", "Forwarded"):
        assert re.search(rf'proxy_set_header {header}\s+"";', configuration)


def test_postgres_in_a_container_logs_as_little_as_our_own():
    silenced = re.findall(r"^ALTER SYSTEM SET (.*);$", (ROOT / "deploy" / "roles.sh").read_text(), re.MULTILINE)
    assert tuple(silenced) == SILENT


@pytest.mark.parametrize("target", ["run", "demo"])
def test_what_make_starts_does_not_know_the_owner_of_the_tables(target, tmp_path):
    """Nor does what it had in its environment when it began, which others of its user can read."""
    output = subprocess.run(["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    migrated = re.search(r"sh -c '(python manage.py migrate .*?)' sh (.*)", output)
    assert migrated, output
    python = tmp_path / "python"  # migrates, in the test's place
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    whole = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "DATABASE_OWNER_URL": "owner", "DATABASE_URL": "app"}
    command = ["sh", "-c", migrated[1], "sh", "cat", "/proc/self/environ"]
    seen = subprocess.run(command, env=whole, capture_output=True, text=True, check=True).stdout
    assert "DATABASE_URL=app" in seen
    assert "DATABASE_OWNER_URL" not in seen


def test_image_holds_what_the_site_needs():
    copied = re.findall(r"^COPY ([a-z_ .A-Z]+) \S+$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert set(" ".join(copied).split()) == {
        "requirements.txt", "manage.py", "Procfile", "release_portal", "agreements", "inference",
    }  # fmt: skip


def test_unit_of_systemd_starts_one_process_again_alone():
    unit = ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read_string((ROOT / "deploy" / "release-portal@.service").read_text())
    assert unit["Service"]["ExecStart"].endswith("-m release_portal.lib.processes %i")
    assert unit["Service"]["Restart"] == "always"
    assert unit["Service"]["NoNewPrivileges"] == "yes"
    assert set(unit["Service"]["UnsetEnvironment"].split()) == HIDDEN
    assert unit["Unit"]["StartLimitIntervalSec"] == "0", "it is never given up"
