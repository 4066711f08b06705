"""Workers are enrolled under a key of their own; a key that is revoked ends all that its worker does."""

from datetime import date, timedelta

import pytest
import redis
from django.core.management import CommandError, call_command
from django.utils import timezone

from inference import contract
from release_portal.audit.models import Event
from release_portal.jobs import actions
from release_portal.jobs.accounts import NO_ACCOUNT
from release_portal.jobs.models import Worker, WorkOrder
from release_portal.lib.states import Forbidden, Refused
from release_portal.releases import actions as releases

from .. import factories


def revoke(worker, by=None):
    actions.revoke_worker(by=by, worker=worker, reason="Its machine was stolen.")


def test_enroll_gives_each_worker_a_key_of_its_own(quiet, mara):
    anna, bert = (actions.enroll_worker(by=mara, name=name) for name in ("anna", "bert"))
    assert anna.key != bert.key
    assert (anna.enrolled_by, anna.seen_at) == (mara, None)
    assert Event.objects.about(anna).get().kind == "worker.enrolled"


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a*", "-a", "é", "a\0", "a\n", "x" * 64, "../x"])
def test_enroll_refuses_a_name_that_could_not_be_one(quiet, name):
    with pytest.raises(Refused, match="at most 63 letters"):
        actions.enroll_worker(by=None, name=name)


def test_enroll_twice_is_refused_until_the_key_is_revoked(worker):
    with pytest.raises(Refused, match="enrolled already"):
        actions.enroll_worker(by=None, name=worker.name)
    revoke(worker)
    again = actions.enroll_worker(by=None, name=worker.name)
    assert (again.pk, again.revoked_at, again.revoke_reason, again.seen_at) == (worker.pk, None, "", None)
    assert again.key != worker.key


def test_enroll_again_forgets_what_the_worker_said_before(worker, mara, letters):
    at = timezone.now()
    actions.flag(by=None, name=worker.name, flaw="a text of no tokens", at=at)
    factories.beat(leaving=True)
    revoke(worker)
    again = actions.enroll_worker(by=None, name=worker.name)
    assert (again.flaws, again.last_flaw, again.flawed_at, again.left_at, again.sizes) == (0, "", None, None, [])
    actions.flag(by=None, name=worker.name, flaw="a text of no tokens", at=at)
    assert letters(mara) == ["Worker worker-1 reports what cannot be"] * 2, "a new flaw is reported again"


@pytest.mark.parametrize("who", ["rita", "otto", "ada"])
def test_enroll_and_revoke_without_the_right_are_forbidden(worker, who, request):
    person = request.getfixturevalue(who)
    with pytest.raises(Forbidden):
        actions.enroll_worker(by=person, name="bert")
    with pytest.raises(Forbidden):
        revoke(worker, by=person)


def test_revoke_sends_the_worker_a_notice_and_says_why(worker, mara, wire):
    with wire:
        revoke(worker, by=mara)
    [(key, sealed)] = wire.pushed
    assert key == "worker:worker-1:notices"
    assert worker.seal.open(sealed).read(contract.Revoked) == contract.Revoked("worker-1")
    worker.refresh_from_db()
    assert (worker.revoked_by, worker.revoke_reason) == (mara, "Its machine was stolen.")
    assert "stolen" not in Event.objects.about(worker).get(kind="worker.revoked").sentence


def test_revoke_twice_or_without_a_reason_is_refused(worker):
    with pytest.raises(Refused, match="a reason is needed"):
        actions.revoke_worker(by=None, worker=worker, reason=" ")
    revoke(worker)
    with pytest.raises(Refused, match="is revoked already"):
        revoke(worker)


@pytest.mark.parametrize("begun", [False, True])
def test_orders_of_a_revoked_worker_go_to_another_and_are_not_an_attempt(order, job, worker, wire, begun):
    if begun:
        actions.receive_report(by=None, report=factories.report_on(order, texts=0))
    other = factories.beat("worker-2")
    revoke(worker)
    with wire:
        assert actions.dispatch(by=None) == 1
    order.refresh_from_db()
    assert (order.worker, order.token, order.status) == (other, 2, "out")
    assert [queue for _, _, queue in wire.tasks] == ["worker:worker-2:orders"]
    assert not job.completions.filter(attempts__gt=0).exists()


def test_orders_of_a_revoked_worker_wait_where_there_is_no_other(order, job, worker):
    revoke(worker)
    assert actions.dispatch(by=None) == 0
    assert job.completions.waiting().count() == 2
    assert WorkOrder.objects.out().count() == 0


def test_orders_of_a_worker_that_is_enrolled_again_wait_and_are_not_an_attempt(order, job, worker):
    """Its new key came before dispatch had seen that the old one was revoked."""
    actions.receive_report(by=None, report=factories.report_on(order, texts=0))
    revoke(worker)
    actions.enroll_worker(by=None, name=worker.name)
    order.refresh_from_db()
    assert order.status == "lost"
    assert job.completions.waiting().count() == 2
    assert not job.completions.filter(attempts__gt=0).exists()
    factories.beat()
    assert actions.dispatch(by=None) == 1


