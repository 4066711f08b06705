"""What comes from workers is read only where a worker's own key, which still holds, sealed it lately and once."""

import base64
import json
from datetime import timedelta
from importlib import import_module

import pytest
from cryptography.fernet import Fernet
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from inference import contract
from inference.seal import Seal, addressed
from release_portal.jobs import actions, receiver
from release_portal.jobs.models import Drop, SeenMessage, Worker
from release_portal.jobs.window import forget_seen
from release_portal.lib.broker import broker

from .. import factories


@pytest.fixture
def sealed(worker):
    """A message as its worker, or another, sends it."""

    def sealed(message, by=None, key=None):
        by = by or worker
        return addressed(by.name, Seal(key or by.key).close(message)).encode()

    return sealed


def take(sent, at=None):
    receiver.take(sent, at=at or timezone.now())


def drops():
    return dict(Drop.objects.values_list("reason", "number"))


def test_report_of_the_worker_that_holds_the_order_counts(order, job, sealed):
    take(sealed(factories.report_on(order, ended=True)))
    job.refresh_from_db()
    assert job.texts_done == 2
    assert drops() == {}


def test_hello_of_an_enrolled_worker_counts(worker, sealed):
    take(sealed(factories.heartbeat(device="cuda:0")))
    worker.refresh_from_db()
    assert worker.device == "cuda:0"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"not json",
        b"\xff\xfe\x00",
        b"worker-1",
        b"worker-1 ",
        b"worker-1 gAAAA",
        b"worker-1 \xff",
        b" worker-1 x",
        b"nobody gAAAA",
        b"wor\x00ker x",
        b"x" * 200 + b" y",
        b"{" * 100_000,
    ],
)
def test_garbage_is_dropped_and_counted(worker, sent):
    take(sent)
    assert sum(drops().values()) == 1
    assert not SeenMessage.objects.exists()


def test_message_of_celery_runs_nothing(worker, wire):
    """A worker's machine can write whatever it likes into the list: no task is called by it."""
    with wire:
        take(json.dumps({"headers": {"task": "jobs.dispatch"}, "body": "W10="}).encode())
    assert wire.tasks == []
    assert sum(drops().values()) == 1


def test_report_under_another_key_is_dropped(order, job, sealed):
    take(sealed(factories.report_on(order), key=Fernet.generate_key().decode()))
    job.refresh_from_db()
    assert job.texts_done == 0
    assert drops() == {"it was not sealed with this key": 1}


def test_report_for_another_worker_is_dropped(order, job, sealed):
    """A stolen key opens no other worker's orders."""
    thief = factories.beat("thief")
    take(sealed(factories.report_on(order), by=thief))
    assert drops() == {"it speaks for another worker": 1}
    take(sealed(factories.report_on(order, worker="thief"), by=thief))
    job.refresh_from_db()
    assert job.texts_done == 0


def test_report_under_a_revoked_key_is_dropped(order, job, worker, sealed):
    report = sealed(factories.report_on(order))
    actions.revoke_worker(by=None, worker=worker, reason="Its machine was stolen.")
    take(report)
    job.refresh_from_db()
    assert job.texts_done == 0
    assert drops() == {"it comes from no worker whose key holds": 1}


def test_worker_that_missed_that_it_is_revoked_hears_it_again_with_its_next_messages(order, worker, sealed, wire):
    """At most once in a few seconds, however much it sends."""
    broker().delete("asked:revoked:worker-1")
    reports = [sealed(factories.report_on(order)) for _ in range(3)]
    with wire:
        take(reports[0][:50])
    assert wire.pushed == [], "its key holds"
    actions.revoke_worker(by=None, worker=worker, reason="Its machine was stolen.")
    with wire:
        for report in reports:
            take(report)
    [(key, notice)] = wire.pushed
    assert key == "worker:worker-1:notices"
    assert worker.seal.open(notice).read(contract.Revoked) == contract.Revoked("worker-1")
    assert broker().ttl("asked:revoked:worker-1") <= 5


def test_report_that_waits_for_a_job_while_its_worker_is_revoked_counts_for_nothing(
    order, job, worker, sealed, monkeypatch
):
    module = import_module("release_portal.jobs.actions.report")
    locked_all = module.locked_all

    def revoked_meanwhile(*, jobs):
        actions.revoke_worker(by=None, worker=worker, reason="Its machine was stolen.")
        return locked_all(jobs=jobs)

    monkeypatch.setattr(module, "locked_all", revoked_meanwhile)
    take(sealed(factories.report_on(order)))
    job.refresh_from_db()
    assert job.texts_done == 0


def test_report_under_the_key_before_the_present_one_is_dropped(order, worker, sealed):
    report = sealed(factories.report_on(order))
    actions.revoke_worker(by=None, worker=worker, reason="Its machine was stolen.")
    actions.enroll_worker(by=None, name=worker.name)
    take(report)
    assert drops() == {"it was not sealed with this key": 1}


@pytest.mark.parametrize("late", [timedelta(seconds=contract.MESSAGE_SECONDS + 2), -timedelta(seconds=70)])
def test_message_that_is_old_or_from_the_future_is_dropped(worker, sealed, late):
    seen = worker.seen_at
    take(sealed(factories.heartbeat(device="other")), at=timezone.now() + late)
    worker.refresh_from_db()
    assert (worker.seen_at, worker.device) == (seen, "cpu")
    assert drops() == {"it is too old, or from a clock that is ahead": 1}


