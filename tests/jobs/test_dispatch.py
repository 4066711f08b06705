from datetime import timedelta
from importlib import import_module

import pytest
from django.db import connection
from django.utils import timezone

from inference import contract
from release_portal.access import actions as access
from release_portal.access.actions import revoke_grant
from release_portal.audit.models import Event, Failure
from release_portal.jobs import actions
from release_portal.jobs.actions.dispatch import ONE_AT_A_TIME, TURN_TEXTS
from release_portal.jobs.models import WORKER_SILENCE, Job, Worker, WorkOrder
from release_portal.lib.states import Forbidden, Refused

from .. import factories
from ..patience import AT_LENGTH


@pytest.fixture
def small_orders(settings):
    settings.ORDER_SEQUENCES = 2


def hear(order, **fields):
    """A worker reports on the order that it has begun it."""
    actions.receive_report(by=None, report=factories.report_on(order, texts=0, **fields))


def end(order, **fields):
    """A worker reports every text of the order, for the last time."""
    actions.receive_report(by=None, report=factories.report_on(order, ended=True, **fields))


def fail(order, error, *, retry):
    actions.receive_report(by=None, report=factories.report_on(order, texts=0, ended=True, error=error, retry=retry))


def after_the_lease(order):
    order.refresh_from_db()
    return order.leased_until + timedelta(seconds=1)


def ledger(grant):
    grant.refresh_from_db()
    return grant.tokens_used, grant.tokens_reserved


# --- handing out


def test_dispatch_without_a_worker_hands_nothing_out(job, wire):
    with wire:
        assert actions.dispatch(by=None) == 0
    assert wire.tasks == []
    job.refresh_from_db()
    assert job.status == "queued"


def test_dispatch_sends_a_sealed_order_to_the_queue_of_a_worker(job, worker, wire):
    with wire:
        assert actions.dispatch(by=None) == 1
    ((name, args, queue),) = wire.tasks
    assert (name, queue) == ("inference.generate", "worker:worker-1:orders")
    assert "Prompt 0" not in args[0]
    order = factories.orders_of(job).get()
    (sent,) = wire.orders
    assert (sent.id, sent.token, sent.size) == (str(order.pk), 1, "gpt2/124M")
    assert [(text.prompt, text.seed, text.index) for text in sent.sequences] == [("Prompt 0", 7, 0), ("Prompt 1", 7, 1)]
    assert sent.sequences[0].sampling == contract.Sampling(10, 1.0, 40, 1.0)


def test_dispatch_starts_the_job(job, worker):
    at = timezone.now()
    actions.dispatch(by=None, at=at)
    job.refresh_from_db()
    assert (job.status, job.started_at) == ("running", at)


@pytest.fixture
def failure(job):
    """The queue of the job failed before, and is due."""
    Failure.objects.all().delete()
    return factories.FailureFactory(
        task="jobs.fill", thing=f"releases.modelsize:{job.size_id}:urgent", next_try_at=timezone.now()
    )


def test_fill_while_another_round_packs_keeps_what_is_noted_of_a_failure(failure, worker):
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [ONE_AT_A_TIME])
        assert actions.fill(by=None) == 0
    finally:
        other.close()
    assert Failure.objects.contains(failure)
    assert actions.fill(by=None) == 1
    assert not Failure.objects.contains(failure)


def test_fill_without_room_keeps_what_is_noted_of_a_failure(failure, worker, settings):
    settings.ORDERS_PER_WORKER = settings.URGENT_ORDERS_PER_WORKER = 0
    assert actions.fill(by=None) == 0
    assert Failure.objects.contains(failure)


def test_dispatch_twice_hands_nothing_out_twice(order):
    assert actions.dispatch(by=None) == 0
    order.refresh_from_db()
    assert order.token == 1


@pytest.mark.parametrize(
    "details",
    [
        {"size": "gpt2/355M"},
        {"leaving": True},
    ],
)
def test_dispatch_to_a_worker_of_another_size_or_one_that_leaves_does_nothing(job, details):
    factories.beat(**details)
    assert actions.dispatch(by=None) == 0


def test_dispatch_to_a_worker_that_went_silent_does_nothing(job, worker):
    assert actions.dispatch(by=None, at=worker.seen_at + WORKER_SILENCE) == 0
    factories.beat(at=worker.seen_at + WORKER_SILENCE)
    assert actions.dispatch(by=None, at=worker.seen_at + WORKER_SILENCE) == 1


