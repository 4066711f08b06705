from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from inference import contract
from release_portal.audit.models import Event
from release_portal.jobs import actions
from release_portal.jobs.models import Job
from release_portal.jobs.progress import progress_of, tokens_in_hand

from .. import factories


def tell(report):
    actions.receive_report(by=None, report=report)


def standing(job):
    """Texts done, tokens done; and the quota's used and reserved."""
    job.refresh_from_db()
    job.grant.refresh_from_db()
    return job.texts_done, job.tokens_done, job.grant.tokens_used, job.grant.tokens_reserved


def test_report_stores_texts_as_they_finish(order, job):
    tell(factories.report_on(order, texts=1, tokens=8))
    text = job.completions.finished().get()
    assert (text.index, text.text, text.tokens, text.prompt_tokens, text.finish_reason) == (
        0,
        " text 0",
        5,
        2,
        "length",
    )
    assert standing(job) == (1, 5, 5, 10)
    order.refresh_from_db()
    assert (order.worker_id, order.tokens) == ("worker-1", 8)
    assert tokens_in_hand(job) == 3


def test_last_report_finishes_order_and_job_and_tells_the_submitter(order, job, ben, letters, wire):
    with wire:
        tell(factories.report_on(order, ended=True, checkpoint="ab" * 32))
    order.refresh_from_db()
    assert (order.status, order.checkpoint) == ("done", "ab" * 32)
    assert standing(job) == (2, 10, 10, 0)
    assert job.status == "finished"
    assert letters(ben)[-1] == "Your job “GPT-2 124M, 2 texts” finished"
    assert "jobs.fill" in wire.names, "there is room for the next order"


@pytest.mark.parametrize("ended", [False, True])
def test_duplicate_report_stores_and_charges_once(order, job, ended):
    report = factories.report_on(order, texts=2 if ended else 1, ended=ended)
    tell(report)
    once, stored = standing(job), list(job.completions.order_by("index").values())
    tell(report)
    tell(report)
    assert standing(job) == once
    assert list(job.completions.order_by("index").values()) == stored
    assert Event.objects.about(job).filter(kind="job.finished").count() == ended


def test_last_report_brings_what_a_lost_one_had(order, job):
    """No report of the first text arrived."""
    tell(factories.report_on(order, ended=True))
    assert standing(job) == (2, 10, 10, 0)


def test_text_that_is_there_is_never_written_over(order, job):
    tell(factories.report_on(order, texts=1))
    other = contract.Text(str(job.completions.get(index=0).pk), "another", 2, 9, "stop")
    tell(_report_of(order, other))
    assert job.completions.get(index=0).text == " text 0"
    assert standing(job) == (1, 5, 5, 10)


def _report_of(order, *texts, **fields):
    order.refresh_from_db()
    return contract.Report(order=str(order.pk), token=order.token, worker="worker-1", texts=texts, **fields)


def test_report_cannot_write_another_jobs_text(order, submit, job):
    other = submit()
    text = contract.Text(str(other.completions.first().pk), "not yours", 2, 5, "stop")
    tell(_report_of(order, text))
    assert not other.completions.finished().exists()
    assert standing(job)[0] == 0


def test_report_that_ends_without_all_texts_is_handed_out_again(order, job, wire):
    with wire:
        tell(factories.report_on(order, texts=1, ended=True))
    order.refresh_from_db()
    assert order.status == "lost"
    [waiting] = job.completions.waiting()
    assert (waiting.index, waiting.attempts) == (1, 1)
    assert "jobs.fill" in wire.names
    assert "its texts were incomplete" in Event.objects.about(order).latest("id").sentence


def test_prompt_that_cannot_be_continued_says_so_and_costs_nothing(order, job):
    first, second = job.completions.order_by("index")
    sentence = "The prompt has 1,100 tokens; GPT-2 124M takes at most 1,024."
    tell(
        _report_of(
            order,
            contract.Text(str(first.pk), "", 1_100, 0, "refused", sentence),
            contract.Text(str(second.pk), " and on", 2, 4, "stop"),
            ended=True,
        )
    )
    assert standing(job) == (2, 4, 4, 0)
    assert (job.status, job.texts_refused) == ("finished", 1)
    assert job.end_reason == "1 text could not be generated; it says why, and it was not charged."
    first.refresh_from_db()
    assert (first.error, first.finish_reason) == (sentence, "refused")


@examples(max_examples=12)
@given(st.lists(st.tuples(st.sets(st.integers(0, 3)), st.booleans()), max_size=5), st.integers(1, 4))
def test_reports_in_any_number_and_order_charge_each_text_once(submit, worker, reports, tokens):
    """Any subsets of the texts, reported any number of times, under the token of then or an older one."""
    with transaction.atomic():
        job = submit(4)
        actions.dispatch(by=None)
        order = factories.orders_of(job).get()
        keys = list(job.completions.order_by("index").values_list("pk", flat=True))
        expected = set()
        for texts, stale in reports:
            reported = tuple(contract.Text(str(keys[index]), "x", 2, tokens, "stop") for index in sorted(texts))
            tell(contract.Report(str(order.pk), 0 if stale else 1, "worker-1", texts=reported))
            expected |= set() if stale else texts
        done = len(expected)
        assert standing(job) == (done, done * tokens, done * tokens, (4 - done) * 10)
        assert set(job.completions.finished().values_list("index", flat=True)) == expected
        assert (job.status == "finished") == (done == 4)
        transaction.set_rollback(True)


def test_database_refuses_more_texts_than_were_asked(job):
    with pytest.raises(IntegrityError, match="no_more_texts_than_asked"), transaction.atomic():
        Job.objects.filter(pk=job.pk).update(texts_done=3)


def test_database_refuses_an_ended_job_without_its_end(job):
    with pytest.raises(IntegrityError, match="ended_job_has_end"), transaction.atomic():
        Job.objects.filter(pk=job.pk).update(status="finished")


# --- progress, in a sentence


def test_progress_of_a_queued_job_says_what_it_waits_for(job):
    now = timezone.now()
    assert progress_of(job, at=now).sentence == (
        "0 of 2 texts. No worker serves GPT-2 124M now; the job starts by itself when one does."
    )
    factories.beat()
    assert progress_of(job, at=timezone.now()).sentence == "0 of 2 texts. Waiting for its turn."


def test_progress_of_a_job_just_handed_out_says_that_the_worker_begins(order, job):
    at = job.started_at + timedelta(seconds=3)
    assert progress_of(job, at=at).sentence == "0 of 2 texts. The worker is loading the model or has just begun."


def test_progress_of_a_running_job_says_rate_and_rest(order, job):
    tell(factories.report_on(order, texts=1, tokens=8))
    job.refresh_from_db()
    progress = progress_of(job, at=job.started_at + timedelta(seconds=4))
    assert (progress.done, progress.total) == (1, 2)
    assert progress.sentence == "1 of 2 texts, 2 tokens/s, about 4 s left."


def test_progress_of_a_finished_job_counts_texts_and_tokens(order, job):
    tell(factories.report_on(order, ended=True))
    job.refresh_from_db()
    assert progress_of(job, at=timezone.now()).sentence == "2 of 2 texts, 10 tokens."
