"""What workers say: each text is stored and charged once, however often it is reported, never under an old token, and
never where it cannot be so."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from inference import contract
from release_portal.audit.actions import record
from release_portal.lib.broker import send_task_on_commit
from release_portal.lib.states import transition
from release_portal.lib.text import number_in
from release_portal.partners.models import User

from ..flaws import flaw_of_report, flaw_of_text
from ..models import Completion, FinishReason, Job, WorkOrder
from ..window import send_stop
from .end import end, end_if_complete, judge, locked_all, violating_rule
from .orders import give_up, hand_out_again
from .store import store
from .workers import flag


@transaction.atomic
def receive_report(*, by: User | None, report: contract.Report, at: datetime | None = None) -> None:
    """Take a worker's report on an order: store its texts, renew its lease, end or hand out again what ended.

    It counts only where it comes from the worker that holds the order, under the order's token.
    """
    at = at or timezone.now()
    order = _fenced(report).first()
    if order is None:
        if not report.ended:
            send_stop(report.worker, report.order, report.token)
        return
    jobs = {job.pk: job for job in locked_all(jobs=Job.objects.with_texts_in(order))}
    report = _without_flaws(report, at)
    for group in set(report.groups) - {str(key) for key in jobs}:  # it was taken from the order; the stop was lost
        send_stop(report.worker, report.order, report.token, group=group)
    for job in violating_rule(at=at, among=jobs):
        if judge(by=by, job=job, at=at):
            del jobs[job.pk]
    order = _fenced(report).select_for_update(of=("self",)).first()
    if order is None:
        return
    order.tokens = report.tokens
    if not report.waiting:
        order.begun_at = order.begun_at or at
    order.checkpoint = report.checkpoint or order.checkpoint
    order.leased_until = at + timedelta(seconds=settings.LEASE_SECONDS)
    order.save()
    _store_texts(order, jobs, report.texts, at)
    _end(order, jobs, report, at, by=by)


def _fenced(report: contract.Report) -> QuerySet[WorkOrder]:
    """The order, where it is still out with this worker under the report's token, and the worker's key holds."""
    out = WorkOrder.objects.out().select_related("size__family")
    try:
        held = out.filter(worker__name=report.worker, worker__revoked_at__isnull=True)
        return held.filter(pk=report.order, token=report.token)
    except ValidationError:  # it names no order
        return out.none()


def _without_flaws(report: contract.Report, at: datetime) -> contract.Report:
    """The report without what cannot be so in it, for which its worker is flagged: of too many texts none counts, and
    otherwise they are looked at one by one."""
    flaw = flaw_of_report(report)
    if not flaw:
        return report
    flag(by=None, name=report.worker, flaw=f"a report with {flaw}", at=at)
    error = f"Worker {report.worker} gave a reason that cannot be shown." if report.error else ""
    texts = report.texts if len(report.texts) <= settings.ORDER_SEQUENCES else ()
    return replace(report, tokens=0, checkpoint="", error=error, groups=(), texts=texts)


def _store_texts(order: WorkOrder, jobs: Mapping[UUID, Job], texts: Iterable[contract.Text], at: datetime) -> None:
    reported = {text.key: text for text in texts}
    keys = [key for key in map(number_in, reported) if key is not None]
    finished: dict[UUID, list[Completion]] = {}
    for completion in order.completions.unfinished().filter(pk__in=keys).order_by("job", "index"):
        if text := reported.get(str(completion.pk)):  # a number can be spelt in several ways, a key in one
            _fill_in(completion, text, order, jobs[completion.job_id], at)
            finished.setdefault(completion.job_id, []).append(completion)
    for key, completions in finished.items():
        store(job=jobs[key], texts=completions, at=at)


def _fill_in(completion: Completion, text: contract.Text, order: WorkOrder, job: Job, at: datetime) -> None:
    """What the worker says of one text; where that cannot be so the text fails, and no other does."""
    if flaw := flaw_of_text(text, job.max_new_tokens):
        flag(by=None, name=str(order.worker_id), flaw=f"a text with {flaw}", at=at)
        error = f"Worker {order.worker_id} reported {flaw} for it, which cannot be. The operator was informed."
        text = contract.Text(text.key, "", 0, 0, FinishReason.FAILED, error)
    completion.text, completion.error, completion.finish_reason = text.text, text.error, text.finish_reason
    completion.prompt_tokens, completion.tokens = text.prompt_tokens, text.tokens


def _end(order: WorkOrder, jobs: Mapping[UUID, Job], report: contract.Report, at: datetime, *, by: User | None) -> None:
    """End what has ended by this report: jobs whose last text is there, the order, or a worker's attempt at it."""
    for job in jobs.values():
        end_if_complete(by=by, job=job)
    left = [job for job in jobs.values() if job.texts_done < job.sequences]
    if not order.completions.unfinished().exists():
        transition(order, WorkOrder.Status.DONE, ended_at=at)
        send_task_on_commit("jobs.fill")
    elif report.ended and report.stopped:  # the worker is shutting down; that is nobody's failure
        record("order.handed_back", f"Worker {report.worker} handed back {order}", order, *left, by=by)
        hand_out_again(by=by, order=order, jobs=left, why=f"worker {report.worker} handed it back.", at=at)
    elif report.error and not report.retry:
        for job in left:
            end(by=by, job=job, status=Job.Status.FAILED, reason=report.error)
    elif report.ended:
        give_up(by=by, order=order, jobs=left, why=report.error or "its texts were incomplete.", at=at)
