"""Nothing outside is waited for without end on a thread that others need."""

import pytest
from django.db import connections

from inference.contract import BROKER_OPTIONS
from release_portal.celery import app


@pytest.mark.django_db(databases=["default", "owner"])
def test_database_ends_what_the_site_asks_and_waits_for_but_no_migration():
    def limits(database: str) -> list[str]:
        with connections[database].cursor() as cursor:
            cursor.execute("SELECT current_setting('statement_timeout'), current_setting('lock_timeout')")
            return list(cursor.fetchone())

    assert limits("default") == ["1min", "20s"]
    assert limits("owner") == ["0", "0"]


@pytest.mark.parametrize("database", ["default", "owner"])
def test_database_that_cannot_be_reached_or_vanished_is_given_up(database):
    parameters = connections[database].get_connection_params()
    assert {"connect_timeout", "keepalives_idle", "tcp_user_timeout"} <= set(parameters)


def test_broker_that_says_nothing_is_given_up():
    assert {"socket_timeout", "socket_connect_timeout", "health_check_interval"} <= set(BROKER_OPTIONS)
    assert app.conf.broker_transport_options == BROKER_OPTIONS


def test_clock_remembers_nothing_that_it_could_lose():
    """Each entry comes round by seconds: one that was missed while the clock was away comes when it is back."""
    assert all(isinstance(entry["schedule"], float) for entry in app.conf.beat_schedule.values())
