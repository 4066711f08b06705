"""Processes die, Redis forgets, grants end: the books balance all the same."""

import signal
import time

import pytest
from django.db import connection
from django.utils import timezone

from release_portal.access import actions as access
from release_portal.audit.models import Event
from release_portal.jobs import actions as jobs
from release_portal.jobs.delivery import why_held
from release_portal.jobs.models import Completion, Job

from ..live import LEASE_SECONDS
from ..patience import AT_LENGTH, PATIENCE, assert_within, until
from . import deadly, nemeses
from .conftest import assert_books_balance, some_texts_of, the_end_of

pytestmark = pytest.mark.faults

REPEATS = 10 if AT_LENGTH else 1


@pytest.mark.parametrize("time", range(REPEATS))
def test_kill_generation_worker_in_the_middle_of_a_job(portal, submit, time):
    job = submit(200)
    some_texts_of(job)
    portal.kill("generate")
    portal.start("generate")
    the_end_of(job)
    assert_books_balance(job)
    assert Event.objects.about(job).filter(kind="order.handed_out_again").exists()


def test_site_worker_keeps_its_connections_and_gets_new_ones_when_they_are_cut(portal):
    """The clock ticks every second: the same sessions serve the ticks, until somebody ends them."""

    def sessions() -> set[int]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'site'")
            return {pid for (pid,) in cursor.fetchall()}

    def kept() -> set[int]:
        seen = []
        for _ in range(4):
            time.sleep(1)
            seen.append(sessions())
        return set.intersection(*seen)

    before = until(kept, what="the sessions to stay")
    nemeses.kill_database_sessions(portal)
    after = until(kept, what="other sessions to stay")
    assert not before & after


@pytest.mark.parametrize("time", range(REPEATS))
def test_empty_redis_in_the_middle_of_a_job(portal, submit, time):
    job = submit(200)
    some_texts_of(job)
    nemeses.empty_redis(portal)
    the_end_of(job)
    assert_books_balance(job)


def test_take_a_job_while_redis_is_away(portal, submit):
    """The database is enough."""
    job = submit(200)
    some_texts_of(job)
    taken = []
    nemeses.restart_redis(portal, meanwhile=lambda: taken.append(submit(5)))
    for one in (job, *taken):
        the_end_of(one)
        assert_books_balance(one)
    assert taken


def test_terminate_generation_worker_hands_its_work_back(portal, submit):
    job = submit(120, tokens=192)  # so long that texts end at random, and there is always one under way
    some_texts_of(job)
    portal.kill("generate", signal.SIGTERM)
    portal.start("generate")
    the_end_of(job)
    assert_books_balance(job)
    assert Event.objects.about(job).filter(kind="order.handed_back").exists()


def test_kill_site_worker_in_the_middle_of_a_job(portal, submit):
    job = submit(200)
    some_texts_of(job)
    portal.kill("site")
    time.sleep(LEASE_SECONDS + 1)
    portal.start("site")
    the_end_of(job)
    assert_books_balance(job)


def test_mail_server_that_says_nothing_keeps_no_job_waiting(portal, submit):
    """All threads of the site's worker hung in it, and nothing was handed out."""

    def finish_jobs() -> None:
        several = [submit(5) for _ in range(6)]  # the mail of each end took a thread
        for job in several:
            the_end_of(job)
        for job in several:
            assert_books_balance(job)

    nemeses.silence_mail_server(portal, meanwhile=finish_jobs)


def test_freeze_generation_worker_past_its_lease(portal, submit):
    """A worker that wakes up again with an old fencing token changes nothing."""
    job = submit(200)
    some_texts_of(job)
    frozen = portal.processes["generate"]
    frozen.send_signal(signal.SIGSTOP)
    time.sleep(LEASE_SECONDS + 2)
    frozen.send_signal(signal.SIGCONT)
    the_end_of(job)
    assert_books_balance(job)


def revoke(job, rita):
    access.revoke_grant(by=rita, grant=job.grant, reason_code="misuse", reason="The study ended early.")


def test_garbage_in_every_queue_ends_no_process_and_loses_nothing(portal, submit):
    job = submit(200)
    some_texts_of(job)
    before = {name: process.pid for name, process in portal.processes.items()}
    nemeses.put_garbage_into_every_queue(portal)
    the_end_of(job)
    assert_books_balance(job)
    assert {name: process.pid for name, process in portal.processes.items() if process.poll() is None} == before


def test_stolen_worker_key_is_worth_nothing_once_it_is_revoked(portal, submit):
    job = submit(200)
    some_texts_of(job)
    nemeses.steal_worker_key(portal)
    the_end_of(job)
    assert_books_balance(job)
    assert not job.completions.filter(text=nemeses.FORGED).exists()
    assert not job.completions.filter(attempts__gt=0).exists(), "that was no fault of a text"


def test_kill_receiver_in_the_middle_of_a_job(portal, submit):
    job = submit(200)
    some_texts_of(job)
    nemeses.kill_receiver(portal)
    the_end_of(job)
    assert_books_balance(job)


