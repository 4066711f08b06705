"""Handing work out: what went silent is handed out again, what is allowed is packed for the workers that are alive."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from inference import contract
from release_portal.audit.actions import record
from release_portal.lib.sealed import seal
from release_portal.lib.states import move
from release_portal.lib.wake import wake
from release_portal.partners.models import User
from release_portal.releases.models import ModelSize

from ..models import Completion, Job, Worker, WorkOrder
from .end import end, keep_to_the_rule, locked

MOST_ATTEMPTS = 3
ONE_AT_A_TIME = 7_241_001  # the advisory lock of dispatch


def dispatch(*, by: User | None, at: datetime | None = None) -> int:
    """One round: returns how many orders were handed out. A second round at the same moment does nothing."""
    at = at or timezone.now()
    keep_to_the_rule(by=by, at=at)
    handed_out = 0
    for order in WorkOrder.objects.silent(at=at).select_related("job"):
        handed_out += _take_back(order, at, by=by)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [ONE_AT_A_TIME])
        if cursor.fetchone()[0]:
            handed_out += sum(_fill(size, at) for size in _sizes_with_work())
    return handed_out


def hand_out(order: WorkOrder, job: Job, at: datetime) -> None:
    """Send what is unfinished of the order to the queue of its size, under a new fencing token and a new lease."""
    order.token += 1
    order.heard_at, order.worker, order.tokens = None, "", 0
    order.handed_out_at = at
    order.leased_until = at + timedelta(seconds=settings.LEASE_SECONDS)
    order.save()
    message = contract.WorkOrder(str(order.pk), order.token, job.size.path, _sequences(order, job))
    wake(contract.GENERATE, seal(contract.to_wire(message)), queue=contract.queue_of(job.size.path))


def hand_out_again(order: WorkOrder, job: Job, why: str, at: datetime, *, by: User | None) -> None:
    """A worker did not end the order: once more, unless that has happened too often. Both rows are locked."""
    if order.attempts >= MOST_ATTEMPTS:
        end(
            by=by,
            job=job,
            status=Job.Status.FAILED,
            reason=f"Part of this job was tried {MOST_ATTEMPTS} times and did not end. The last time: {why}",
        )
        return
    record("order.handed_out_again", f"Part of job “{job}” was handed out again: {why}", job, order, by=by)
    hand_out(order, job, at)


@transaction.atomic
def _take_back(order: WorkOrder, at: datetime, *, by: User | None) -> int:
    job = locked(order.job)
    silent = WorkOrder.objects.silent(at=at).select_for_update(skip_locked=True).filter(pk=order.pk).first()
    if silent is None or not job.is_working:
        return 0
    if silent.heard_at is None:  # it never reached a worker, so nobody tried it
        hand_out_again(silent, job, "its message was lost.", at, by=by)
        return 1
    silent.attempts += 1
    hand_out_again(silent, job, f"worker {silent.worker} went silent.", at, by=by)
    return 1


def _sizes_with_work() -> list[ModelSize]:
    return list(ModelSize.objects.filter(jobs__in=Job.objects.working()).select_related("family").distinct())


def _fill(size: ModelSize, at: datetime) -> int:
    """Keep a couple of orders out for each live worker of the size."""
    workers = Worker.objects.alive(at=at).serving(size).count()
    room = workers * settings.ORDERS_PER_WORKER - WorkOrder.objects.out().filter(job__size=size).count()
    handed_out = 0
    while handed_out < room and _pack(size, at):
        handed_out += 1
    return handed_out


def _pack(size: ModelSize, at: datetime) -> bool:
    """Make one order of the next waiting sequences of the size; False where none wait."""
    next_job = Job.objects.waiting_for(size).first()
    if next_job is None:
        return False
    job = locked(next_job)
    waiting = Completion.objects.waiting().filter(job=job).order_by("index")
    chosen = list(waiting.values_list("pk", flat=True)[: settings.ORDER_SEQUENCES])
    if not job.is_working or not chosen:
        return False
    if job.status == Job.Status.QUEUED:
        move(job, Job.Status.RUNNING, started_at=job.started_at or at)
        record("job.started", f"Job “{job}” started", job, job.partner, by=None)
    order = WorkOrder.objects.create(job=job, handed_out_at=at, leased_until=at)
    Completion.objects.filter(pk__in=chosen).update(order=order)
    hand_out(order, job, at)
    return True


def _sequences(order: WorkOrder, job: Job) -> tuple[contract.Sequence, ...]:
    unfinished = order.completions.unfinished().select_related("prompt").order_by("index")
    return tuple(
        contract.Sequence(str(text.pk), text.prompt.text, job.seed, text.index, job.sampling) for text in unfinished
    )
