"""What can happen to a running portal. Each does its harm, and undoes what an operator's supervisor would undo."""

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import redis
from django.conf import settings
from django.db import connection

from release_portal.lib.embedded import start_redis

from .. import factories
from ..live import LEASE_SECONDS, Portal, until
from ..silence import silent_server

Nemesis = Callable[[Portal], None]
AWAY_SECONDS = 2.0
"""How long something that was killed or stopped stays away."""


def kill_generation_worker(portal: Portal) -> None:
    portal.kill("generate")
    portal.start("generate")


def terminate_generation_worker(portal: Portal) -> None:
    portal.kill("generate", signal.SIGTERM)
    portal.start("generate")


def freeze_generation_worker(portal: Portal) -> None:
    """Past its lease; it then goes on as if nothing had happened, with an order that is no longer its own."""
    portal.processes["generate"].send_signal(signal.SIGSTOP)
    time.sleep(LEASE_SECONDS + 2)
    portal.processes["generate"].send_signal(signal.SIGCONT)


def kill_site_worker(portal: Portal) -> None:
    portal.kill("site")
    time.sleep(AWAY_SECONDS)
    portal.start("site")


def kill_clock(portal: Portal) -> None:
    portal.kill("clock")
    time.sleep(AWAY_SECONDS)
    portal.start("clock")


def empty_redis(portal: Portal) -> None:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushall()


def pause_redis(portal: Portal) -> None:
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.execute_command("CLIENT", "PAUSE", int(AWAY_SECONDS * 1000))
    time.sleep(AWAY_SECONDS)


def restart_redis(portal: Portal, meanwhile: Callable[[], object] = lambda: None) -> None:
    """It comes back with what it had written down."""
    address = urlsplit(settings.REDIS_URL)
    socket = Path(address.path)
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.shutdown(save=True)
    time.sleep(AWAY_SECONDS)
    meanwhile()
    portal.services.append(start_redis(socket.parent, socket, str(address.password)))


def kill_database_sessions(portal: Portal) -> None:
    """A storm: every session of the application, three times."""
    for _ in range(3):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename = current_user AND pid <> pg_backend_pid()"
            )
        time.sleep(AWAY_SECONDS / 4)


def silence_mail_server(portal: Portal, meanwhile: Callable[[], object] = lambda: time.sleep(AWAY_SECONDS)) -> None:
    """Mail hangs in a server that takes the connection and says nothing."""
    portal.kill("mail")
    with silent_server() as server:
        told = {"EMAIL_URL": f"smtp://{server.host}:{server.port}", "EMAIL_TIMEOUT": "300"}
        portal.start("mail", told=told)
        factories.LetterFactory()
        until(lambda: server.taken, seconds=60, what="the mail process to hang")
        meanwhile()
        portal.kill("mail")
    portal.start("mail")


def restart_postgres(portal: Portal | None = None) -> None:
    """At once, as after a power cut: sessions are cut off, and what was committed is there again."""
    sockets = Path(parse_qs(urlsplit(os.environ["DATABASE_URL"]).query)["host"][0])
    folder = Path((sockets / ".s.PGSQL.5432.lock").read_text().split()[1])
    pg_ctl = Path(shlex.split((folder / "postmaster.opts").read_text())[0]).with_name("pg_ctl")
    connection.close()
    restart = [pg_ctl, "restart", "-D", folder, "-m", "immediate", "-w", "-l", folder / "restarted.log"]
    subprocess.run(restart, user=folder.stat().st_uid, cwd=folder, check=True, stdout=subprocess.DEVNULL)


ALL: tuple[Nemesis, ...] = (
    kill_generation_worker,
    empty_redis,
    kill_site_worker,
    freeze_generation_worker,
    restart_postgres,
    kill_clock,
    restart_redis,
    kill_database_sessions,
    pause_redis,
    terminate_generation_worker,
    silence_mail_server,
)