def test_revoke_grant_stops_running_work(portal, submit, rita_of_the_lab):
    job = submit(400)
    waiting = submit(50)
    some_texts_of(job)
    revoke(job, rita_of_the_lab)
    until(lambda: not Job.objects.live().filter(pk__in=[job.pk, waiting.pk]).exists(), what="both to stop")
    the_end_of(submit(3))  # under a new grant: the worker did not go on with what was stopped
    job.refresh_from_db()
    assert job.status == Job.Status.STOPPED
    assert "The study ended early." in job.end_reason
    late = Completion.objects.finished().filter(job__in=[job, waiting], finished_at__gt=job.ended_at)
    assert not late.exists()
    job.grant.refresh_from_db()
    assert job.grant.tokens_reserved == 0


@pytest.mark.skipif(not AT_LENGTH, reason="`make faults` measures it")
def test_revoke_grant_stops_running_work_within_two_seconds(portal, submit, rita_of_the_lab):
    """And within four the worker is free for other work."""

    def seconds_to_stop() -> float:
        job = submit(400)
        some_texts_of(job)
        revoked_at = timezone.now()
        revoke(job, rita_of_the_lab)
        the_end_of(job)
        job.refresh_from_db()
        return (job.ended_at - revoked_at).total_seconds()

    def seconds_to_be_free() -> float:
        seconds_to_stop()
        began = time.monotonic()
        the_end_of(submit(3))
        return time.monotonic() - began

    assert_within(2, seconds_to_stop)
    assert_within(4, seconds_to_be_free)


def test_suspend_organisation_holds_running_work_and_lifting_finishes_it(portal, submit, rita_of_the_lab):
    job = submit(400)
    some_texts_of(job)
    details = {"reason_code": "investigation", "reason": "A report is being checked."}
    suspension = access.suspend(by=rita_of_the_lab, subject=job.partner, **details)
    until(lambda: Job.objects.get(pk=job.pk).status == Job.Status.HELD, what="the job to be held")
    held = Job.objects.get(pk=job.pk).texts_done
    time.sleep(3)
    assert Job.objects.get(pk=job.pk).texts_done == held
    assert why_held(job, at=timezone.now())
    access.lift_suspension(by=rita_of_the_lab, suspension=suspension, reason="It was checked.")
    assert not why_held(job, at=timezone.now())
    the_end_of(job)
    assert_books_balance(job)


def deaths(portal) -> int:
    """How often a deadly worker was killed so far."""
    return (portal.home / "generate.log").read_text().count(deadly.DEATH)


def end_with_a_deadly_worker(portal, *those: Job) -> None:
    """Wait until the jobs have ended; the usual worker then takes its place."""
    live = Job.objects.live().filter(pk__in=[job.pk for job in those])
    until(lambda: not live.exists(), what="the deadly prompts to be given up", seconds=4 * PATIENCE)
    portal.kill("generate", signal.SIGTERM)
    portal.start("generate")


def test_prompt_that_kills_workers_is_given_up_after_three(portal, submit, researcher, organisation, grant_of):
    grant, before = grant_of("124M"), deaths(portal)
    portal.kill("generate", signal.SIGTERM)
    portal.start("generate", worker="tests.faults.deadly")
    prompts = [f"Prompt {number}" for number in range(40)]
    prompts[7] += deadly.WORD
    details = {"by": researcher, "partner": organisation, "size": grant.size, "max_new_tokens": 16, "seed": 7}
    job = jobs.submit(prompts=prompts, **details)
    end_with_a_deadly_worker(portal, job)
    assert deaths(portal) - before == 3
    job.refresh_from_db()
    assert (job.status, job.texts_done, job.texts_refused) == (Job.Status.FINISHED, 40, 1)
    [failed] = job.completions.filter(finish_reason="failed")
    assert failed.index == 7
    assert "It was tried 3 times" in failed.error
    grant.refresh_from_db()
    assert (grant.tokens_used, grant.tokens_reserved, grant.samples_used) == (job.tokens_done, 0, 39)


def test_prompts_that_kill_workers_take_no_other_with_them(portal, researcher, organisation, grant_of):
    """One in each queue, so that each is tried while the other is there."""
    grant = grant_of("124M")
    portal.kill("generate", signal.SIGTERM)
    portal.start("generate", worker="tests.faults.deadly")
    sent = []
    for number in (16, 40):
        prompts = [f"Prompt {place}" for place in range(number)]
        prompts[number // 2] += deadly.WORD
        details = {"by": researcher, "partner": organisation, "size": grant.size, "seed": 7}
        sent.append(jobs.submit(prompts=prompts, max_new_tokens=16, **details))
    end_with_a_deadly_worker(portal, *sent)
    failed = Completion.objects.filter(job__in=sent, finish_reason="failed")
    assert sorted(failed.values_list("job__sequences", "index")) == [(16, 8), (40, 20)]


def test_run_size_without_weights_says_what_the_operator_must_do(portal, submit):
    job = submit(3, size="355M")
    the_end_of(job)
    job.refresh_from_db()
    assert job.status == Job.Status.FAILED, job.end_reason
    assert "python -m inference.checkpoints install gpt2/355M" in job.end_reason
    assert job.grant.tokens_used == 0


def test_run_size_with_corrupt_weights_says_what_the_operator_must_do(portal, submit):
    weights = portal.weights / "gpt2" / "774M" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(bytes(content))
    job = submit(3, size="774M")
    the_end_of(job)
    job.refresh_from_db()
    assert job.status == Job.Status.FAILED, job.end_reason
    assert "model.safetensors" in job.end_reason
    assert "install gpt2/774M" in job.end_reason
