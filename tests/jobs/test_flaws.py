"""What a worker says is looked at text by text before it touches the database: what cannot be so fails with a sentence,
flags the worker, and costs no other text."""

import json

import pytest
from cryptography.fernet import Fernet
from django.utils import timezone

from inference.contract import Text, to_wire
from inference.seal import addressed
from release_portal.audit.models import Event
from release_portal.jobs import actions, receiver, window
from release_portal.jobs.flaws import flaw_of_text
from release_portal.jobs.models import Worker

from .. import factories

GOOD = Text("1", " and on", 2, 5, "length")
BAD = [
    {"tokens": -1},
    {"tokens": 11},
    {"tokens": 2**40},
    {"tokens": 2**70},
    {"tokens": float("nan")},
    {"tokens": float("inf")},
    {"tokens": 1.5},
    {"tokens": True},
    {"tokens": None},
    {"tokens": "5"},
    {"tokens": 0},  # and a text
    {"prompt_tokens": -1},
    {"prompt_tokens": 2**40},
    {"prompt_tokens": float("nan")},
    {"text": "x" * 5_000_000, "tokens": 10},
    {"text": "a\0b"},
    {"text": "a\ud800b"},
    {"text": None},
    {"text": ["a"]},
    {"finish_reason": "refused"},  # and a text
    {"finish_reason": "refused", "text": "", "tokens": 0},  # and no sentence
    {"finish_reason": "refused", "text": "", "tokens": 0, "error": "x" * 5_000_000},
    {"finish_reason": "refused", "text": "", "tokens": 0, "error": "a\0b"},
    {"finish_reason": "failed"},
    {"finish_reason": "eos_token"},
    {"finish_reason": ""},
    {"finish_reason": None},
    {"finish_reason": "x" * 1_000},
    {"error": "Something is odd."},
    {"logprobs": "x"},
    {"logprobs": [{"token": "a", "logprob": float("nan")}]},
]


def send(worker, report, **changed):
    """The report as a worker's machine may send it: its plain values changed, and sealed with the worker's key."""

    inside = {"kind": type(report).__name__, "message": to_wire(report) | changed}
    sealed = Fernet(worker.key).encrypt(json.dumps(inside).encode()).decode()
    receiver.take(addressed(worker.name, sealed).encode(), at=timezone.now())


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_text_that_cannot_be_fails_alone_and_flags_its_worker(order, job, worker, grant, bad):
    report = factories.report_on(order, ended=True)
    first, second = to_wire(report)["texts"]
    send(worker, report, texts=[first | bad, second])
    job.refresh_from_db()
    grant.refresh_from_db()
    failed, kept = job.completions.order_by("index")
    assert (kept.text, kept.tokens, kept.finish_reason) == (" text 1", 5, "length")
    assert (failed.text, failed.tokens, failed.finish_reason) == ("", 0, "failed")
    assert failed.error.startswith("Worker worker-1 reported ")
    assert failed.error.endswith(" for it, which cannot be. The operator was informed.")
    assert (job.status, job.texts_done, job.texts_refused) == ("finished", 2, 1)
    assert (grant.tokens_used, grant.tokens_reserved) == (5, 0)
    worker.refresh_from_db()
    assert worker.flaws == 1
    assert worker.last_flaw.startswith("a text with ")


def test_flag_tells_the_operator_once(order, job, worker, mara, letters):
    report = factories.report_on(order, ended=True)
    send(worker, report, texts=[text | {"tokens": -1} for text in to_wire(report)["texts"]])
    worker.refresh_from_db()
    assert worker.flaws == 2
    assert letters(mara) == ["Worker worker-1 reports what cannot be"]
    assert Event.objects.about(worker).filter(kind="worker.flagged").count() == 1


@pytest.mark.parametrize("texts", [None, "x", 3, {"a": 1}, [None, 3, "x", [], {}, {"key": 3}, {"key": "x" * 10**6}]])
def test_texts_that_are_none_change_nothing(order, job, worker, texts):
    send(worker, factories.report_on(order), texts=texts)
    job.refresh_from_db()
    assert job.texts_done == 0


def test_text_under_another_spelling_of_its_key_costs_no_other(order, job, worker):
    report = factories.report_on(order)
    first, second = to_wire(report)["texts"]
    send(worker, report, texts=[first | {"key": f"0{first['key']}"}, second])
    job.refresh_from_db()
    assert list(job.completions.finished().values_list("index", flat=True)) == [1]


@pytest.mark.parametrize("key", ["-1", "1e9", "²", "9" * 30, "", " 1", "abc"])
def test_text_with_a_key_that_is_none_changes_nothing(order, job, worker, key):
    report = factories.report_on(order)
    send(worker, report, texts=[to_wire(report)["texts"][0] | {"key": key}])
    job.refresh_from_db()
    assert job.texts_done == 0