@pytest.mark.parametrize(("workers", "orders"), [(1, 2), (3, 6)])
def test_dispatch_keeps_a_couple_of_orders_out_per_live_worker(submit, small_orders, quiet, workers, orders):
    job = submit(20)
    for number in range(workers):
        factories.beat(f"worker-{number}")
    assert actions.dispatch(by=None) == orders
    assert actions.dispatch(by=None) == 0
    assert job.completions.waiting().count() == 20 - 2 * orders
    end(factories.orders_of(job).out().first())
    assert actions.dispatch(by=None) == 1


def test_dispatch_hands_every_text_out_exactly_once(submit, small_orders, worker):
    job = submit(7)
    while actions.dispatch(by=None):
        for order in factories.orders_of(job).out():
            end(order)
    job.refresh_from_db()
    assert (job.status, job.texts_done) == ("finished", 7)
    assert sorted(order.completions.count() for order in factories.orders_of(job)) == [1, 2, 2, 2]


def test_dispatch_lets_two_organisations_take_turns(submit, southbank_grant, cleo, worker, settings):
    """And, within an organisation, its jobs."""
    settings.ORDER_SEQUENCES = settings.URGENT_ORDERS_PER_WORKER = 1
    for number in range(3):
        submit(2, name=f"Northlake {number}")
    submit(3, by=cleo, partner=southbank_grant.partner, name="Southbank")
    served, at = [], timezone.now()
    for _ in range(9):
        at += timedelta(seconds=1)
        factories.beat(at=at)
        actions.dispatch(by=None, at=at)
        order = WorkOrder.objects.out().get()
        served.append(order.completions.get().job.name)
        end(order, tokens_each=10)
    turns = ["Northlake", "Southbank"] * 3 + ["Northlake"] * 3
    assert [name.split()[0] for name in served] == turns
    assert [name for name in served if name != "Southbank"] == [f"Northlake {number}" for number in (0, 1, 2, 0, 1, 2)]


def test_dispatch_packs_texts_of_several_organisations_into_one_order(submit, southbank_grant, cleo, worker):
    mine, theirs = submit(30), submit(30, by=cleo, partner=southbank_grant.partner)
    assert actions.dispatch(by=None) == 1
    [order] = WorkOrder.objects.out()
    assert [order.completions.filter(job=job).count() for job in (mine, theirs)] == [30, 30]


@pytest.mark.parametrize("few", [10, 20])
def test_dispatch_lets_one_who_comes_late_wait_two_orders_at_the_most(
    submit, grant, southbank_grant, cleo, worker, settings, few
):
    settings.ORDER_SEQUENCES = 16
    factories.with_terms(grant, token_quota=10**9)
    submit(1_000, samples=100 if AT_LENGTH else 2)
    assert actions.dispatch(by=None) == settings.ORDERS_PER_WORKER
    late = submit(few, by=cleo, partner=southbank_grant.partner)
    for order in WorkOrder.objects.out():
        end(order)
        actions.dispatch(by=None)
    assert late.completions.waiting().count() == 0


def test_dispatch_gives_what_people_wait_for_a_lane_of_its_own(submit, southbank_grant, cleo, worker, wire, settings):
    settings.ORDER_SEQUENCES = 16
    submit(1_000)
    actions.dispatch(by=None)
    with wire:
        submit(3, by=cleo, partner=southbank_grant.partner)
        assert actions.dispatch(by=None) == 1
    assert (wire.orders[0].urgent, len(wire.orders[0].sequences)) == (True, 3)


def test_dispatch_takes_five_queries_more_for_a_job_more(submit, worker, settings, django_assert_max_num_queries):
    for _ in range(6):
        submit(2)
    with django_assert_max_num_queries(62):
        assert actions.dispatch(by=None) == 1
    assert WorkOrder.objects.out().get().completions.count() == 12


def test_packing_builds_a_query_only_for_the_jobs_whose_turn_comes(submit, worker, settings, monkeypatch):
    settings.ORDER_SEQUENCES = 2 * TURN_TEXTS
    for _ in range(12):
        submit(20)
    actions.dispatch(by=None)
    order = WorkOrder.objects.out().first()
    packing = import_module("release_portal.jobs.actions.dispatch")
    built, untried = [], packing._untried
    monkeypatch.setattr(packing, "_untried", lambda: built.append(1) or untried())

    end(order)
    assert actions.fill(by=None) == 1

    assert len(built) == 2


