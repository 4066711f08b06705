"""What starts the portal on a server names the processes of the Procfile. No container is started here."""

import re
from configparser import ConfigParser

import pytest
import yaml
from django.conf import settings

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
    assert unit["Unit"]["StartLimitIntervalSec"] == "0", "it is never given up"
