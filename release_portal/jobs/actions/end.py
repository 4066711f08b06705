"""Ending a job: cancelled, stopped, failed or finished. Whatever the way, its orders stop and its quota is settled."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from inference import contract
from release_portal.access.actions import settle
from release_portal.access.rule import decide
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
    settle(by=by, grant=job.grant, reserved=job.tokens_reserved, used=0)
    for order in job.orders.out().select_for_update():
        move(order, WorkOrder.Status.STOPPED, ended_at=timezone.now())
        broadcast(contract.STOP, order=str(order.pk), token=order.token)
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


def stop_no_longer_allowed(*, by: User | None, at: datetime) -> int:
    """Stop every live job that the access rule no longer allows; returns how many."""
    stopped = 0
    for job in Job.objects.no_longer_allowed(at=at):
        stopped += stop_unless_allowed(job, at, by=by)
    return stopped


@transaction.atomic
def stop_unless_allowed(job: Job, at: datetime, *, by: User | None) -> bool:
    """Ask the rule about one live job, and stop it where the answer is no. True where it was stopped."""
    job = locked(job)
    decision = decide(partner=job.partner, size=job.size, at=at)
    same_grant = decision.grant is not None and decision.grant.pk == job.grant_id
    if not job.is_live or (decision.allowed and same_grant):
        return False
    reason = decision.sentence or "The grant that allowed this job has ended. Submit it again under the new one."
    end(by=by, job=job, status=Job.Status.STOPPED, reason=reason)
    return True


_ENDS = {
    Job.Status.FINISHED: "finished",
    Job.Status.FAILED: "failed",
    Job.Status.CANCELLED: "was cancelled",
    Job.Status.STOPPED: "was stopped",
}