# --- leases, tokens, attempts


def test_lease_that_runs_out_hands_the_rest_out_again_in_another_order(order, job, wire):
    actions.receive_report(by=None, report=factories.report_on(order, texts=1))
    at = after_the_lease(order)
    factories.beat("worker-2", at=at)
    with wire:
        assert actions.dispatch(by=None, at=at) == 1
    order.refresh_from_db()
    assert order.status == "lost"
    (sent,) = wire.orders
    assert sent.id != str(order.pk)
    assert [text.index for text in sent.sequences] == [1]
    assert job.completions.get(index=1).attempts == 1
    event = Event.objects.about(order).get(kind="order.handed_out_again")
    assert "worker worker-1 went silent" in event.sentence


def test_lease_is_renewed_by_every_report(order, job):
    at = after_the_lease(order) - timedelta(seconds=2)
    actions.receive_report(by=None, report=factories.report_on(order, texts=0), at=at)
    assert actions.dispatch(by=None, at=at + timedelta(seconds=2)) == 0
    order.refresh_from_db()
    assert (order.token, order.leased_until - at) == (1, timedelta(seconds=20))


def test_message_that_was_never_heard_is_not_an_attempt(order, job, wire):
    for token in range(2, 8):
        factories.beat(at=after_the_lease(order))
        with wire:
            assert actions.dispatch(by=None, at=after_the_lease(order)) == 1
        order.refresh_from_db()
        assert (order.token, wire.orders[0].token) == (token, token)
    assert not job.completions.filter(attempts__gt=0).exists()
    assert "no worker had begun it" in Event.objects.about(order).latest("id").sentence


def test_order_that_only_waited_in_a_workers_hand_was_not_tried(order, job, wire):
    hear(order, waiting=True)
    assert actions.dispatch(by=None, at=after_the_lease(order) - timedelta(seconds=2)) == 0
    at = after_the_lease(order)
    factories.beat("worker-2", at=at)
    actions.dispatch(by=None, at=at)
    order.refresh_from_db()
    assert (order.status, order.token) == ("out", 2)
    assert not job.completions.filter(attempts__gt=0).exists()


def test_order_that_nobody_began_waits_for_a_worker_where_none_is_there(order, job, wire):
    """A night without a worker leaves no pile of messages behind."""
    at = after_the_lease(order)
    with wire:
        assert actions.dispatch(by=None, at=at) == actions.dispatch(by=None, at=at + timedelta(hours=8)) == 0
    assert wire.orders == []
    assert job.completions.waiting().filter(attempts=0).count() == 2
    at += timedelta(hours=9)
    factories.beat(at=at)
    with wire:
        assert actions.dispatch(by=None, at=at) == 1
    assert [len(sent.sequences) for sent in wire.orders] == [2]
    order.refresh_from_db()
    assert order.status == "lost"


def test_order_that_waited_and_was_begun_was_tried(order, job):
    hear(order, waiting=True)
    hear(order)
    hear(order, waiting=True)  # it was sent before, and arrives late
    actions.dispatch(by=None, at=after_the_lease(order))
    assert set(job.completions.values_list("attempts", flat=True)) == {1}


def test_stale_token_changes_nothing_and_stops_its_holder(order, job, wire):
    stale = factories.report_on(order)
    at = after_the_lease(order)
    factories.beat("worker-2", at=at)
    actions.dispatch(by=None, at=at)  # it was never heard of, and goes out again
    with wire:
        actions.receive_report(by=None, report=stale)
    job.refresh_from_db()
    order.refresh_from_db()
    assert (job.texts_done, order.token, order.begun_at) == (0, 2, None)
    assert wire.stops == [contract.Stop(str(order.pk), 1)]
    end(order, worker="worker-2")
    job.refresh_from_db()
    assert (job.status, job.texts_done) == ("finished", 2)


def test_report_on_an_order_that_was_given_up_changes_nothing(order, job, wire):
    hear(order)
    late = factories.report_on(order)
    actions.dispatch(by=None, at=after_the_lease(order))
    with wire:
        actions.receive_report(by=None, report=late)
    job.refresh_from_db()
    assert job.texts_done == 0
    assert wire.stops == [contract.Stop(str(order.pk), 1)]


