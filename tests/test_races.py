"""Two people, or two clicks, at the same moment: real threads, real transactions, many times over."""

import threading
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import timedelta
from importlib import import_module

import pytest
from django.db import connection, transaction
from django.utils import timezone

from agreements import actions as agreements
from agreements.models import Agreement, Signature
from inference.seal import addressed
from release_portal.access import actions as access
from release_portal.access.models import AccessRequest, Grant
from release_portal.audit.loops import each
from release_portal.audit.models import Event
from release_portal.jobs import actions as jobs
from release_portal.jobs import byte_ranges
from release_portal.jobs.actions import store
from release_portal.jobs.downloads import JSONL
from release_portal.jobs.models import Completion, Drop, Job, Outage, Worker, WorkOrder
from release_portal.jobs.receiver import take
from release_portal.lib.states import Refused
from release_portal.partners import actions as partners
from release_portal.partners.actions.members import hash_of
from release_portal.partners.models import Invitation, Letter, Membership, Partner, Role, User
from release_portal.releases.actions import open_component
from release_portal.releases.models import Audience, Component, Family, ModelSize

from . import factories
from .patience import AT_LENGTH, PATIENCE

TIMES = 20 if AT_LENGTH else 5
DECISIONS = 1_500 if AT_LENGTH else 20
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("committed")]


def person(role: str) -> User:
    """Somebody at the lab who stays from run to run."""
    found = User.objects.filter(email=f"{role}@races.example").first()
    return found or factories.UserFactory(name=role, email=f"{role}@races.example", lab_roles=["reviewer"])


@pytest.fixture
def size(committed) -> ModelSize:
    family, _ = Family.objects.get_or_create(slug="races", defaults={"name": "Races", "summary": "For races."})
    size, _ = ModelSize.objects.get_or_create(
        family=family, name="1M", defaults={"parameters": 10**6, "context_tokens": 64}
    )
    details = {"audience": Audience.PARTNER, "reason": "For races."}
    open_component(by=None, of=size, component=Component.GENERATION, **details)
    return size


@pytest.fixture
def partner(committed) -> Partner:
    """An admitted organisation, new each time; its applicant does everything there."""
    applicant = factories.UserFactory(email=f"{uuid.uuid4().hex}@races.example")
    partner = factories.PartnerFactory(applied_by=applicant, legal_name=f"Races {uuid.uuid4().hex}")
    roles = Role.objects.filter(at_lab=False)
    factories.MembershipFactory(user=applicant, partner=partner, roles=list(roles))
    return partner


@pytest.fixture
def signed(partner) -> Partner:
    factories.AgreementFactory(partner=partner, signed=True)
    return partner


@pytest.fixture
def grant(signed, size) -> Grant:
    """Enough for exactly one job of ten tokens."""
    return factories.GrantFactory(partner=signed, size=size, token_quota=10)


def ledger(grant) -> tuple[int, int]:
    return Grant.objects.values_list("tokens_used", "tokens_reserved").get(pk=grant.pk)


def submission(grant, key):
    details = {"partner": grant.partner, "size": grant.size, "max_new_tokens": 10, "seed": 1, "idempotency_key": key}
    return lambda: jobs.submit(by=grant.partner.applied_by, prompts=["one"], **details)


def won_and_lost(ends):
    """One got what they asked for, the other a refusal."""
    (lost,) = [end for end in ends if isinstance(end, Refused)]
    (won,) = [end for end in ends if not isinstance(end, Refused)]
    return won, lost


def test_two_reviewers_decide_one_request_at_once(race, signed, size):
    """One decision each, by the first; the other hears who decided what."""
    rita, tom = person("rita"), person("tom")
    granted = 0
    for _ in range(DECISIONS):
        request = factories.ItemFactory(partner=signed, size=size).request
        waiting = AccessRequest.objects.select_related("partner").filter(pk=request.pk)
        mine, yours = waiting.get(), waiting.get()
        ends = race(
            lambda mine=mine: factories.approved(mine.items.get(), by=rita),
            lambda yours=yours: factories.declined(yours, by=tom),
        )
        (lost,) = [end for end in ends if isinstance(end, Refused)]
        item = request.items.get()
        word = {"granted": "granted by rita", "declined": "declined by tom"}[item.status]
        assert lost.sentence.startswith((f"Races 1M is already {word}", "This request is already decided by"))
        assert item.decided_by.name in lost.sentence
        grants = Grant.objects.filter(request=request)
        assert grants.count() == (item.status == "granted")
        events = Event.objects.about(request).exclude(kind="rows.made")
        assert item.reviews.count() == events.count() == 1
        with transaction.atomic():
            factories.recorded(*grants)
            granted += grants.update(status=Grant.Status.EXPIRED, ended_at=timezone.now())
    if AT_LENGTH:
        assert 0 < granted < DECISIONS, "each of the two was first at times"


