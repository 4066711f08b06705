"""What workers tell: each text is stored and charged once, however often told, and never under an old token."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from inference import contract
from release_portal.access.actions import settle
from release_portal.audit.actions import record
from release_portal.lib.states import move
from release_portal.lib.wake import broadcast, wake
from release_portal.partners.models import User
from release_portal.releases.actions import note_weights
from release_portal.releases.models import ModelSize

from ..models import Completion, Job, Worker, WorkOrder
from .dispatch import hand_out, hand_out_again
from .end import end, judge, locked


@transaction.atomic
def receive_report(*, by: User | None, report: contract.Report, at: datetime | None = None) -> None:
    """Take a worker's report on an order: store its texts, renew its lease, end or hand out again what ended."""
    at = at or timezone.now()
    order = _fenced(report)
    if order is None:
        if not report.ended:
            broadcast(contract.STOP, order=report.order, token=report.token)
        return
    job = locked(order.job)
    order = WorkOrder.objects.out().select_for_update().filter(pk=order.pk, token=report.token).first()
    if order is None or judge(job, at, by=by):
        return
    order.worker, order.heard_at, order.tokens = report.worker, at, report.tokens
    order.checkpoint = report.checkpoint or order.checkpoint
    order.leased_until = at + timedelta(seconds=settings.LEASE_SECONDS)
    order.save()
    _store(job, order, report.texts, at)
    if not order.completions.unfinished().exists():
        _finish(job, order, at, by=by)
    elif report.ended:
        _end_early(job, order, report, at, by=by)


@transaction.atomic
def receive_hello(*, by: User | None, hello: contract.Hello, at: datetime | None = None) -> Worker:
    """A worker says that it is alive and what it holds, or that it leaves."""
    at = at or timezone.now()
    earlier = Worker.objects.filter(name=hello.worker).first()
    worker, _ = Worker.objects.update_or_create(
        name=hello.worker,
        defaults={
            "host": hello.host,
            "device": hello.device,
            "dtype": hello.dtype,
            "sizes": list(hello.sizes),
            "seen_at": at,
            "left_at": at if hello.leaving else None,
        },
    )
    if earlier is None:
        record("worker.joined", f"Worker {worker} joined", worker, by=by)
    for path, manifest in zip(hello.sizes, hello.checkpoints, strict=False):
        size = ModelSize.objects.named(path).first()
        if size and manifest:
            note_weights(by=by, size=size, manifest_sha256=manifest, worker=worker.name)
    if not hello.leaving:
        wake("jobs.dispatch")
    return worker


def _fenced(report: contract.Report) -> WorkOrder | None:
    """The order, where it is still out under the report's token."""
    return WorkOrder.objects.out().filter(pk=report.order, token=report.token).select_related("job").first()


def _store(job: Job, order: WorkOrder, texts: Iterable[contract.Text], at: datetime) -> None:
    reported = {int(text.key): text for text in texts}
    stored = list(order.completions.unfinished().filter(pk__in=reported))
    for completion in stored:
        text = reported[completion.pk]
        completion.text, completion.error = text.text.replace("\x00", "\N{REPLACEMENT CHARACTER}"), text.error
        completion.prompt_tokens, completion.tokens = text.prompt_tokens, min(text.tokens, job.max_new_tokens)
        completion.finish_reason, completion.finished_at = text.finish_reason, at
    if not stored:
        return
    fields = ["text", "error", "prompt_tokens", "tokens", "finish_reason", "finished_at"]
    Completion.objects.bulk_update(stored, fields)
    tokens = sum(completion.tokens or 0 for completion in stored)
    number, reserved = len(stored), len(stored) * job.max_new_tokens
    settle(by=None, grant=job.grant, reserved=reserved, used=tokens, samples_reserved=number, samples_used=number)
    Job.objects.filter(pk=job.pk).update(
        texts_done=F("texts_done") + len(stored),
        texts_refused=F("texts_refused") + sum(completion.finish_reason == "refused" for completion in stored),
        tokens_done=F("tokens_done") + tokens,
    )
    job.refresh_from_db(fields=["texts_done", "texts_refused", "tokens_done"])


def _finish(job: Job, order: WorkOrder, at: datetime, *, by: User | None) -> None:
    move(order, WorkOrder.Status.DONE, ended_at=at)
    if job.texts_done == job.sequences:
        number = job.texts_refused
        told = "1 prompt could not be continued; it says why."
        reason = (
            "" if not number else told if number == 1 else f"{number:,} prompts could not be continued; each says why."
        )
        end(by=by, job=job, status=Job.Status.FINISHED, reason=reason)
    wake("jobs.dispatch")


def _end_early(job: Job, order: WorkOrder, report: contract.Report, at: datetime, *, by: User | None) -> None:
    if report.stopped:  # the worker is shutting down; that is nobody's failure
        record("order.handed_back", f"Worker {report.worker} handed back part of job “{job}”", job, order, by=by)
        hand_out(order, job, at)
    elif report.error and not report.retry:
        end(by=by, job=job, status=Job.Status.FAILED, reason=report.error)
    else:
        order.attempts += 1
        hand_out_again(order, job, report.error or "its texts were incomplete.", at, by=by)
