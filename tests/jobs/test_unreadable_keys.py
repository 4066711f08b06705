"""SECRET_KEY was changed and the old one is no fallback: the keys of the workers cannot be read any more."""

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.utils import timezone

from inference.seal import Seal, addressed
from release_portal.access import actions as access
from release_portal.audit.models import Failure
from release_portal.jobs import actions, receiver
from release_portal.jobs.accounts import has_account
from release_portal.jobs.models import Drop, Job, Worker, WorkOrder

from .. import factories


@pytest.fixture
def changed(worker, settings):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another" * 10, []
    worker.refresh_from_db()
    return worker


def test_cancel_ends_the_job_and_tells_its_worker_nothing(order, job, ben, changed, wire, caplog):
    with wire:
        actions.cancel(by=ben, job=job)
    job.refresh_from_db()
    assert job.status == Job.Status.CANCELLED
    assert wire.pushed == []
    assert "The key of worker worker-1 cannot be read under this SECRET_KEY. Enrol it again." in caplog.text


def test_revoked_grant_stops_the_job(order, job, grant, rita, changed):
    access.revoke_grant(by=rita, grant=grant, reason_code="misuse", reason="The study ended early.")
    assert actions.enforce_rule(by=None, at=timezone.now()) == 1
    job.refresh_from_db()
    assert job.status == Job.Status.STOPPED


def test_order_goes_to_a_worker_whose_key_can_be_read(job, changed, wire):
    with wire:
        assert actions.dispatch(by=None) == 0
        other = factories.beat("worker-2")
        assert actions.dispatch(by=None) == 1
    assert WorkOrder.objects.out().get().worker == other


def test_order_that_is_handed_out_again_goes_to_a_worker_whose_key_can_be_read(order, job, changed):
    factories.beat("worker-0")
    actions.revoke_worker(by=None, worker=changed, reason="Its key cannot be read.")
    assert actions.dispatch(by=None) == 1
    assert WorkOrder.objects.out().get().worker_id == "worker-0"


def test_message_of_such_a_worker_is_dropped_with_that_reason(order, changed):
    sent = addressed("worker-1", Seal(Fernet.generate_key().decode()).close(factories.report_on(order)))
    receiver.take(sent.encode(), at=timezone.now())
    assert Drop.objects.get().reason == "the key of its worker cannot be read"


def test_such_a_worker_is_revoked_and_enrolled_again(changed):
    actions.revoke_worker(by=None, worker=changed, reason="Its key cannot be read.")
    assert actions.enroll_worker(by=None, name=changed.name).has_readable_key


def test_enroll_command_replaces_the_key(changed, tmp_path):
    path = tmp_path / "worker.env"
    call_command("enroll_worker", changed.name, file=path, again=True)
    assert f"WORKER_KEY={Worker.objects.get(name=changed.name).key}\n" in path.read_text()


def test_accounts_of_other_workers_are_kept(changed):
    anna = actions.enroll_worker(by=None, name="anna")
    actions.keep_accounts()
    assert has_account(anna)
    assert not Failure.objects.filter(task="jobs.keep_accounts").exists()


def test_fleet_names_such_a_worker(changed, client_of, mara):
    Worker.objects.update(left_at=timezone.now())
    assert b"its key cannot be read since SECRET_KEY was changed" in client_of(mara).get("/review/fleet/").content
