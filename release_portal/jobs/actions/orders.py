"""A hand-out of texts, and the ways it comes back."""

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import F

from inference import contract
from release_portal.audit.actions import record
from release_portal.lib.broker import send_task_on_commit
from release_portal.lib.states import transition
from release_portal.partners.models import User
from release_portal.releases.models import ModelSize

from ..models import Completion, FinishReason, Job, Share, Worker, WorkOrder
from ..window import send_order
from .end import end_if_complete
from .store import store

MOST_ATTEMPTS = 3


def worker_with_room(*, size: ModelSize, urgent: bool, at: datetime, but: UUID | None = None) -> Worker | None:
    """The live worker that serves the size and has the fewest orders of this urgency; none whose key cannot be read,
    for no order can be sealed for it. The order with the key `but` does not count."""
    workers = Worker.objects.alive(at=at).with_room(size, urgent=urgent, but=but)
    return next((worker for worker in workers if worker.has_readable_key), None)


def hand_out(*, order: WorkOrder, worker: Worker, at: datetime) -> None:
    """Send what is unfinished of the order to a worker, under a new fencing token and a new lease."""
    order.token += 1
    order.begun_at, order.worker, order.tokens = None, worker, 0
    order.handed_out_at = at
    order.leased_until = at + timedelta(seconds=settings.LEASE_SECONDS)
    order.save()
    send_order(worker, _message(order, worker))


def hand_out_again(*, by: User | None, order: WorkOrder, jobs: list[Job], why: str, at: datetime) -> bool:
    """Nobody tried the order: another worker gets it, or, where none is there, its texts wait for one. Its rows are
    locked. Returns whether it went out."""
    worker = worker_with_room(size=order.size, urgent=order.urgent, at=at, but=order.pk)
    if worker is None:
        take_back(by=by, order=order, jobs=jobs, why=why, at=at)
        return False
    hand_out(order=order, worker=worker, at=at)
    return True


def give_up(*, by: User | None, order: WorkOrder, jobs: list[Job], why: str, at: datetime) -> None:
    """A worker began the order and did not end it: its texts go back into the queue, but those that failed too often.

    A text that brings workers down is tried beside fewer and fewer others, the last time alone on its worker: no other
    text is the reason for its last failure. Its rows are locked.
    """
    transition(order, WorkOrder.Status.LOST, ended_at=at)
    record("order.handed_out_again", f"The texts of {order} are handed out again: {why}", order, *jobs, by=by)
    unfinished = order.completions.unfinished()
    unfinished.update(attempts=F("attempts") + 1)
    for job in jobs:
        failed = list(unfinished.filter(job=job, attempts__gte=MOST_ATTEMPTS).order_by("index"))
        for text in failed:
            text.finish_reason, text.tokens, text.prompt_tokens = FinishReason.FAILED, 0, 0
            text.error = f"It was tried {MOST_ATTEMPTS} times and could not be generated. The last time: {why}"
        if failed:
            record("job.texts_failed", _failed_sentence(job, failed), job, job.partner, order, by=by)
            store(job=job, texts=failed, at=at)
        _put_back(order, job)
        end_if_complete(by=by, job=job)
    send_task_on_commit("jobs.fill")


def take_back(*, by: User | None, order: WorkOrder, jobs: list[Job], why: str, at: datetime) -> None:
    """No worker tried the order and none has room for it: its texts wait. Its rows are locked."""
    transition(order, WorkOrder.Status.LOST, ended_at=at)
    record("order.taken_back", f"The texts of {order} wait again: {why}", order, *jobs, by=by)
    for job in jobs:
        _put_back(order, job)


def _put_back(order: WorkOrder, job: Job) -> None:
    """Let the unfinished texts of a job wait for another order."""
    back = order.completions.unfinished().filter(job=job).update(order=None)
    Share.objects.charge(job, handed_out=-back * job.max_new_tokens)


def _failed_sentence(job: Job, failed: list[Completion]) -> str:
    places = ", ".join(f"{text.index + 1:,}" for text in failed[:5]) + (" and others" if len(failed) > 5 else "")
    return f"Text {places} of a job of {job.what} was given up after {MOST_ATTEMPTS} attempts"


def _message(order: WorkOrder, worker: Worker) -> contract.WorkOrder:
    unfinished = order.completions.unfinished().select_related("prompt", "job").order_by("job", "index")
    sequences = tuple(
        contract.Sequence(
            str(text.pk), text.prompt.text, text.job.seed, text.index, text.job.sampling, group=str(text.job_id)
        )
        for text in unfinished
    )
    last_attempt = order.attempts == MOST_ATTEMPTS - 1
    return contract.WorkOrder(
        str(order.pk),
        order.token,
        worker.names.get(order.size.path, order.size.path),
        sequences,
        urgent=order.urgent,
        alone=last_attempt,
        lease_seconds=settings.LEASE_SECONDS,
    )
