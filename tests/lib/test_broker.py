"""Another process is woken, or not: what wakes it goes on."""

import os
import subprocess
import sys

import pytest

from release_portal.lib.embedded import start_redis

from ..patience import PATIENCE

pytestmark = pytest.mark.live

WHILE_REDIS_IS_AWAY = """
import os, signal, sys
from django.db import transaction
from release_portal.lib import broker

transaction.on_commit = lambda call: call()
broker.push_on_commit("worker:anna:notices", "a notice")
os.kill(int(sys.argv[1]), signal.SIGKILL)
broker.push_on_commit("worker:anna:notices", "a notice")
broker.send_task_on_commit("jobs.fill")
"""


def test_nobody_waits_for_a_broker_that_is_away(tmp_path):
    socket = tmp_path / "redis.sock"
    server = start_redis(tmp_path, socket, "word")
    command = [sys.executable, "-c", WHILE_REDIS_IS_AWAY, str(server.pid)]
    environment = os.environ | {"REDIS_URL": f"unix://:word@{socket}"}
    try:
        ended = subprocess.run(command, env=environment, timeout=PATIENCE, check=False, capture_output=True, text=True)
    finally:
        server.kill()
        server.wait()
    assert ended.returncode == 0, ended.stderr
    assert (
        "A message to worker:anna:notices was not sent, the next message of its worker brings it again" in ended.stderr
    )
    assert "jobs.fill was not sent, the clock will send it again" in ended.stderr