def begun_and_lost():
    """Every order that is out is begun by a worker, which then is heard of no more."""
    for order in WorkOrder.objects.out():
        hear(order)
        factories.beat("worker-2", at=after_the_lease(order))
        actions.dispatch(by=None, at=after_the_lease(order))


def texts_out():
    """The places of the texts that are out, order by order."""
    orders = WorkOrder.objects.out().order_by("handed_out_at", "pk")
    return sorted(sorted(order.completions.unfinished().values_list("index", flat=True)) for order in orders)


def test_text_is_tried_beside_fewer_others_each_time_and_the_last_time_alone(submit, worker, wire):
    submit(20)
    with wire:
        actions.dispatch(by=None)
    assert texts_out() == [list(range(20))]
    assert [sent.alone for sent in wire.orders] == [False]
    with wire:
        begun_and_lost()
    assert texts_out() == [list(range(16)), [16, 17, 18, 19]]
    assert [sent.alone for sent in wire.orders] == [False, False]
    with wire:
        begun_and_lost()
    assert texts_out() == [[0], [1]]
    assert [sent.alone for sent in wire.orders] == [True, True]


@pytest.mark.parametrize("texts", [10, 40])
def test_texts_that_bring_workers_down_do_not_keep_others_waiting(submit, worker, wire, texts):
    """In either queue, every second order is of texts that nobody tried."""
    submit([f"Bad {number}" for number in range(texts)])
    actions.dispatch(by=None)
    good = submit([f"Good {number}" for number in range(texts)])
    orders = 0
    while good.completions.unfinished().exists():
        for order in WorkOrder.objects.out():
            orders += 1
            if order.completions.unfinished().filter(prompt__text__startswith="Bad").exists():
                fail(order, "Out of memory.", retry=True)
            else:
                end(order)
        actions.dispatch(by=None)
    assert orders <= 4


def test_text_that_failed_three_times_is_given_up_and_the_others_go_on(submit, worker, grant, wire):
    """Text 2 brings down each worker that begins it."""
    job = submit(4, max_new_tokens=10)
    at = timezone.now()
    for _ in range(20):
        factories.beat(at=at)
        actions.dispatch(by=None, at=at)
        for order in WorkOrder.objects.out():
            if order.completions.unfinished().filter(index=2).exists():
                fail(order, "Out of memory.", retry=True)
            else:
                end(order)
    job.refresh_from_db()
    assert (job.status, job.texts_done, job.texts_refused) == ("finished", 4, 1)
    failed = job.completions.get(finish_reason="failed")
    assert (failed.index, failed.attempts, failed.tokens) == (2, 3, 0)
    assert failed.error == "It was tried 3 times and could not be generated. The last time: Out of memory."
    assert job.end_reason == "1 text could not be generated; it says why, and it was not charged."
    assert ledger(grant) == (15, 0)
    assert Event.objects.about(job).filter(kind="job.texts_failed").count() == 1


def test_job_without_a_text_that_could_be_generated_has_failed(submit, worker, grant, wire):
    job = submit(1)
    for _ in range(3):
        actions.dispatch(by=None)
        [order] = WorkOrder.objects.out()
        fail(order, "CUDA out of memory. " * 200, retry=True)
    job.refresh_from_db()
    assert job.status == "failed"
    assert job.end_reason.startswith("None of its texts could be generated. It was tried 3 times")
    assert ledger(grant) == (0, 0)
    assert actions.dispatch(by=None) == 0


def test_worker_handing_back_is_not_an_attempt(order, job, wire):
    for token in range(2, 7):
        with wire:
            actions.receive_report(by=None, report=factories.report_on(order, texts=0, ended=True, stopped=True))
        order.refresh_from_db()
        assert (order.token, wire.orders[0].token) == (token, token)
    job.refresh_from_db()
    assert job.status == "running"
    assert not job.completions.filter(attempts__gt=0).exists()


def test_worker_handing_back_keeps_what_it_finished(order, job, wire):
    with wire:
        actions.receive_report(by=None, report=factories.report_on(order, texts=1, ended=True, stopped=True))
    job.refresh_from_db()
    assert job.texts_done == 1
    assert [text.index for text in wire.orders[0].sequences] == [1]


