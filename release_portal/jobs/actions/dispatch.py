"""Handing work out: what went silent is taken back, what is allowed is packed for the workers that are alive."""

from collections import deque
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache
from typing import TypeAlias

from django.conf import settings
from django.db import connection
from django.db.models import BigIntegerField, Exists, OuterRef, QuerySet
from django.utils import timezone

from release_portal.audit.actions import record
from release_portal.audit.loops import each
from release_portal.audit.models import key_of
from release_portal.lib.prepared import Parameter, Prepared
from release_portal.lib.states import transition
from release_portal.partners.models import User
from release_portal.releases.models import ModelSize

from ..models import Completion, Job, Share, Worker, WorkOrder
from .end import enforce_rule, locked_all, violating_rule
from .orders import give_up, hand_out, hand_out_again, worker_with_room

TURN_TEXTS = 8
"""Texts that an organisation puts into an order before it is another one's turn."""
TRIED_AGAIN_TOGETHER = {1: 16, 2: 1}
"""By the number of earlier attempts: how many texts go out together at the most."""
ONE_AT_A_TIME = 7_241_001  # the advisory lock of dispatch
Queue: TypeAlias = tuple[ModelSize, bool]
"""A size, and whether of what is urgent."""


def dispatch(*, by: User | None, at: datetime | None = None) -> int:
    """One round: what is no longer allowed or went silent is taken back, then `fill`.

    Returns how many orders were handed out. A second round at the same moment hands nothing out.
    """
    at = at or timezone.now()
    enforce_rule(by=by, at=at)
    abandoned = WorkOrder.objects.abandoned(at=at)
    handed_out = each(abandoned, lambda order: _take_back(order, at, by=by), task="jobs.dispatch:abandoned", at=at)
    return handed_out + fill(by=by, at=at)


def fill(*, by: User | None, at: datetime | None = None) -> int:
    """Hand out what waits and is allowed to the workers that have room; returns how many orders were handed out."""
    at = at or timezone.now()
    queues, packed = list(_queues(at)), 0
    while more := each(
        queues, lambda queue: _pack(*queue, at, by=by), task="jobs.fill", at=at, key=_key_of_queue, name=_name_of_queue
    ):
        packed += more
    return packed


def _take_back(found: WorkOrder, at: datetime, *, by: User | None) -> int | None:
    """Returns how many orders went out again by it; None where another round has it in hand."""
    jobs = locked_all(jobs=Job.objects.with_texts_in(found))
    abandoned = WorkOrder.objects.abandoned(at=at).select_for_update(of=("self",), skip_locked=True)
    order = abandoned.select_related("worker", "size__family").filter(pk=found.pk).first()
    if order is None:
        return None
    revoked = order.worker is not None and order.worker.revoked_at is not None
    if order.begun_at is not None and not revoked:
        give_up(by=by, order=order, jobs=jobs, why=f"worker {order.worker} went silent.", at=at)
        return 0
    why = f"the key of worker {order.worker} was revoked." if revoked else "no worker had begun it."
    if not hand_out_again(by=by, order=order, jobs=jobs, why=why, at=at):
        return 0
    record("order.handed_out_again", f"The texts of {order} are handed out again: {why}", order, *jobs, by=by)
    return 1


def _sizes_with_work() -> list[ModelSize]:
    return list(ModelSize.objects.filter(jobs__in=Job.objects.working()).select_related("family").distinct())


def _queues(at: datetime) -> Iterator[Queue]:
    """Those of the sizes with work that a live worker serves."""
    sizes = _sizes_with_work()
    workers = Worker.objects.alive(at=at).values_list("sizes", flat=True) if sizes else ()
    served = {path for paths in workers for path in paths}
    for size in sizes:
        if size.path in served:
            yield size, True
            yield size, False


def _key_of_queue(queue: Queue) -> str:
    size, urgent = queue
    return f"{key_of(size)}:{'urgent' if urgent else 'ordinary'}"


def _name_of_queue(queue: Queue) -> str:
    size, urgent = queue
    return f"{size}, {'urgent' if urgent else 'ordinary'} orders"