@pytest.mark.parametrize("respelt", [False, True])
def test_message_that_was_read_before_is_dropped(order, job, sealed, respelt):
    """However its base64 is spelt."""
    sent = sealed(factories.report_on(order, texts=1))
    take(sent)
    token = factories.orders_of(job).get().token
    take(sent[:-8] + b"\n" + sent[-8:] if respelt else sent)
    assert drops() == {"it was read before": 1}
    assert factories.orders_of(job).get().token == token


def test_order_that_comes_back_as_a_report_is_dropped(order, worker, wire, job):
    """The broker's keeper sends the site its own message."""
    with wire:
        actions.dispatch(by=None, at=order.leased_until + timedelta(seconds=1))
        factories.beat(at=order.leased_until + timedelta(seconds=2))
        actions.dispatch(by=None, at=order.leased_until + timedelta(seconds=2))
    [mine] = [args[0] for name, args, _ in wire.tasks if name == contract.GENERATE]
    take(addressed("worker-1", mine).encode())
    assert drops() == {"it is of another kind": 1}


@pytest.mark.parametrize("wire", [None, [], "x", {"order": 3}, {"order": "a", "token": "1", "worker": "worker-1"}])
def test_sealed_message_that_is_no_report_is_dropped(worker, wire):
    inside = json.dumps({"kind": "Report", "message": wire}).encode()
    take(addressed(worker.name, Fernet(worker.key).encrypt(inside).decode()).encode())
    assert drops() == {"it cannot be read": 1}


def test_report_on_what_is_no_order_changes_nothing(worker, sealed):
    take(sealed(contract.Report("no uuid", 1, "worker-1")))
    assert drops() == {}


def test_report_is_read_again_once_the_database_is_back(order, job, sealed, monkeypatch):
    receive = actions.receive_report
    answers = [OperationalError("deadlock detected"), InterfaceError("connection already closed")]

    def receive_report(**said):
        if answers:
            raise answers.pop()
        receive(**said)

    monkeypatch.setattr(receiver.actions, "receive_report", receive_report)
    monkeypatch.setattr(receiver.connection, "close", lambda: None)  # it is this test's own
    receiver.Receiver().handle(sealed(factories.report_on(order, ended=True)))
    job.refresh_from_db()
    assert job.texts_done == 2


@pytest.fixture
def reports(monkeypatch):
    """The list that the receiver takes from, empty; what it reads is read in this thread."""
    monkeypatch.setattr(receiver.connection, "close", lambda: None)  # it is this test's own
    broker().delete(contract.REPORTS)
    yield contract.REPORTS
    broker().delete(contract.REPORTS)


def test_what_stands_in_the_place_of_the_list_is_removed_and_counted(quiet, reports, monkeypatch):
    """A worker's account may write there; before Redis 7 with any of its commands."""
    taker, taken = receiver.Receiver(), []

    def pause(away):
        assert away < 3, "the list cannot be read"
        return away + 1

    def handle(sent):
        taken.append(sent)
        taker.stop.set()

    clear = receiver.clear_list
    monkeypatch.setattr(taker, "_pause", pause)
    monkeypatch.setattr(taker, "handle", handle)
    monkeypatch.setattr(receiver, "clear_list", lambda *, at: (clear(at=at), broker().lpush(reports, "a message")))
    broker().hset(reports, "a", "b")
    taker._keep_taking()
    assert taken == [b"a message"]
    assert drops() == {"it stood in the place of the list": 1}


def test_list_that_another_thread_cleared_is_left_alone(quiet, reports):
    broker().lpush(reports, "a message")
    receiver.clear_list(at=timezone.now())
    assert broker().llen(reports) == 1
    assert drops() == {}


def test_message_that_was_taken_as_the_receiver_had_to_stop_is_read(order, job, sealed):
    taker = receiver.Receiver()
    taker.stop.set()
    taker.handle(sealed(factories.report_on(order, ended=True)))
    job.refresh_from_db()
    assert job.texts_done == 2


def test_message_that_waits_for_the_database_at_the_end_goes_back_to_where_it_was_taken(reports, monkeypatch):
    def is_away(sent, *, at):
        taker.stop.set()
        raise OperationalError("connection refused")

    monkeypatch.setattr(receiver, "take", is_away)
    broker().lpush(reports, "a later one")
    taker = receiver.Receiver()
    taker.handle(b"a message")
    assert broker().lrange(reports, 0, -1) == [b"a later one", b"a message"]


def test_message_whose_verb_fails_is_dropped_and_the_next_is_read(worker, sealed, monkeypatch, caplog):
    def fails(**said):
        raise ValueError("a secret prompt")

    with monkeypatch.context() as patch:
        patch.setattr(receiver.actions, "receive_heartbeat", fails)
        take(sealed(factories.heartbeat()))
    assert drops() == {"it failed with ValueError": 1}
    assert "failed with ValueError, in tests/jobs/test_window.py, line " in caplog.text
    assert "secret" not in caplog.text
    take(sealed(factories.heartbeat(device="other")))
    worker.refresh_from_db()
    assert worker.device == "other"


def test_forget_seen_keeps_what_could_be_sent_again(worker, sealed):
    take(sealed(factories.heartbeat()))
    at = timezone.now()
    assert forget_seen(at=at + timedelta(seconds=contract.MESSAGE_SECONDS)) == 0
    assert forget_seen(at=at + timedelta(seconds=2 * contract.MESSAGE_SECONDS + 1)) == 1


def test_key_is_not_in_the_database_as_it_is(worker):
    stored = Worker.objects.values_list("sealed_key", flat=True).get(pk=worker.pk)
    assert worker.key not in stored
    assert base64.urlsafe_b64decode(worker.key) not in base64.urlsafe_b64decode(stored)