def test_error_that_no_worker_can_mend_fails_the_job_at_once(order, job, grant, letters):
    reason = "The weights of gpt2/124M are corrupt: install them again with “inference.checkpoints install”."
    fail(order, reason, retry=False)
    job.refresh_from_db()
    assert (job.status, job.end_reason) == ("failed", reason)
    assert letters("ben@northlake.example")[-1] == "Your job “GPT-2 124M, 2 texts” failed"
    assert ledger(grant) == (0, 0)


# --- revoking, cancelling


def test_revoked_grant_stops_queued_and_running_jobs(submit, order, job, grant, mara, wire):
    hear(order)
    queued = submit()
    revoke_grant(by=mara, grant=grant, reason_code="misuse", reason="A key was shared.")
    with wire:
        actions.dispatch(by=None)
    for stopped in (job, queued):
        stopped.refresh_from_db()
        assert stopped.status == "stopped"
        assert "was revoked on" in stopped.end_reason
        assert "A key was shared." in stopped.end_reason
    order.refresh_from_db()
    assert order.status == "stopped"
    assert wire.stops == [contract.Stop(str(order.pk), 1)]
    assert wire.orders == []
    assert ledger(grant) == (0, 0)


def test_grant_whose_time_is_over_stops_its_jobs(order, job, grant):
    actions.dispatch(by=None, at=grant.ends_at)
    job.refresh_from_db()
    assert job.status == "stopped"


def test_round_that_began_before_the_grant_leaves_a_newer_job_alone(job, grant):
    """A round's moment may lie before what it reads: the job came while it began, or clocks differ by a little."""
    actions.dispatch(by=None, at=grant.starts_at - timedelta(milliseconds=1))
    job.refresh_from_db()
    assert job.is_live, job.end_reason


def test_report_after_the_grant_was_revoked_stops_the_job(order, job, grant, mara, wire):
    """Even where no dispatch ran: every report asks the rule again."""
    hear(order)
    reported = factories.report_on(order, texts=1)
    revoke_grant(by=mara, grant=grant, reason_code="misuse", reason="A key was shared.")
    with wire:
        actions.receive_report(by=None, report=reported)
    job.refresh_from_db()
    assert (job.status, job.texts_done) == ("stopped", 0)
    assert len(wire.stops) == 1


def test_first_report_after_the_grant_was_revoked_stops_its_worker_at_once(order, job, grant, mara, wire):
    reported = factories.report_on(order, texts=0)
    revoke_grant(by=mara, grant=grant, reason_code="misuse", reason="A key was shared.")
    with wire:
        actions.receive_report(by=None, report=reported)
    assert wire.stops == [contract.Stop(str(order.pk), 1)]


def test_report_after_stop_changes_nothing_and_broadcasts_stop(order, job, grant, ben, wire):
    reported = factories.report_on(order, texts=1)
    actions.cancel(by=ben, job=job)
    with wire:
        actions.receive_report(by=None, report=reported)
    job.refresh_from_db()
    assert (job.status, job.texts_done) == ("cancelled", 0)
    assert ledger(grant) == (0, 0)
    assert wire.stops == [contract.Stop(str(order.pk), 1)]


def test_last_report_after_stop_is_not_answered(order, job, ben, wire):
    reported = factories.report_on(order, ended=True, stopped=True)
    actions.cancel(by=ben, job=job)
    with wire:
        actions.receive_report(by=None, report=reported)
    assert wire.pushed == wire.tasks == []


def test_job_under_an_ended_grant_does_not_go_on_under_a_new_one(order, job, grant, ada, rita, asking):
    revoke_grant(by=rita, grant=grant, reason_code="misuse", reason="By mistake.")
    request = access.request_access(by=ada, partner=grant.partner, **asking(grant.size))
    factories.granted(request, by=rita, ends_on=factories.in_days(9), token_quota=10)
    actions.dispatch(by=None)
    job.refresh_from_db()
    assert (job.status, "Submit it again under the new one" in job.end_reason) == ("stopped", True)


def test_cancel_stops_the_order_and_keeps_finished_texts(order, job, grant, ben, wire):
    actions.receive_report(by=None, report=factories.report_on(order, texts=1))
    with wire:
        actions.cancel(by=ben, job=job)
    job.refresh_from_db()
    assert (job.status, job.ended_by, job.texts_done) == ("cancelled", ben, 1)
    assert job.completions.finished().count() == 1
    assert wire.stops == [contract.Stop(str(order.pk), 1)]
    assert actions.dispatch(by=None, at=after_the_lease(order)) == 0


