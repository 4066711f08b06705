"""The site under more readers than it has connections to its database: they share them and wait.

A reader who would wait too long is asked to come again.
"""

import os
import socket
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
import requests
from django.conf import settings
from django.db import connection

from .. import factories
from ..faults.conftest import grant_of, organisation, researcher, rita_of_the_lab, submit, the_end_of
from ..live import Portal, free_port
from ..patience import PATIENCE, until

__all__ = ["grant_of", "organisation", "researcher", "rita_of_the_lab", "submit"]

POOL = 3
READERS = 60


def is_up(portal: Portal) -> bool:
    portal.assert_all_run()
    try:
        return requests.get(f"{portal.base_url}/health/", timeout=PATIENCE).ok
    except requests.ConnectionError:
        return False


@contextmanager
def site_of(portal: Portal, seconds: float, **more: str) -> Iterator[Portal]:
    """Another site on the portal's database, with a small pool, in which one waits so long for a connection."""
    environment = {"DATABASE_POOL": str(POOL), "DATABASE_POOL_SECONDS": str(seconds), "RATE_LIMITS_OFF": "1"} | more
    home = Path(tempfile.mkdtemp(prefix="pool-", dir=portal.home))
    site = Portal(home, free_port(), environment)
    try:
        site.start("web", extra={"PGAPPNAME": home.name})
        until(lambda: is_up(site), what="the site to start")
        yield site
        site.assert_all_run()
    finally:
        site.stop()


def sessions_of(site: Portal, waits: str = "%") -> int:
    """How many the site has, those that wait for something of that kind."""
    with connection.cursor() as cursor:
        sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND wait_event_type LIKE %s"
        cursor.execute(sessions, [site.home.name, waits])
        return int(cursor.fetchone()[0])


def test_many_readers_share_a_few_connections(portal: Portal):
    with site_of(portal, PATIENCE) as site, ThreadPoolExecutor(READERS) as readers:
        address = f"{site.base_url}/families/gpt2/"
        reading = [readers.submit(requests.get, address, timeout=PATIENCE) for _ in range(3 * READERS)]
        sessions = [sessions_of(site) for one in reading if one.result()]

    assert {one.result().status_code for one in reading} == {200}
    assert 0 < max(sessions) <= POOL


def test_readers_who_do_not_read_on_hold_no_connection(portal: Portal, submit, researcher, client_of):
    job = submit(1)
    the_end_of(job)
    factories.finished_texts(job, 1_500, text="x" * 20_000)
    name = settings.SESSION_COOKIE_NAME
    cookie = f"{name}={client_of(researcher).cookies[name].value}"
    asked = f"GET {job.get_absolute_url()}texts.jsonl HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n"

    with site_of(portal, PATIENCE / 4, READ_SECONDS=str(2 * PATIENCE)) as site, ExitStack() as open_:
        for _ in range(2 * POOL):
            reader = open_.enter_context(socket.create_connection(("127.0.0.1", site.port), PATIENCE))
            reader.sendall(asked.encode())
            assert reader.recv(4_096).startswith(b"HTTP/1.1 200 OK")

        assert requests.get(f"{site.base_url}/families/gpt2/", timeout=PATIENCE).status_code == 200


@pytest.fixture
def held(portal: Portal) -> Iterator:
    """Nobody can read the families while this is open."""
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"]) as owner:
        yield owner


def test_reader_who_would_wait_too_long_is_asked_to_come_again(portal: Portal, held):
    with site_of(portal, 0.5) as site, ThreadPoolExecutor(POOL) as readers:
        held.execute("LOCK TABLE releases_family")
        waiting = [readers.submit(requests.get, f"{site.base_url}/", timeout=PATIENCE) for _ in range(POOL)]
        until(lambda: sessions_of(site, "Lock") == POOL, what="all connections to be taken")

        page, problem = (requests.get(site.base_url + path, timeout=PATIENCE) for path in ("/", "/api/v1/families"))

        held.rollback()
        assert [one.result().status_code for one in waiting] == [200] * POOL
        assert requests.get(f"{site.base_url}/", timeout=PATIENCE).status_code == 200
    for answer in (page, problem):
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "<h1>The portal is busy</h1>" in page.text
    assert problem.json()["detail"] == "The portal is busy. Nothing was done; send it again in 5 seconds."
