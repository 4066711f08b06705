"""What workers tell: each text is stored and charged once, however often told, and never under an old token."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from inference import contract
from release_portal.audit.actions import record
from release_portal.audit.loops import alone
from release_portal.lib.states import move
from release_portal.lib.wake import broadcast, wake
from release_portal.partners.models import User
from release_portal.releases.actions import note_weights
from release_portal.releases.models import ModelSize

from ..models import Completion, Job, Worker, WorkOrder
from .end import at_odds, end, end_if_complete, judge, locked_all
from .orders import give_up, hand_out
from .store import store


@transaction.atomic
def receive_report(*, by: User | None, report: contract.Report, at: datetime | None = None) -> None:
    """Take a worker's report on an order: store its texts, renew its lease, end or hand out again what ended."""
    at = at or timezone.now()
    order = _fenced(report).first()
    if order is None:
        if not report.ended:
            broadcast(contract.STOP, order=report.order, token=report.token)
        return
    jobs = {job.pk: job for job in locked_all(Job.objects.with_texts_in(order))}
    for group in set(report.groups) - {str(key) for key in jobs}:  # it was taken from the order; the stop was lost
        broadcast(contract.STOP, order=report.order, token=report.token, group=group)
    for job in at_odds(at=at, among=jobs):
        if judge(job, at, by=by):
            del jobs[job.pk]
    order = _fenced(report).select_for_update(of=("self",)).first()
    if order is None:
        return
    order.worker, order.tokens = report.worker, report.tokens
    if not report.waiting:
        order.begun_at = order.begun_at or at
    order.checkpoint = report.checkpoint or order.checkpoint
    order.leased_until = at + timedelta(seconds=settings.LEASE_SECONDS)
    order.save()
    _store_texts(order, jobs, report.texts, at)
    _end(order, jobs, report, at, by=by)


@transaction.atomic
def receive_hello(*, by: User | None, hello: contract.Hello, at: datetime | None = None) -> Worker:
    """A worker says that it is alive and what it holds, or that it leaves."""
    at = at or timezone.now()
    earlier = Worker.objects.filter(name=hello.worker).first()
    rate = _rate(earlier, hello, at) if earlier and not hello.leaving else 0
    worker, _ = Worker.objects.update_or_create(
        name=hello.worker,
        defaults={
            "host": hello.host,
            "device": hello.device,
            "dtype": hello.dtype,
            "sizes": list(hello.sizes),
            "loaded": [] if hello.leaving else list(hello.loaded),
            "tokens": hello.tokens,
            "tokens_per_s": rate,
            "seen_at": at,
            "left_at": at if hello.leaving else None,
        },
    )
    if earlier is None:
        record("worker.joined", f"Worker {worker} joined", worker, by=by)
    for path, manifest in zip(hello.sizes, hello.checkpoints, strict=False):
        with alone(f"Noting the weights of {path} on {worker}"):
            size = ModelSize.objects.named(path).first()
            if size and manifest:
                note_weights(by=by, size=size, manifest_sha256=manifest, worker=worker.name)
    if not hello.leaving:
        wake("jobs.fill")
    return worker


def _rate(earlier: Worker, hello: contract.Hello, at: datetime) -> float:
    """Tokens per second since the worker's last hello; one that started anew counts from 0."""
    since = earlier.tokens if hello.tokens >= earlier.tokens else 0
    return (hello.tokens - since) / max(1.0, (at - earlier.seen_at).total_seconds())


def _fenced(report: contract.Report) -> QuerySet[WorkOrder]:
    """The order, where it is still out under the report's token."""
    return WorkOrder.objects.out().filter(pk=report.order, token=report.token).select_related("size__family")


def _store_texts(order: WorkOrder, jobs: Mapping[UUID, Job], texts: Iterable[contract.Text], at: datetime) -> None:
    told = {int(text.key): text for text in texts}
    finished: dict[UUID, list[Completion]] = {}
    for completion in order.completions.unfinished().filter(pk__in=told).order_by("job", "index"):
        text = told[completion.pk]
        completion.text = text.text.replace("\x00", "\N{REPLACEMENT CHARACTER}")
        completion.error, completion.finish_reason = text.error, text.finish_reason
        completion.prompt_tokens = text.prompt_tokens
        completion.tokens = min(text.tokens, jobs[completion.job_id].max_new_tokens)
        finished.setdefault(completion.job_id, []).append(completion)
    for key, completions in finished.items():
        store(jobs[key], completions, at)


def _end(order: WorkOrder, jobs: Mapping[UUID, Job], report: contract.Report, at: datetime, *, by: User | None) -> None:
    """End what has ended by this report: jobs whose last text is there, the order, or a worker's attempt at it."""
    for job in jobs.values():
        end_if_complete(job, by=by)
    left = [job for job in jobs.values() if job.texts_done < job.sequences]
    if not order.completions.unfinished().exists():
        move(order, WorkOrder.Status.DONE, ended_at=at)
        wake("jobs.fill")
    elif report.ended and report.stopped:  # the worker is shutting down; that is nobody's failure
        record("order.handed_back", f"Worker {report.worker} handed back {order}", order, *left, by=by)
        hand_out(order, at)
    elif report.error and not report.retry:
        for job in left:
            end(by=by, job=job, status=Job.Status.FAILED, reason=report.error)
    elif report.ended:
        give_up(order, left, report.error or "its texts were incomplete.", at, by=by)