def test_orders_that_a_leaving_worker_has_not_begun_go_to_another_at_once(order, worker):
    other = factories.beat("worker-2")
    factories.beat(leaving=True)
    assert actions.dispatch(by=None) == 1
    order.refresh_from_db()
    assert (order.worker, order.token) == (other, 2)


def test_orders_that_a_leaving_worker_has_begun_are_its_own_until_it_reports(order, worker):
    actions.receive_report(by=None, report=factories.report_on(order, texts=0))
    factories.beat("worker-2")
    factories.beat(leaving=True)
    assert actions.dispatch(by=None) == 0
    order.refresh_from_db()
    assert (order.worker, order.token) == (worker, 1)


def test_orders_go_to_the_worker_that_has_the_fewest(submit, quiet, settings):
    settings.ORDER_SEQUENCES = 2
    for name in ("worker-1", "worker-2"):
        factories.beat(name)
    submit(20)
    actions.dispatch(by=None)
    handed = sorted(order.worker.name for order in WorkOrder.objects.out())
    assert handed == ["worker-1", "worker-1", "worker-2", "worker-2"]


def test_worker_that_is_not_enrolled_is_not_heard(quiet):
    with pytest.raises(Refused, match="No worker named worker-9 is enrolled"):
        actions.receive_heartbeat(by=None, heartbeat=factories.heartbeat("worker-9"))


def test_revoked_worker_is_not_alive(worker):
    revoke(worker)
    assert not Worker.objects.alive(at=timezone.now()).exists()
    assert [one.is_alive for one in Worker.objects.lately(at=timezone.now() + timedelta(hours=1))] == [False]


def test_enroll_command_writes_an_environment_that_only_its_owner_reads(quiet, tmp_path):
    path = tmp_path / "anna.env"
    call_command("enroll_worker", "anna", file=path)
    worker = Worker.objects.get(name="anna")
    written = dict(line.split("=", 1) for line in path.read_text().splitlines())
    assert (written["WORKER_NAME"], written["WORKER_KEY"]) == ("anna", worker.key)
    assert "://worker-anna:" in written["REDIS_URL"]
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(CommandError, match="enrolled already"):
        call_command("enroll_worker", "anna", file=path)
    call_command("enroll_worker", "anna", file=path, again=True)
    assert Worker.objects.get(name="anna").key == worker.key, "the file has it"
    path.unlink()
    call_command("enroll_worker", "anna", file=path, again=True)
    assert Worker.objects.get(name="anna").key != worker.key, "it was lost"


def test_enroll_command_that_cannot_write_the_file_enrols_nobody(quiet, tmp_path):
    with pytest.raises(CommandError, match="Nobody was enrolled: .* cannot be written: No such file or directory"):
        call_command("enroll_worker", "anna", file=tmp_path / "nowhere" / "anna.env")
    assert not Worker.objects.filter(name="anna").exists()
    path = tmp_path / "anna.env"
    call_command("enroll_worker", "anna", file=path)
    key = Worker.objects.get(name="anna").key
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("enroll_worker", "anna", file=tmp_path / "nowhere" / "anna.env", again=True)
    assert Worker.objects.enrolled().get(name="anna").key == key, "the old one holds"


def test_enroll_command_says_where_the_broker_has_no_account_yet(quiet, tmp_path, monkeypatch, capsys):
    def is_away(worker):
        raise redis.ConnectionError("Connection refused.")

    monkeypatch.setattr("release_portal.jobs.management.commands.enroll_worker.set_account", is_away)
    call_command("enroll_worker", "anna", file=tmp_path / "anna.env")
    assert f"{NO_ACCOUNT} It said: Connection refused." in capsys.readouterr().err


def test_revoke_command_revokes(worker):
    call_command("revoke_worker", worker.name, reason="Its machine was stolen.")
    assert not Worker.objects.enrolled().exists()
    with pytest.raises(CommandError, match="No worker is named bert"):
        call_command("revoke_worker", "bert", reason="x")


def test_worker_that_knows_a_size_by_an_earlier_name_serves_it_under_that_name(job, size_124m, mara, wire):
    """Its folder of weights is called so; the site says the present name everywhere else."""
    erratum = {"name": "125M", "on": date(2019, 8, 20), "reason": "Counted wrongly."}
    releases.correct_size(by=mara, size=size_124m, **erratum)
    worker = factories.beat(sizes=("gpt2/124M",), loaded=("gpt2/124M",), checkpoints=("ab" * 32,))
    assert (worker.sizes, worker.loaded, worker.names) == (["gpt2/125M"], ["gpt2/125M"], {"gpt2/125M": "gpt2/124M"})
    assert size_124m.artefacts.filter(manifest_sha256="ab" * 32).exists()
    size_124m.refresh_from_db()
    assert Worker.objects.serving(size_124m).get() == worker
    with wire:
        assert actions.dispatch(by=None, at=timezone.now()) == 1
    assert [order.size for order in wire.orders] == ["gpt2/124M"]
