"""Each worker has an account of its own on the broker, which reaches its own keys and nothing of the site's."""

from datetime import timedelta

import pytest
import redis
from django.conf import settings
from django.utils import timezone
from redis.exceptions import NoPermissionError

from inference.contract import Revoked
from release_portal.jobs import accounts, actions
from release_portal.jobs.accounts import address_for, has_account, password_of, set_account
from release_portal.jobs.models import Worker
from release_portal.lib.broker import broker


@pytest.fixture
def anna(quiet):
    Worker.objects.all().delete()
    worker = actions.enroll_worker(by=None, name="anna")
    set_account(worker)
    yield worker
    for name in broker().acl_users():
        if name.startswith("worker-"):
            broker().acl_deluser(name)
    broker().delete("worker:anna:orders", "worker:anna:notices", "worker:anna:b:orders", "reports", "site", "secret")


def client_of(worker):
    return redis.Redis.from_url(address_for(worker))


def test_account_does_what_a_worker_needs(anna):
    broker().lpush("worker:anna:orders", "an order")
    client = client_of(anna)
    assert client.brpop(["worker:anna:orders"], 1) == (b"worker:anna:orders", b"an order")
    assert client.lpush("reports", "a report") == 1


@pytest.mark.parametrize(
    "command",
    [
        "LPUSH site garbage",
        "BRPOP site 1",
        "BRPOP worker:anna-2:orders 1",
        "LPUSH worker:bert:orders x",
        "GET secret",
        "SET secret x",
        "HGETALL unacked",
        "KEYS *",
        "SCAN 0",
        "RANDOMKEY",
        "DBSIZE",
        "FLUSHALL",
        "FLUSHDB",
        "CONFIG GET *",
        "ACL LIST",
        "ACL WHOAMI",
        "CLIENT LIST",
        "CLIENT SETINFO LIB-NAME x",
        "CLIENT KILL TYPE normal",
        "CLIENT PAUSE 1000",
        "MONITOR",
        "DEBUG SLEEP 0",
        "SHUTDOWN",
        "SAVE",
        "INFO",
        "PUBLISH /0.celery.pidbox x",
        "SUBSCRIBE /0.celery.pidbox",
        "EVAL return(1) 0",
        "SCRIPT LOAD return(1)",
        "SORT reports BY secret",
        "MIGRATE h 1 k 0 1",
        "REPLICAOF h 1",
        "MODULE LIST",
        "LRANGE reports 0 -1",
        "DEL reports",
    ],
)
def test_account_reaches_nothing_else(anna, command):
    with pytest.raises(NoPermissionError):
        client_of(anna).execute_command(*command.split())


def test_client_that_may_not_tell_its_version_goes_on(anna):
    """Before 7.2 no server knows the command, and takes no account whose rules name it."""
    assert client_of(anna).ping()
    with pytest.raises(redis.ResponseError):
        client_of(anna).client_setinfo("LIB-NAME", "x")


def test_account_of_one_name_reaches_no_longer_name(anna):
    actions.enroll_worker(by=None, name="anna.b")
    with pytest.raises(NoPermissionError):
        client_of(anna).brpop(["worker:anna.b:orders"], 1)


def test_nobody_without_an_account_is_let_in():
    path = settings.REDIS_URL.rpartition("@")[2]
    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url(f"unix://{path}").ping()


def test_keep_accounts_makes_those_that_a_broker_forgot_and_removes_those_of_revoked_workers(anna):
    assert actions.keep_accounts() == 0
    broker().acl_deluser("worker-anna")
    assert actions.keep_accounts() == 1
    assert client_of(anna).ping()
    actions.revoke_worker(by=None, worker=anna, reason="Its machine was stolen.")
    held = client_of(anna)
    held.ping()
    assert actions.keep_accounts(at=timezone.now() + timedelta(seconds=61)) == 1
    with pytest.raises(redis.ConnectionError):
        held.ping()


@pytest.mark.parametrize("changed", [">another", "+get", "~*", "off", "resetpass"])
def test_keep_accounts_sets_right_what_was_changed(anna, changed):
    broker().execute_command("ACL", "SETUSER", "worker-anna", changed)
    assert actions.keep_accounts() == 1
    assert client_of(anna).ping()
    with pytest.raises(NoPermissionError):
        client_of(anna).get("secret")
    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url(address_for(anna).replace(password_of(anna), "another")).ping()
    assert actions.keep_accounts() == 0