def test_stop_of_one_job_that_was_lost_is_repeated_while_the_worker_goes_on_with_it(submit, worker, ben, wire):
    job, other = submit(2), submit(2)
    actions.dispatch(by=None)
    order = WorkOrder.objects.out().get()
    actions.cancel(by=ben, job=job)
    groups = (str(job.pk), str(other.pk))
    with wire:
        hear(order, groups=groups)
    assert wire.stops == [contract.Stop(str(order.pk), 1, group=str(job.pk))]
    with wire:
        hear(order, groups=groups[1:])
    assert wire.pushed == []


def test_cancel_twice_is_refused(job, ben):
    actions.cancel(by=ben, job=job)
    with pytest.raises(Refused, match="This job is already cancelled"):
        actions.cancel(by=ben, job=job)


def test_cancel_a_finished_job_is_refused(order, job, ben):
    end(order)
    with pytest.raises(Refused, match="This job is already finished"):
        actions.cancel(by=ben, job=job)


@pytest.mark.parametrize("who", ["cleo", "rita"])
def test_cancel_without_the_right_is_forbidden(job, who, request):
    with pytest.raises(Forbidden):
        actions.cancel(by=request.getfixturevalue(who), job=job)


# --- the quota at each end: two texts of at most ten tokens, one of them finished with five


@pytest.mark.parametrize("ending", ["cancelled", "failed", "stopped", "finished"])
def test_quota_is_settled_exactly_whatever_the_end(order, job, grant, ben, ending):
    assert ledger(grant) == (0, 20)
    actions.receive_report(by=None, report=factories.report_on(order, texts=1))
    assert ledger(grant) == (5, 10)
    if ending == "cancelled":
        actions.cancel(by=ben, job=job)
    elif ending == "failed":
        fail(order, "The weights are corrupt.", retry=False)
    elif ending == "stopped":
        actions.enforce_rule(by=None, at=grant.ends_at)
    else:
        end(order)
    job.refresh_from_db()
    assert job.status == ending
    assert ledger(grant) == ((10, 0) if ending == "finished" else (5, 0))


def test_quota_is_given_back_by_a_queued_job_that_is_cancelled(submit, grant, ben):
    job = submit(3)
    assert ledger(grant) == (0, 30)
    actions.cancel(by=ben, job=job)
    assert ledger(grant) == (0, 0)


# --- workers


def test_hello_notes_the_worker_and_its_weights_once(gpt2, size_124m, quiet):
    for _ in range(2):
        factories.beat("worker-9", checkpoints=("ab" * 32,))
    worker = Worker.objects.get(name="worker-9")
    assert (worker.host, worker.device, worker.sizes) == ("host", "cpu", ["gpt2/124M"])
    assert size_124m.artefacts.filter(manifest_sha256="ab" * 32).count() == 1
    assert [event.kind for event in Event.objects.about(worker).order_by("id")] == ["worker.enrolled", "worker.joined"]


def test_hello_without_weights_or_of_an_unknown_size_notes_none(size_124m, quiet):
    before = size_124m.artefacts.count()
    factories.beat(checkpoints=("",))
    factories.beat(size="other/1B", checkpoints=("ab" * 32,))
    assert size_124m.artefacts.count() == before


def test_hello_has_work_handed_out_and_leaving_has_it_taken_back(quiet, wire):
    with wire:
        factories.beat()
    assert wire.names == ["jobs.fill"]
    with wire:
        worker = factories.beat(leaving=True)
    assert wire.names == ["jobs.dispatch"], "what it has not begun goes to others"
    assert not Worker.objects.alive(at=timezone.now()).contains(worker)


def test_worker_that_comes_back_is_alive_again(quiet):
    factories.beat(leaving=True)
    worker = factories.beat()
    assert Worker.objects.alive(at=timezone.now()).contains(worker)


def test_live_jobs_are_those_queued_and_running(submit, order, job, ben):
    queued, cancelled = submit(), submit()
    actions.cancel(by=ben, job=cancelled)
    assert set(Job.objects.live()) == {job, queued}