def test_two_submissions_want_the_last_of_the_quota_at_once(race, grant):
    for _ in range(TIMES):
        ends = race(*(submission(grant, uuid.uuid4().hex) for _ in range(2)))
        won, lost = won_and_lost(ends)
        assert lost.field == "quota"
        assert "0 are left of the 10" in lost.sentence
        assert ledger(grant) == (0, 10)
        jobs.cancel(by=grant.partner.applied_by, job=won)
        assert ledger(grant) == (0, 0)
    assert Job.objects.filter(grant=grant).count() == TIMES


@pytest.mark.parametrize("quota", [10, 1_000])
def test_double_click_on_submit_is_one_job(race, grant, quota):
    """Also where the quota has room for one only: the second click is the first job, not a refusal."""
    factories.with_terms(grant, token_quota=quota)
    for _ in range(TIMES):
        key = uuid.uuid4().hex
        first, second = race(submission(grant, key), submission(grant, key))
        assert first == second
        assert ledger(grant) == (0, 10)
        assert Completion.objects.filter(job=first).count() == 1
        assert Event.objects.about(first).filter(kind="job.submitted").count() == 1
        jobs.cancel(by=grant.partner.applied_by, job=first)


def test_two_signatures_at_once_are_one_agreement(race, committed):
    version = factories.published_agreement()
    origin = agreements.Origin("203.0.113.7", "Firefox")
    for _ in range(TIMES):
        one, other = factories.UserFactory.create_batch(2)
        partner = factories.PartnerFactory(applied_by=one)
        for user in (one, other):
            factories.MembershipFactory(user=user, partner=partner, roles=["signatory"])
        details = {
            "partner": partner,
            "version": version,
            "text_sha256": version.text_sha256,
            "legal_name": "Somebody Else",
            "title": "Director",
            "states_authority": True,
            "states_intent": True,
            "origin": origin,
        }
        ends = race(*(lambda by=by, details=details: agreements.sign(by=by, **details) for by in (one, other)))
        won, lost = won_and_lost(ends)
        assert lost.sentence == f"{partner} has already signed the {version}."
        assert Agreement.objects.filter(partner=partner).count() == 1
        assert Signature.objects.get(agreement__partner=partner) == won


def holder() -> Worker:
    return factories.enrolled("races-holder")


def handed_out(grant) -> WorkOrder:
    """A job of two texts, all of it with a worker, as dispatch leaves it."""
    details = {"partner": grant.partner, "size": grant.size, "max_new_tokens": 5, "seed": 1}
    job = jobs.submit(by=grant.partner.applied_by, prompts=["one", "two"], **details)
    at = job.submitted_at
    Job.objects.filter(pk=job.pk).update(status=Job.Status.RUNNING, started_at=at)
    order = WorkOrder.objects.create(size=grant.size, token=1, handed_out_at=at, leased_until=at, worker=holder())
    job.completions.update(order=order)
    return order


def test_two_deliveries_of_one_report_at_once_charge_once(race, grant):
    factories.with_terms(grant, token_quota=10 * TIMES)
    for number in range(1, TIMES + 1):
        order = handed_out(grant)
        reported = factories.report_on(order, tokens_each=3, ended=bool(number % 2))
        assert race(*(lambda reported=reported: jobs.receive_report(by=None, report=reported) for _ in range(2))) == [
            None,
            None,
        ]
        job = Job.objects.get(pk=order.completions.first().job_id)
        assert (job.status, job.texts_done, job.tokens_done) == ("finished", 2, 6)
        assert ledger(grant) == (6 * number, 0)
        assert Event.objects.about(job).filter(kind="job.finished").count() == 1


def drops() -> Counter[str]:
    """How many messages were dropped so far, by the reason."""
    number: Counter[str] = Counter()
    for drop in Drop.objects.all():
        number[drop.reason] += drop.number
    return number


def test_one_message_that_two_threads_read_at_once_counts_once(race, grant):
    factories.with_terms(grant, token_quota=10 * TIMES)
    for number in range(1, TIMES + 1):
        order, before = handed_out(grant), drops()
        report = factories.report_on(order, tokens_each=3, ended=True)
        sent = addressed(report.worker, holder().seal.close(report)).encode()
        assert race(*[lambda sent=sent: take(sent, at=timezone.now())] * 2) == [None, None]
        assert drops() - before == {"it was read before": 1}
        assert ledger(grant) == (6 * number, 0)


