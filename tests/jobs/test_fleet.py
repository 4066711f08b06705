"""Who gets mail when a size has work and no worker, and how large an organisation's part of a size is."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from release_portal.audit.models import Event, Failure, key_of
from release_portal.jobs import actions
from release_portal.jobs.fleet import fleet_of, in_words
from release_portal.jobs.models import Outage, Share, Worker
from release_portal.lib.states import Forbidden, Refused
from release_portal.partners.models import Letter

from .. import factories

UNSERVED = "GPT-2 124M has work and no worker"
SERVED = "GPT-2 124M is served again"


def watch(job, seconds):
    """The watch, so long after the job was submitted."""
    return actions.watch_fleet(by=None, at=job.submitted_at + timedelta(seconds=seconds))


def beat(job, seconds, **fields):
    factories.beat(**fields, at=job.submitted_at + timedelta(seconds=seconds))


@pytest.fixture
def nadia(db):
    return factories.UserFactory(name="Nadia Berg", email="nadia@lab.example", lab_roles=["operator"])


@pytest.fixture(autouse=True)
def _no_worker_yet(quiet):
    Outage.objects.going_on().delete()
    Worker.objects.all().delete()


def test_watch_fleet_before_half_a_minute_tells_nobody(job, mara, letters):
    assert watch(job, 30) == 0
    assert letters(mara) == []


def test_watch_fleet_with_work_and_no_worker_writes_once_to_those_who_watch(job, mara, nadia, rita, letters):
    assert [watch(job, 31), watch(job, 40)] == [1, 0]
    assert letters(mara) == letters(nadia) == [UNSERVED]
    assert UNSERVED not in letters(rita)
    assert Outage.objects.get().began_at == job.submitted_at
    assert Event.objects.filter(kind="size.unserved").count() == 1


def test_watch_fleet_writes_how_much_waits_and_where_to_look(job, mara):
    watch(job, 240)
    letter = Letter.objects.get(to=mara.email)
    assert "GPT-2 124M has had work and no worker for 4 minutes: 2 texts wait." in letter.body
    assert "Start a worker that serves gpt2/124M." in letter.body
    assert letter.url.endswith("/review/fleet/")
    assert letter.urgency == "urgent"


def test_watch_fleet_with_a_worker_of_another_size_tells_too(job, mara, letters):
    beat(job, 50, size="gpt2/355M")
    assert watch(job, 60) == 1
    assert letters(mara) == [UNSERVED]


def test_watch_fleet_counts_from_when_the_last_worker_was_heard(job):
    beat(job, 100)
    assert [watch(job, 110), watch(job, 130), watch(job, 131)] == [0, 0, 1]
    assert Outage.objects.get().began_at == job.submitted_at + timedelta(seconds=100)


def test_watch_fleet_when_a_worker_serves_it_again_says_that_it_is_over(job, mara, letters):
    watch(job, 60)
    beat(job, 300)
    assert [watch(job, 300), watch(job, 301)] == [1, 0]
    assert letters(mara) == [UNSERVED, SERVED]
    assert Outage.objects.get().ended_at == job.submitted_at + timedelta(seconds=300)
    assert Event.objects.get(kind="size.served").sentence == f"{SERVED}, after 5 minutes without a worker"


def test_watch_fleet_when_there_is_no_work_any_more_ends_it(job, ben, mara, letters):
    watch(job, 60)
    actions.cancel(by=ben, job=job)
    assert watch(job, 70) == 1
    assert letters(mara) == [UNSERVED, "GPT-2 124M has no work any more"]


def test_watch_fleet_with_texts_in_an_order_that_no_worker_has_tells_too(order, mara, letters):
    job = order.completions.first().job
    assert watch(job, 3600) == 1
    assert letters(mara) == [UNSERVED]


def test_watch_fleet_twice_in_two_outages_tells_of_both(job, mara, letters):
    watch(job, 60)
    beat(job, 70)
    watch(job, 70)
    watch(job, 200)
    assert letters(mara) == [UNSERVED, SERVED, UNSERVED]
    assert Outage.objects.going_on().count() == 1


def test_set_weight_is_kept_and_recorded(northlake, size_124m, mara):
    share = actions.set_weight(by=mara, partner=northlake, size=size_124m, weight=2.5)
    assert Share.objects.get(pk=share.pk).weight == 2.5
    event = Event.objects.get(kind="share.set")
    assert event.sentence == "The weight of University of Northlake at GPT-2 124M was set to 2.5; it was 1"
    assert (event.by, event.detail) == (mara, {"weight": 2.5, "before": 1})


@pytest.mark.parametrize("given", [0, 0.09, 100.5, -1, float("nan"), float("inf")])
def test_set_weight_outside_its_limits_is_refused(northlake, size_124m, mara, given):
    with pytest.raises(Refused, match=r"Weight is a number from 0.1 to 100; you gave") as refused:
        actions.set_weight(by=mara, partner=northlake, size=size_124m, weight=given)
    assert (refused.value.field, refused.value.limit) == ("weight", [0.1, 100])
    assert not Share.objects.filter(partner=northlake).exists()


def test_set_weight_without_the_permission_is_forbidden(northlake, size_124m, rita, ada, nadia):
    for person in (rita, ada, nadia):
        with pytest.raises(Forbidden):
            actions.set_weight(by=person, partner=northlake, size=size_124m, weight=2)


def test_fleet_counts_texts_that_wait_and_texts_with_workers(submit, worker, settings):
    settings.ORDER_SEQUENCES = 2
    job = submit(20)
    actions.dispatch(by=None)
    fleet = fleet_of(at=job.submitted_at + timedelta(seconds=5))
    (queue,) = fleet.queues
    assert (queue.size, queue.workers, queue.orders, queue.organisations) == (job.size, 1, 2, 1)
    assert (queue.waiting, queue.with_workers, queue.oldest) == (16, 4, "5 seconds")
    order = factories.orders_of(job).first()
    actions.receive_report(by=None, report=factories.report_on(order, texts=1))
    (queue,) = fleet_of(at=job.submitted_at).queues
    assert (queue.waiting, queue.with_workers) == (16, 3)


def test_fleet_tells_what_each_worker_has_in_hand(order, worker):
    actions.receive_report(by=None, report=factories.report_on(order, texts=0))
    factories.beat("worker-2", leaving=True)
    fleet = fleet_of(at=order.handed_out_at)
    assert [(hand.worker.name, hand.orders) for hand in fleet.live] == [("worker-1", 1)]
    assert [(hand.worker.name, hand.orders) for hand in fleet.gone] == [("worker-2", 0)]


def test_fleet_tells_each_organisations_part_of_the_last_hour(submit, southbank_grant, cleo, worker):
    ours, theirs = submit(4), submit(1, by=cleo, partner=southbank_grant.partner)
    factories.finished_texts(ours, 3)
    factories.finished_texts(theirs, 1)
    fleet = fleet_of(at=ours.submitted_at)
    parts = [(part.share.partner, part.tokens, part.percent) for part in fleet.parts]
    assert parts == [(ours.partner, 9, 75), (theirs.partner, 3, 25)]
    (later,) = {part.percent for part in fleet_of(at=ours.submitted_at + timedelta(hours=2)).parts}
    assert later is None


def test_fleet_lists_texts_that_were_given_up(job):
    text = factories.finished_texts(job, 1)[0]
    text.finish_reason, text.error = "failed", "It was tried 3 times."
    text.save()
    assert fleet_of(at=job.submitted_at).given_up == [text]
    assert fleet_of(at=job.submitted_at + timedelta(days=8)).given_up == []


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 seconds"), (1, "1 second"), (119, "119 seconds"), (240, "4 minutes")]
)
def test_in_words_is_exact_where_it_is_short(seconds, words):
    assert in_words(timedelta(seconds=seconds)) == words


# --- what keeps failing


@pytest.fixture
def failing(db) -> Callable[..., Failure]:
    Failure.objects.all().delete()
    return partial(factories.FailureFactory, attempts=Failure.MAILED_AFTER)


def test_tell_of_failures_writes_once_of_each_and_once_an_hour(failing, nadia, letters):
    at, hour = timezone.now(), timedelta(hours=1)
    failing(attempts=Failure.MAILED_AFTER - 1)
    assert actions.tell_of_failures(by=None, at=at) == 0, "a few failures pass by themselves"
    failing()
    failing()
    assert actions.tell_of_failures(by=None, at=at) == 2
    failing()
    assert actions.tell_of_failures(by=None, at=at + hour / 2) == 0
    assert actions.tell_of_failures(by=None, at=at + 2 * hour) == 1
    assert actions.tell_of_failures(by=None, at=at + 4 * hour) == 0
    assert letters(nadia) == ["2 things keep failing", "1 thing keeps failing"]


def test_tell_of_failures_writes_once_an_hour_where_what_it_named_is_done_since(failing, nadia):
    at = timezone.now()
    failure = failing()
    assert actions.tell_of_failures(by=None, at=at) == 1
    failure.delete()
    failing()
    assert actions.tell_of_failures(by=None, at=at + timedelta(minutes=30)) == 0
    assert actions.tell_of_failures(by=None, at=at + timedelta(hours=2)) == 1


def test_tell_of_failures_is_silent_of_its_own_letters(failing, nadia):
    """While the mail server is away, the letter that says so fails too."""
    at = timezone.now()
    failing()
    assert actions.tell_of_failures(by=None, at=at) == 1
    letter = Letter.objects.get(to=nadia.email)
    failing(task="partners.deliver_mail", thing=key_of(letter))
    assert actions.tell_of_failures(by=None, at=at + timedelta(hours=2)) == 0
    failing(task="partners.deliver_mail", thing=key_of(factories.LetterFactory()))
    assert actions.tell_of_failures(by=None, at=at + timedelta(hours=2)) == 1


def test_try_now_of_what_was_done_meanwhile_changes_nothing(failing, mara):
    failure = failing()
    Failure.objects.filter(pk=failure.pk).delete()
    actions.try_now(by=mara, failure=failure)
    assert not Event.objects.filter(kind="failure.retried").exists()


def test_tell_of_failures_names_each_and_why(failing, nadia):
    failure = failing()
    actions.tell_of_failures(by=None)
    body = Letter.objects.get(to=nadia.email).body
    assert f"{failure.name}: {failure.error}" in body
    assert "/review/fleet/" in body


def test_tell_of_failures_names_no_more_than_a_mail_holds(failing, nadia):
    for number in range(30):
        failing(name=f"Thing {number}.")
    actions.tell_of_failures(by=None)
    body = Letter.objects.get(to=nadia.email).body
    assert (body.count("Thing "), "and 10 more" in body) == (20, True)
