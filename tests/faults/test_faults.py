"""Processes die, Redis forgets, grants end: the books balance all the same."""

import os
import signal
import time
from pathlib import Path

import pytest
import redis
from django.conf import settings
from django.utils import timezone

from release_portal.access import actions as access
from release_portal.audit.models import Event
from release_portal.jobs.delivery import why_held
from release_portal.jobs.models import Completion, Job
from release_portal.lib.embedded import start_redis

from ..live import LEASE_SECONDS, until
from .conftest import assert_books_balance

pytestmark = pytest.mark.faults

ENDS_WITHIN = 90  # seconds for 200 texts on two busy cores, a lease included
REPEATS = 10 if os.environ.get("FAULTS_AT_LENGTH") else 1


def some_texts_of(job: Job, number: int = 10) -> None:
    def there() -> bool:
        job.refresh_from_db()
        assert job.is_live, f"The job ended before the fault; was it long enough? {job.status} {job.end_reason}"
        return Completion.objects.finished().filter(job=job).count() >= number

    until(there, seconds=60, what=f"{number} texts of the job")


def the_end_of(job: Job) -> None:
    until(lambda: not Job.objects.live().filter(pk=job.pk).exists(), seconds=ENDS_WITHIN, what="the job to end")


@pytest.mark.parametrize("time", range(REPEATS))
def test_kill_generation_worker_in_the_middle_of_a_job(portal, submit, time):
    job = submit(200)
    some_texts_of(job)
    portal.kill("generate")
    portal.start("generate")
    the_end_of(job)
    assert_books_balance(job)
    assert Event.objects.about(job).filter(kind="order.handed_out_again").exists()


@pytest.mark.parametrize("time", range(REPEATS))
def test_empty_redis_in_the_middle_of_a_job(portal, submit, time):
    job = submit(200)
    some_texts_of(job)
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.flushall()
    the_end_of(job)
    assert_books_balance(job)


def test_stop_and_start_redis_in_the_middle_of_a_job(portal, submit, request):
    job = submit(200)
    some_texts_of(job)
    socket = Path(settings.REDIS_URL.removeprefix("unix://"))
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.shutdown(save=True)
    time.sleep(2)
    late = submit(5)  # taken while the broker is away: the database is enough
    server = start_redis(socket.parent, socket)
    request.session.addfinalizer(lambda: (server.terminate(), server.wait()))
    the_end_of(job)
    the_end_of(late)
    assert_books_balance(job)
    assert_books_balance(late)


def test_terminate_generation_worker_hands_its_work_back(portal, submit):
    job = submit(200)
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


def test_revoke_grant_stops_running_work_within_two_seconds(portal, submit, rita_of_the_lab):
    job = submit(400)
    waiting = submit(50)
    some_texts_of(job)
    access.revoke_grant(by=rita_of_the_lab, grant=job.grant, reason_code="misuse", reason="The study ended early.")
    revoked_at = timezone.now()
    until(lambda: not Job.objects.live().filter(pk__in=[job.pk, waiting.pk]).exists(), seconds=2, what="both to stop")
    time.sleep(3)
    job.refresh_from_db()
    assert job.status == Job.Status.STOPPED
    assert "The study ended early." in job.end_reason
    late = Completion.objects.finished().filter(job__in=[job, waiting], finished_at__gt=job.ended_at)
    assert not late.exists()
    assert (job.ended_at - revoked_at).total_seconds() < 2
    job.grant.refresh_from_db()
    assert job.grant.tokens_reserved == 0
    after = submit(3)  # under a new grant: the worker is free at once, it did not go on with what was stopped
    until(lambda: not Job.objects.live().filter(pk=after.pk).exists(), seconds=4, what="the worker to be free")


def test_suspend_organisation_holds_running_work_and_lifting_finishes_it(portal, submit, rita_of_the_lab):
    job = submit(400)
    some_texts_of(job)
    told = {"reason_code": "investigation", "reason": "A report is being checked."}
    suspension = access.suspend(by=rita_of_the_lab, subject=job.partner, **told)
    until(lambda: Job.objects.get(pk=job.pk).status == Job.Status.HELD, seconds=2, what="the job to be held")
    held = Job.objects.get(pk=job.pk).texts_done
    time.sleep(3)
    assert Job.objects.get(pk=job.pk).texts_done == held
    assert why_held(job, at=timezone.now())
    access.lift_suspension(by=rita_of_the_lab, suspension=suspension, reason="It was checked.")
    assert not why_held(job, at=timezone.now())
    the_end_of(job)
    assert_books_balance(job)


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