def test_keep_accounts_sets_what_another_release_made(anna, monkeypatch):
    monkeypatch.setattr(accounts, "_made", {})  # a process that has just started
    assert actions.keep_accounts() == 1
    monkeypatch.setattr(accounts, "COMMANDS", accounts.COMMANDS | {"ttl"})
    assert actions.keep_accounts() == 1
    assert client_of(anna).ttl("worker:anna:orders") == -2


def test_account_is_there_once_the_broker_lets_the_worker_in(anna, monkeypatch):
    assert has_account(anna)
    broker().acl_deluser("worker-anna")
    assert not has_account(anna)
    monkeypatch.setattr(accounts, "broker", lambda: redis.Redis.from_url("unix:///nobody/listens.sock"))
    assert not has_account(anna)


def test_keep_accounts_spares_a_worker_that_is_enrolled_meanwhile(anna, monkeypatch):
    names = accounts._names

    def enroll_and_name():
        if not Worker.objects.filter(name="bert").exists():
            set_account(actions.enroll_worker(by=None, name="bert"))
        return names()

    monkeypatch.setattr(accounts, "_names", enroll_and_name)
    assert actions.keep_accounts() == 0
    assert "worker-bert" in broker().acl_users()


def test_revoke_leaves_the_worker_its_notice_and_nothing_else(anna, django_capture_on_commit_callbacks):
    """Also one that is slow to take it, and whose other connections are open."""
    held, key = client_of(anna), anna.seal
    broker().lpush("worker:anna:orders", "an order")
    with django_capture_on_commit_callbacks(execute=True):
        actions.revoke_worker(by=None, worker=anna, reason="Its machine was stolen.")
    for command in (
        lambda: held.brpop(["worker:anna:orders"], 1),
        lambda: held.lpush("reports", "a report"),
        lambda: held.lpush("worker:anna:notices", "a notice"),
        lambda: held.hset("worker:anna:unacked", "a", "b"),
    ):
        with pytest.raises(NoPermissionError):
            command()
    assert actions.keep_accounts() == 0, "a minute has not passed"
    _, notice = client_of(anna).brpop(["worker:anna:notices"], 1)
    assert key.open(notice).read(Revoked).worker == "anna"
    assert actions.keep_accounts(at=timezone.now() + timedelta(seconds=61)) == 1
    assert not has_account(anna)
    with pytest.raises(redis.ConnectionError):
        held.ping()


def test_account_of_a_revoked_worker_whose_key_cannot_be_read_is_removed(anna, django_capture_on_commit_callbacks):
    held = client_of(anna)
    held.ping()
    Worker.objects.filter(pk=anna.pk).update(sealed_key="what another key sealed")
    with django_capture_on_commit_callbacks(execute=True):
        actions.revoke_worker(by=None, worker=Worker.objects.get(pk=anna.pk), reason="Its machine was stolen.")
    assert not has_account(anna)
    with pytest.raises(redis.ConnectionError):
        held.ping()


def test_revoke_while_the_broker_is_away_leaves_the_account_to_the_clock(
    anna, django_capture_on_commit_callbacks, monkeypatch, caplog
):
    away = redis.Redis.from_url("unix:///nobody/listens.sock")
    with monkeypatch.context() as patch, django_capture_on_commit_callbacks(execute=True):
        patch.setattr(accounts, "broker", lambda: away)
        actions.revoke_worker(by=None, worker=anna, reason="Its machine was stolen.")
    assert "The account of worker anna on the broker is still open" in caplog.text
    assert client_of(anna).lpush("reports", "a report")
    actions.keep_accounts()
    with pytest.raises(NoPermissionError):
        client_of(anna).lpush("reports", "a report")


def test_enroll_again_changes_the_password(anna):
    old = address_for(anna)
    actions.revoke_worker(by=None, worker=anna, reason="Its machine was stolen.")
    again = actions.enroll_worker(by=None, name="anna")
    set_account(again)
    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url(old).ping()
    assert client_of(again).ping()


def test_broker_that_lets_the_site_make_none_keeps_the_address_of_the_environment(anna, settings):
    settings.WORKER_ACCOUNTS, settings.WORKER_REDIS_URL = False, "rediss://workers:word@broker.example:6379/0"
    assert address_for(anna) == "rediss://workers:word@broker.example:6379/0"
    assert actions.keep_accounts() == 0
