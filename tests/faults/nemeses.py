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
from django.db.models import Q

from inference.contract import REPORTS, Report, Text, notices_of, orders_of
from inference.seal import addressed
from release_portal.jobs import actions as jobs
from release_portal.jobs.models import Drop, Worker, WorkOrder
from release_portal.lib.embedded import start_redis

from .. import factories
from ..garbage import touching
from ..live import LEASE_SECONDS, Portal, has_worker
from ..patience import assert_within, until, within
from ..silence import silent_server

Nemesis = Callable[[Portal], None]
GARBAGE = [
    b"no JSON",
    b"\xff\xfe\x00",
    b"[]",
    b"null",
    b"{}",
    b"[" * 100_000,
    b'{"body": 1, "properties": 2}',
    b"live gAAAA",
    b"nobody gAAAA",
]
NO_TASK = (
    b'{"body": "W10=", "content-type": "application/json", "content-encoding": "utf-8", "headers": {"task": "no.task",'
    b' "id": 3}, "properties": {"body_encoding": "base64", "delivery_tag": "2", "delivery_info": {"exchange": "",'
    b' "routing_key": "anything"}}}'
)
OF_CELERY = Q(reason__startswith="in the site's queue: ")
FORGED = "This text is forged."
REVOKED_WITHIN = 2  # seconds from the revocation of a key until its worker has ended
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


def kill_receiver(portal: Portal) -> None:
    portal.kill("receive")
    time.sleep(AWAY_SECONDS)
    portal.start("receive")


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
        environment = {"EMAIL_URL": f"smtp://{server.host}:{server.port}", "EMAIL_TIMEOUT": "300"}
        portal.start("mail", extra=environment)
        factories.LetterFactory()
        until(lambda: server.taken, seconds=60, what="the mail process to hang")
        meanwhile()
        portal.kill("mail")
    portal.start("mail")


def put_garbage_into_every_queue(portal: Portal) -> None:
    """What no part of the portal sent, where each of them reads. It is dropped and counted; of what is a message, and
    no task that a process knows, Celery tells in the log alone."""
    touched = portal.home / "touched"
    messages = [touching(touched), NO_TASK]
    of_celery = dropped(OF_CELERY) + 2 * len(GARBAGE)
    of_reports = dropped(~OF_CELERY) + len(GARBAGE) + len(messages)
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        for queue in ("site", "mail", REPORTS, orders_of("live"), notices_of("live")):
            client.lpush(queue, *messages, *GARBAGE)
    until(lambda: dropped(OF_CELERY) >= of_celery, what="what Celery's queues dropped to be counted")
    until(lambda: dropped(~OF_CELERY) >= of_reports, what="what the receiver dropped to be counted")
    assert not touched.exists(), "a pickle was read"


def dropped(reasons: Q) -> int:
    """How many messages were dropped so far, for such reasons."""
    return sum(Drop.objects.filter(reasons).values_list("number", flat=True))


def steal_worker_key(portal: Portal) -> None:
    """A thief reports in the worker's name. The key is revoked, which ends the worker, and the worker gets another."""
    forged = until(lambda: forged_reports(worker_of(portal)), what="an order to be out")
    assert_within(within(REVOKED_WITHIN), lambda: seconds_to_revoke(portal))
    assert_dropped(forged, "it comes from no worker whose key holds")
    portal.enroll("live")
    portal.start("generate")
    assert_dropped(forged, "it was not sealed with this key")


def worker_of(portal: Portal) -> Worker:
    """The worker of the portal's process, which gets another key where its own was revoked."""
    if "generate" not in portal.processes:
        portal.enroll("live")
        portal.start("generate")
        until(lambda: has_worker(portal), what="the worker to be there again")
    return Worker.objects.enrolled().get(name="live")


def seconds_to_revoke(portal: Portal) -> float:
    """Until the process of the worker has ended."""
    worker = worker_of(portal)
    began = time.monotonic()
    jobs.revoke_worker(by=None, worker=worker, reason="Its machine was stolen.")
    until(lambda: portal.processes["generate"].poll() is not None, what="the worker to end")
    portal.processes.pop("generate")
    return time.monotonic() - began


def forged_reports(worker: Worker) -> list[str]:
    """A report on every order that the worker has in hand, under its key."""
    reports = []
    for order in WorkOrder.objects.out().filter(worker=worker):
        unfinished = order.completions.unfinished().values_list("pk", flat=True)
        texts = tuple(Text(str(key), FORGED, 1, 1, "stop") for key in unfinished)
        report = Report(str(order.pk), order.token, worker.name, len(texts), texts, ended=True)
        reports.append(addressed(worker.name, worker.seal.close(report)))
    return reports


def assert_dropped(forged: list[str], reason: str) -> None:
    """Send the reports; each is dropped and counted for this reason."""
    after = dropped(Q(reason=reason)) + len(forged)
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.lpush(REPORTS, *forged)
    until(lambda: dropped(Q(reason=reason)) >= after, what=f"{len(forged)} forged reports to be dropped: {reason}")


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
    kill_receiver,
    freeze_generation_worker,
    restart_postgres,
    kill_clock,
    restart_redis,
    kill_database_sessions,
    pause_redis,
    terminate_generation_worker,
    silence_mail_server,
    put_garbage_into_every_queue,
    steal_worker_key,
)
IN_SHORT: tuple[Nemesis, ...] = (
    kill_generation_worker,
    empty_redis,
    restart_postgres,
    kill_clock,
    pause_redis,
)
"""Those that no test of test_faults.py meets alone, and the two that meet every part of the portal."""
