"""Ending a job: cancelled, stopped, failed or finished; and holding one, which can go on.

Whatever the end, its orders stop and its quota is settled.
"""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from inference import contract
from release_portal.access.actions import settle
from release_portal.access.models import Grant
from release_portal.access.rule import Decision, decide
from release_portal.audit.actions import record
from release_portal.lib.states import move
from release_portal.lib.wake import broadcast
from release_portal.partners.actions import write_letter
from release_portal.partners.guards import require
from release_portal.partners.models import User
from release_portal.partners.permissions import Permission

from ..models import Job, WorkOrder


def locked(job: Job) -> Job:
    """The job's row, locked. Rows are always locked in the order job, order, grant."""
    return Job.objects.select_for_update(of=("self",)).select_related("size__family", "partner", "grant").get(pk=job.pk)


@transaction.atomic
def end(*, by: User | None, job: Job, status: Job.Status, reason: str = "") -> None:
    """Move a job to one of its ends. Raises Refused where it has already ended."""
    job = locked(job)
    move(job, status, ended_at=timezone.now(), ended_by=by, end_reason=reason)
    left = job.sequences - job.texts_done
    settle(by=by, grant=job.grant, reserved=job.tokens_reserved, used=0, samples_reserved=left, samples_used=0)
    _stop_orders(job)
    sentence = f"Job “{job}” {_ENDS[status]}"
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


def cancel(*, by: User, job: Job) -> None:
    """Stop a job at the request of its organisation. Texts that are there stay."""
    require(by, Permission.JOB_SUBMIT, job.partner)
    end(by=by, job=job, status=Job.Status.CANCELLED)


def keep_to_the_rule(*, by: User | None, at: datetime) -> int:
    """Ask the access rule about every job that may be at odds with it; returns how many were changed."""
    changed = 0
    for job in Job.objects.at_odds_with_the_rule(at=at):
        changed += judge(job, at, by=by)
    return changed


@transaction.atomic
def judge(job: Job, at: datetime, *, by: User | None) -> bool:
    """Hold a job while something is suspended, stop one that is no longer allowed, let a held one go on.

    True where it was changed.
    """
    job = locked(job)
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
    move(job, Job.Status.HELD)
    _stop_orders(job)
    job.completions.unfinished().update(order=None)
    record("job.held", f"Job “{job}” was held: {decision.sentence}", job, job.partner, job.size, by=by)
    return True


def _let_go_on(job: Job, *, by: User | None) -> bool:
    move(job, Job.Status.QUEUED)
    record("job.resumed", f"Job “{job}” goes on", job, job.partner, job.size, by=by)
    return True


def _stop_orders(job: Job) -> None:
    for order in job.orders.out().select_for_update():
        move(order, WorkOrder.Status.STOPPED, ended_at=timezone.now())
        broadcast(contract.STOP, order=str(order.pk), token=order.token)


_ENDS = {
    Job.Status.FINISHED: "finished",
    Job.Status.FAILED: "failed",
    Job.Status.CANCELLED: "was cancelled",
    Job.Status.STOPPED: "was stopped",
}