def one_text(grant) -> Job:
    details = {"partner": grant.partner, "size": grant.size, "max_new_tokens": 5, "seed": 1}
    return jobs.submit(by=grant.partner.applied_by, prompts=["one"], **details)


def shared(first, second) -> WorkOrder:
    """An order of a job of each; the database sorts the first one's job before the other's."""
    one, other = one_text(first), one_text(second)
    while other.pk < one.pk:
        jobs.cancel(by=second.partner.applied_by, job=other)
        other = one_text(second)
    at = other.submitted_at
    both = Job.objects.filter(pk__in=[one.pk, other.pk])
    both.update(status=Job.Status.RUNNING, started_at=at)
    order = WorkOrder.objects.create(size=first.size, token=1, handed_out_at=at, leased_until=at, worker=holder())
    Completion.objects.filter(job__in=both).update(order=order)
    return order


@pytest.fixture
def meet() -> Callable[[], None]:
    """Waits until the other thread is there as well, or a second."""
    both = threading.Barrier(2)

    def wait() -> None:
        with suppress(threading.BrokenBarrierError):
            both.wait(1)

    return wait


def test_reports_on_orders_of_the_same_organisations_wait_for_each_other(race, grant, size, meet, monkeypatch):
    """The jobs of the two orders are sorted the other way round; both reports charge both organisations."""
    applicant = factories.UserFactory(email=f"{uuid.uuid4().hex}@races.example")
    neighbour = factories.PartnerFactory(applied_by=applicant, legal_name=f"Races {uuid.uuid4().hex}")
    factories.MembershipFactory(user=applicant, partner=neighbour, roles=list(Role.objects.filter(at_lab=False)))
    factories.AgreementFactory(partner=neighbour, signed=True)
    other = factories.GrantFactory(partner=neighbour, size=size, token_quota=10_000)
    factories.with_terms(grant, token_quota=10_000)
    orders = shared(grant, other), shared(other, grant)
    settle = access.settle
    monkeypatch.setattr(store, "settle", lambda **named: (settle(**named), meet()))
    reports = [factories.report_on(order, tokens_each=3, ended=True) for order in orders]
    assert race(*(lambda report=report: jobs.receive_report(by=None, report=report) for report in reports)) == [
        None,
        None,
    ]
    assert [ledger(one)[0] for one in (grant, other)] == [6, 6]


def test_cancel_and_a_report_on_another_job_wait_for_each_other(race, grant, meet, monkeypatch):
    factories.with_terms(grant, token_quota=20)
    orders = [handed_out(grant) for _ in range(2)]
    job = Job.objects.select_related("partner").get(pk=orders[0].completions.first().job_id)
    reported = factories.report_on(orders[1], tokens_each=3, ended=True)
    settle = access.settle
    monkeypatch.setattr(store, "settle", lambda **named: (settle(**named), meet()))
    monkeypatch.setattr(
        import_module("release_portal.jobs.actions.end"), "settle", lambda **named: (meet(), settle(**named))
    )
    assert race(
        lambda: jobs.cancel(by=grant.partner.applied_by, job=job), lambda: jobs.receive_report(by=None, report=reported)
    ) == [None, None]
    assert ledger(grant) == (6, 0)


def test_cancel_and_the_last_report_at_once_settle_once(race, grant):
    factories.with_terms(grant, token_quota=10 * TIMES)
    used = 0
    for _ in range(TIMES):
        order = handed_out(grant)
        job = Job.objects.select_related("partner").get(pk=order.completions.first().job_id)
        reported = factories.report_on(order, tokens_each=3, ended=True)
        race(
            lambda job=job: jobs.cancel(by=grant.partner.applied_by, job=job),
            lambda reported=reported: jobs.receive_report(by=None, report=reported),
        )
        job.refresh_from_db()
        assert (job.status, job.texts_done) in {("finished", 2), ("cancelled", 0)}
        used += job.tokens_done
        assert ledger(grant) == (used, 0)


def test_revoke_and_submit_at_once_leave_nothing_running(race, signed, size):
    """Whichever is first: no job is left that the rule does not allow once dispatch has looked."""
    rita = person("rita")
    for _ in range(TIMES):
        grant = factories.GrantFactory(partner=signed, size=size, token_quota=10)
        race(
            lambda grant=grant: access.revoke_grant(
                by=rita, grant=grant, reason_code="misuse", reason="The race is over."
            ),
            submission(grant, uuid.uuid4().hex),
        )
        jobs.enforce_rule(by=None, at=timezone.now())
        assert not Job.objects.live().filter(grant=grant).exists()
        assert ledger(grant) == (0, 0)