@pytest.mark.parametrize(
    "bad",
    [
        {"tokens": -1},
        {"tokens": 2**40},
        {"checkpoint": "x" * 1_000},
        {"checkpoint": "ab" * 31 + "Z\0"},
        {"error": "x" * 5_000_000, "ended": True},
        {"error": "a\0b", "ended": True},
        {"error": "a\ud800b", "ended": True},
        {"groups": ["x"] * 20_000},
    ],
    ids=lambda bad: str(bad)[:60],
)
def test_report_that_cannot_be_flags_its_worker_and_keeps_its_texts(order, job, worker, bad):
    send(worker, factories.report_on(order), **bad)
    job.refresh_from_db()
    worker.refresh_from_db()
    order.refresh_from_db()
    assert job.texts_done == 2
    assert worker.flaws == 1
    assert (order.tokens, order.checkpoint) == (0, "")


@pytest.mark.parametrize(
    "bad",
    [
        {"host": "x" * 1_000},
        {"host": "a\0b"},
        {"device": "x" * 1_000},
        {"dtype": "a\ud800"},
        {"sizes": ["x" * 1_000]},
        {"sizes": ["gpt2/124M"] * 1_000},
        {"loaded": ["a\0"]},
        {"plain": ["x" * 1_000]},
        {"checkpoints": ["x" * 1_000]},
        {"tokens": -1},
        {"tokens": 2**70},
        {"dropped": -1},
    ],
    ids=lambda bad: str(bad)[:60],
)
def test_hello_that_cannot_be_flags_its_worker_and_changes_nothing_else(worker, bad):
    send(worker, factories.heartbeat(), **bad)
    before = worker.seen_at
    worker.refresh_from_db()
    assert worker.flaws == 1
    assert (worker.seen_at, worker.host, worker.sizes) == (before, "host", ["gpt2/124M"])


@pytest.mark.parametrize("worker_name", ["x" * 1_000, "", "worker-2", "a\0b"])
def test_message_in_another_name_than_its_keys_is_dropped(worker, worker_name):
    send(worker, factories.heartbeat(worker_name))
    assert Worker.objects.count() == 1


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        Text("1", "", 2, 0, "stop"),
        Text("1", "", 2, 1, "stop"),
        Text("1", " " * 2_560, 2, 10, "length"),
        Text("1", "\N{REPLACEMENT CHARACTER}北京", 2, 10, "stop"),
        Text("1", "", 1_100, 0, "refused", "The prompt has 1,100 tokens; GPT-2 124M takes at most 1,024."),
    ],
)
def test_text_that_can_be_has_no_flaw(text):
    assert flaw_of_text(text, 10) == ""


def test_job_ends_with_a_sentence_where_the_reason_cannot_be_shown(order, job, worker):
    send(worker, factories.report_on(order, texts=0), ended=True, error="\0" * 9)
    job.refresh_from_db()
    assert job.end_reason == "Worker worker-1 gave a reason that cannot be shown."


def test_worker_that_was_revoked_says_nothing_any_more(worker):
    actions.revoke_worker(by=None, worker=worker, reason="It was flagged.")
    send(worker, factories.heartbeat(), device="other")
    worker.refresh_from_db()
    assert worker.device == "cpu"


def test_report_with_more_groups_than_an_order_has_sequences_sends_no_stop(order, worker, wire, settings):
    groups = [f"group {number}" for number in range(settings.ORDER_SEQUENCES + 1)]
    with wire:
        send(worker, factories.report_on(order, texts=0), groups=groups)
    assert wire.pushed == []
    worker.refresh_from_db()
    assert (worker.flaws, worker.last_flaw[:31]) == (1, "a report with more groups than ")
    with wire:
        send(worker, factories.report_on(order, texts=0), groups=groups[1:])
    assert len(wire.pushed) == settings.ORDER_SEQUENCES


def test_report_with_more_texts_than_an_order_has_sequences_stores_none(order, job, worker, settings, monkeypatch):
    """None beyond the first too many is even read."""
    read, read_text = [], window._read_text
    monkeypatch.setattr(window, "_read_text", lambda wire: read.append(wire) or read_text(wire))
    text = to_wire(factories.report_on(order))["texts"][0]
    send(worker, factories.report_on(order, texts=0), texts=[text] * 10_000)
    worker.refresh_from_db()
    assert (worker.flaws, worker.last_flaw[:30]) == (1, "a report with more texts than ")
    assert len(read) == settings.ORDER_SEQUENCES + 1
    job.refresh_from_db()
    assert job.texts_done == 0
