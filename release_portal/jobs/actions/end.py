"""Ending a job: cancelled, stopped, failed or finished; and holding one, which can go on.

Whatever the end, its orders stop and its quota is settled.
"""

from collections.abc import Collection
from datetime import datetime
from functools import cache
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import transaction
from django.db.models import DateTimeField, F, QuerySet, UUIDField
from django.utils import timezone

from release_portal.access.actions import settle
from release_portal.access.models import Grant
from release_portal.access.rule import Decision, decide
from release_portal.audit.actions import record
from release_portal.audit.loops import each
from release_portal.lib.prepared import AnyOf, Parameter, Prepared
from release_portal.lib.states import transition
from release_portal.partners.actions import write_letter
from release_portal.partners.guards import require
from release_portal.partners.models import User
from release_portal.partners.permissions import Permission

from ..models import FinishReason, Job, Share, WorkOrder
from ..window import send_stop


def _locked(job: Job) -> Job:
    """The job's row, locked.

    Rows are always locked in the order job, grant, share, several of a kind by their keys; an order's once the jobs are
    that it holds texts of.
    """
    return locked_all(jobs=Job.objects.filter(pk=job.pk))[0]


def locked_all(*, jobs: QuerySet[Job]) -> list[Job]:
    """The rows of jobs, locked; of several also what they are charged to, for they are charged one after another."""
    rows = Job.objects.filter(pk__in=jobs.values("pk")).select_related("size__family", "partner", "grant")
    locked = list(rows.order_by("pk").select_for_update(of=("self",)))
    if len(locked) > 1:
        grants = Grant.objects.filter(pk__in={job.grant_id for job in locked})
        shares = Share.objects.filter(
            size__in={job.size_id for job in locked}, partner__in={job.partner_id for job in locked}
        )
        for charged in (grants, shares):
            list(charged.order_by("pk").select_for_update(no_key=True).values_list("pk"))
    return locked


@transaction.atomic
def end(*, by: User | None, job: Job, status: Job.Status, reason: str = "") -> None:
    """Move a job to one of its ends. Raises Refused where it has already ended."""
    job = _locked(job)
    transition(job, status, ended_at=timezone.now(), ended_by=by, end_reason=reason)
    left = job.sequences - job.texts_done
    settle(grant=job.grant, reserved=job.tokens_reserved, used=0, samples_reserved=left, samples_used=0)
    _take_from_workers(job)
    sentence = f"A job of {job.what} {_ENDS[status]}"
    detail = {"texts": job.texts_done, "tokens": job.tokens_done}
    record(f"job.{status}", sentence, job, job.grant, job.partner, job.size, by=by, detail=detail)
    write_letter(
        to=[job.submitted_by],
        subject=f"Your job “{job}” {_ENDS[status]}",
        text=f"{job.texts_done:,} of {job.sequences:,} texts are there. {reason}".strip(),
        path=job.get_absolute_url(),
        action="See the job",
        by=by,
    )


def end_if_complete(*, by: User | None, job: Job) -> None:
    """Finish a job whose last text is there; where no text could be generated, it has failed. Its row is locked."""
    if job.texts_done < job.sequences:
        return
    failed = job.completions.filter(finish_reason=FinishReason.FAILED)
    if job.texts_refused == job.sequences and (last := failed.order_by("-number").first()):
        end(by=by, job=job, status=Job.Status.FAILED, reason=f"None of its texts could be generated. {last.error}")
        return
    number, reason = job.texts_refused, ""
    if number:
        reason = (
            "1 text could not be generated; it says"
            if number == 1
            else f"{number:,} texts could not be generated; each says"
        )
        reason += " why, and it was not charged." if number == 1 else " why, and none was charged."
    end(by=by, job=job, status=Job.Status.FINISHED, reason=reason)


def cancel(*, by: User, job: Job) -> None:
    """Stop a job at the request of its organisation. Texts that are there stay."""
    require(by, Permission.JOB_SUBMIT, job.partner)
    end(by=by, job=job, status=Job.Status.CANCELLED)


def enforce_rule(*, by: User | None, at: datetime) -> int:
    """Ask the access rule about every job that may be at odds with it; returns how many were changed."""
    return each(violating_rule(at=at), lambda job: judge(by=by, job=job, at=at), task="jobs.dispatch:rule", at=at)


def violating_rule(*, at: datetime, among: Collection[UUID] | None = None) -> list[Job]:
    """Those of these jobs, or of all, that are at odds with the rule."""
    parameters = {"at": at} if among is None else {"at": at, "among": list(among)}
    found = [row["id"] for row in _violating_rule(some=among is not None).rows(parameters)]
    return list(Job.objects.filter(pk__in=found)) if found else []


@cache
def _violating_rule(*, some: bool) -> Prepared:
    """The query, which is asked many times a second while workers report."""
    among = AnyOf(F("pk"), Parameter("among", ArrayField(UUIDField())))
    jobs = Job.objects.filter(among) if some else Job.objects.all()
    return Prepared.of(jobs.violating_rule(at=Parameter("at", DateTimeField())).values("id"))


@transaction.atomic
def judge(*, by: User | None, job: Job, at: datetime) -> bool:
    """Hold a job while something is suspended, stop one that is no longer allowed, let a held one go on.

    True where it was changed.
    """
    job = _locked(job)
    if not job.is_live:
        return False
    decision = decide(partner=job.partner, size=job.size, at=at)
    same_grant = decision.grant is not None and (
        decision.grant.pk == job.grant_id or job.grant.status == Grant.Status.REPLACED
    )
    held = job.status == Job.Status.HELD
    if same_grant and decision.allowed:
        return held and _let_go_on(job, by=by)
    if same_grant and decision.is_paused:
        return not held and _hold(job, decision, by=by)
    reason = "The grant that allowed this job has ended. Submit it again under the new one."
    end(by=by, job=job, status=Job.Status.STOPPED, reason=decision.sentence or reason)
    return True


def _hold(job: Job, decision: Decision, *, by: User | None) -> bool:
    """Take the job from its workers. Its quota stays set aside, and what is unfinished waits."""
    transition(job, Job.Status.HELD)
    _take_from_workers(job)
    sentence = f"A job of {job.what} was held: {decision.sentence}"
    record("job.held", sentence, job, job.partner, job.size, by=by)
    return True


def _let_go_on(job: Job, *, by: User | None) -> bool:
    Share.objects.activate(partner=job.partner, size=job.size)
    transition(job, Job.Status.QUEUED)
    record("job.resumed", f"A job of {job.what} goes on", job, job.partner, job.size, by=by)
    return True


def _take_from_workers(job: Job) -> None:
    """Take the unfinished texts of a job out of the orders they are in; the other jobs of those orders go on."""
    held = job.completions.unfinished().filter(order__isnull=False)
    orders = list(WorkOrder.objects.out().filter(pk__in=held.values("order")).order_by("pk").select_for_update())
    taken = held.update(order=None)
    Share.objects.charge(job, handed_out=-taken * job.max_new_tokens)
    for order in orders:
        if order.completions.unfinished().exists():
            send_stop(order.worker_id, str(order.pk), order.token, group=str(job.pk))
        else:
            transition(order, WorkOrder.Status.STOPPED, ended_at=timezone.now())
            send_stop(order.worker_id, str(order.pk), order.token)


_ENDS = {
    Job.Status.FINISHED: "finished",
    Job.Status.FAILED: "failed",
    Job.Status.CANCELLED: "was cancelled",
    Job.Status.STOPPED: "was stopped",
}