def _pack(size: ModelSize, urgent: bool, at: datetime, *, by: User | None) -> bool | None:
    """Make one order of texts that wait; False where none wait, None where another round is packing or no worker has
    room: what failed before has not been tried then."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [ONE_AT_A_TIME])
        if not cursor.fetchone()[0]:
            return None
    worker = worker_with_room(size=size, urgent=urgent, at=at)
    if worker is None:
        return None
    chosen = _next_texts(size, urgent)
    if not chosen:
        return False
    jobs = locked_all(jobs=Job.objects.filter(pk__in={text.job_id for text in chosen}))
    not_allowed = violating_rule(at=at, among=[job.pk for job in jobs])
    allowed = {job.pk: job for job in jobs if job.is_working and job not in not_allowed}
    chosen = [text for text in chosen if text.job_id in allowed]
    if not chosen:
        return False
    order = WorkOrder(size=size, urgent=urgent, attempts=chosen[0].attempts)
    Completion.objects.filter(pk__in=[text.pk for text in chosen]).update(order_id=order.pk)
    _serve(allowed.values(), chosen, at, by=by)
    hand_out(order=order, worker=worker, at=at)
    return True


def _serve(jobs: Iterable[Job], chosen: list[Completion], at: datetime, *, by: User | None) -> None:
    """Note that texts of these jobs are handed out: a queued job starts, and its organisation has had its turn."""
    running = []
    for job in jobs:
        if job.status == Job.Status.QUEUED:
            transition(job, Job.Status.RUNNING, started_at=job.started_at or at, served_at=at)
            record("job.started", f"A job of {job.what} started", job, job.partner, by=by)
        else:
            running.append(job.pk)
        number = sum(text.job_id == job.pk for text in chosen)
        Share.objects.charge(job, handed_out=number * job.max_new_tokens)
    Job.objects.filter(pk__in=running).update(served_at=at)


def _next_texts(size: ModelSize, urgent: bool) -> list[Completion]:
    """Texts that were tried before, and others, in turn: neither keeps the other waiting."""
    tried = _tried_before(size, urgent)
    if tried and WorkOrder.objects.filter(size=size, urgent=urgent).latest("handed_out_at").attempts:
        return list(_by_turns(size, urgent)) or tried
    return tried or list(_by_turns(size, urgent))


def _tried_before(size: ModelSize, urgent: bool) -> list[Completion]:
    """Texts that a worker began and did not end, apart from all others: one of them may be the reason."""
    working = Job.objects.working().with_urgency(urgent=urgent).filter(size=size)
    waiting = Completion.objects.waiting().filter(attempts__gt=0, job__in=working).order_by("attempts", "job", "index")
    if (first := waiting.first()) is None:
        return []
    together = TRIED_AGAIN_TOGETHER[first.attempts]
    return list(waiting.filter(attempts=first.attempts)[: min(together, settings.ORDER_SEQUENCES)])


def _by_turns(size: ModelSize, urgent: bool) -> Iterator[Completion]:
    """Texts for one order: a few of each organisation in turn, from the job of it that was served longest ago."""
    left = settings.ORDER_SEQUENCES
    waiting: dict[int, deque[tuple[Job, int]]] = {}
    for row in _next_jobs(urgent=urgent).rows({"size": size.pk, "number": left}):
        job = Job(**row)
        waiting.setdefault(job.partner_id, deque()).append((job, 0))
    shares = {share.partner_id: share for share in Share.objects.filter(size=size, partner__in=waiting)}
    while left and waiting:
        partner = min(waiting, key=lambda key: (shares[key].start_tag, waiting[key][0][0].submitted_at))
        job, start = waiting[partner].popleft()
        texts = _untried().filter(job=job, index__gte=start).order_by("index")
        turn = list(texts[: min(TURN_TEXTS, left)])
        yield from turn
        left -= len(turn)
        shares[partner].handed_out += len(turn) * job.max_new_tokens
        if len(turn) == TURN_TEXTS:
            waiting[partner].append((job, turn[-1].index + 1))
        if not waiting[partner]:
            del waiting[partner]


@cache
def _next_jobs(*, urgent: bool) -> Prepared:
    """The first `number` jobs of each organisation that have texts waiting for their first attempt."""
    size, number = (Parameter(name, BigIntegerField()) for name in ("size", "number"))
    jobs = Job.objects.working().with_urgency(urgent=urgent)
    jobs = jobs.filter(Exists(_untried().filter(job=OuterRef("pk"))), size=size)
    columns = ("id", "partner_id", "submitted_at", "max_new_tokens")
    return Prepared.of(jobs.first_of_each(number).values(*columns))


def _untried() -> QuerySet[Completion]:
    return Completion.objects.waiting().filter(attempts=0)