def test_an_invitation_accepted_twice_at_once_is_one_membership(race, committed):
    partner = factories.PartnerFactory()
    for _ in range(TIMES):
        invited = factories.UserFactory(email=f"{uuid.uuid4().hex}@races.example")
        key = uuid.uuid4().hex
        now = timezone.now()
        invitation = Invitation.objects.create(
            partner=partner,
            email=invited.email,
            key_hash=hash_of(key=key),
            invited_by=partner.applied_by,
            invited_at=now,
            expires_at=now + timedelta(days=1),
        )
        invitation.roles.set(["researcher"])
        ends = race(*(lambda by=invited, key=key: partners.accept_invitation(by=by, key=key) for _ in range(2)))
        _, lost = won_and_lost(ends)
        assert "already accepted" in lost.sentence
        assert Membership.objects.filter(user=invited).count() == 1


def test_two_watches_at_once_tell_of_an_outage_once(race, grant, size):
    watcher = User.objects.filter(email="watcher@races.example").first()
    watcher = watcher or factories.UserFactory(email="watcher@races.example", lab_roles=["operator"])
    job = submission(grant, uuid.uuid4().hex)()
    before = Event.objects.about(size).filter(kind__in=["size.unserved", "size.served"]).count()
    for late in range(1, TIMES + 1):
        at = timezone.now() + timedelta(minutes=late)
        race(*[lambda at=at: jobs.watch_fleet(by=None, at=at)] * 2)
        assert Outage.objects.going_on().filter(size=size).count() == 1
        factories.beat("races-worker", size=size.path, at=at)
        race(*[lambda at=at: jobs.watch_fleet(by=None, at=at)] * 2)
        assert not Outage.objects.going_on().filter(size=size).exists()
        Worker.objects.filter(name="races-worker").update(seen_at=at - timedelta(days=2))
    jobs.cancel(by=grant.partner.applied_by, job=job)
    after = Event.objects.about(size).filter(kind__in=["size.unserved", "size.served"]).count()
    assert after - before == Letter.objects.filter(to=watcher.email, subject__startswith=str(size)).count() == 2 * TIMES


def test_each_row_of_a_loop_is_committed_before_the_next(committed):
    """Reminders of thousands of grants were one transaction, and the grants locked until its end."""
    letters = [factories.LetterFactory() for _ in range(2)]
    seen = []

    def send(letter: Letter) -> None:
        with ThreadPoolExecutor(1) as elsewhere:
            seen.append(elsewhere.submit(sent).result(PATIENCE))
        Letter.objects.filter(pk=letter.pk).update(sent_at=timezone.now())

    def sent() -> int:
        with closing(connection):
            return Letter.objects.filter(pk__in=[letter.pk for letter in letters], sent_at__isnull=False).count()

    each(letters, send, task="rooms.sweep", at=timezone.now())
    assert seen == [0, 1]


def test_two_rounds_at_once_hand_out_no_more_than_there_is_room_for(race, grant, size, settings):
    settings.ORDER_SEQUENCES = 4
    factories.with_terms(grant, token_quota=1_000)
    factories.beat("races-worker", size=size.path)
    details = {"partner": grant.partner, "size": size, "max_new_tokens": 1, "seed": 1}
    for _ in range(TIMES):
        job = jobs.submit(by=grant.partner.applied_by, prompts=[f"Prompt {number}" for number in range(40)], **details)
        handed_out = race(*[lambda: jobs.fill(by=None)] * 2)
        assert WorkOrder.objects.out().filter(size=size).count() == sum(handed_out) == settings.ORDERS_PER_WORKER
        jobs.cancel(by=grant.partner.applied_by, job=job)
    Worker.objects.filter(name="races-worker").update(left_at=timezone.now())


def test_two_parts_of_one_file_at_once_count_its_lines_once(grant, race, monkeypatch):
    job = submission(grant, uuid.uuid4().hex)()
    jobs.cancel(by=grant.partner.applied_by, job=job)
    counted, count = [], byte_ranges._count
    monkeypatch.setattr(byte_ranges, "_count", lambda job, file: counted.append(job.pk) or count(job, file))
    first, second = race(lambda: byte_ranges.index_of(job, JSONL), lambda: byte_ranges.index_of(job, JSONL))
    assert counted == [job.pk]
    assert (first.pk, first.length) == (second.pk, 0)
