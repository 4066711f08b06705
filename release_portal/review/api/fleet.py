"""The workers, the queues, and each organisation's part of them."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Field, Router, Schema, Status

from release_portal.audit.models import Failure
from release_portal.jobs import actions as jobs
from release_portal.jobs.accounts import address_for
from release_portal.jobs.fleet import Failing, fleet_of
from release_portal.jobs.limits import WEIGHT
from release_portal.jobs.models import Worker
from release_portal.lib.reasons import LONGEST_REASON
from release_portal.lib.schemas import Body, Word
from release_portal.partners.models import Partner
from release_portal.partners.permissions import Permission
from release_portal.partners.shortcuts import SignedIn
from release_portal.releases.shortcuts import size_named

from ..decorators import staff

router = Router(tags=["fleet"])


class OutageOut(Schema):
    size: str = Field(alias="size.path")
    began_at: datetime = Field(alias="outage.began_at")
    texts: int = Field(description="not finished")


class WorkerOut(Schema):
    name: str = Field(alias="worker.name")
    host: str = Field(alias="worker.host")
    device: str = Field(alias="worker.device")
    dtype: str = Field(alias="worker.dtype")
    sizes: list[str] = Field(alias="worker.sizes")
    loaded: list[str] = Field(alias="worker.loaded", description="the sizes in its memory")
    plain: list[str] = Field(
        alias="worker.plain", description="those of them that run on transformers' own cache, which is slower"
    )
    tokens_per_s: float = Field(alias="worker.tokens_per_s")
    enrolled_at: datetime = Field(alias="worker.enrolled_at")
    seen_at: datetime | None = Field(alias="worker.seen_at")
    left_at: datetime | None = Field(alias="worker.left_at")
    revoked_at: datetime | None = Field(alias="worker.revoked_at")
    flaws: int = Field(alias="worker.flaws", description="how often it reported what cannot be")
    last_flaw: str = Field(alias="worker.last_flaw")
    orders: int = Field(description="in hand")


class QueueOut(Schema):
    size: str = Field(alias="size.path")
    workers: int = Field(description="alive, and serving the size")
    waiting: int = Field(description="texts that wait")
    with_workers: int = Field(description="texts handed out")
    oldest_at: datetime | None = Field(description="when the oldest job with waiting texts was submitted")
    organisations: int
    orders: int = Field(description="handed out")


class ShareOut(Schema):
    size: str = Field(alias="size.path")
    organisation: str = Field(alias="partner.slug")
    weight: float


class PartOut(Schema):
    size: str = Field(alias="size.path")
    organisation: str = Field(alias="share.partner.slug")
    weight: float = Field(alias="share.weight")
    tokens: int = Field(description="of texts finished in the last hour")
    percent: float | None = Field(description="of all tokens of the size in the last hour")


class GivenUpOut(Schema):
    job: UUID = Field(alias="job_id")
    organisation: str = Field(alias="job.partner.slug")
    size: str = Field(alias="job.size.path")
    index: int
    at: datetime = Field(alias="finished_at")
    error: str


class DropOut(Schema):
    day: date
    reason: str
    number: int
    last_at: datetime


class EnrolledOut(Schema):
    name: str
    key: str = Field(description="WORKER_KEY; it is answered this one time")
    redis_url: str = Field(description="REDIS_URL, with the worker's own account on the broker")

    @staticmethod
    def resolve_redis_url(worker: Worker) -> str:
        return address_for(worker)


class WorkerIn(Body):
    name: Word = Field(description="at most 63 letters, digits, dots, dashes and underscores")


class RevokeIn(Body):
    reason: str = Field(max_length=LONGEST_REASON, description="for those who look after the workers")


class FailureOut(Schema):
    id: int = Field(alias="failure.pk")
    thing: str = Field(alias="failure.name")
    act: str = Field(description="what was to be done with it")
    first_failed_at: datetime = Field(alias="failure.first_failed_at")
    last_failed_at: datetime = Field(alias="failure.last_failed_at")
    next_try_at: datetime = Field(alias="failure.next_try_at")
    attempts: int = Field(alias="failure.attempts")
    error: str = Field(alias="failure.error", description="what went wrong, and where in the code")


class FleetOut(Schema):
    at: datetime
    tokens_per_s: float
    outages: list[OutageOut] = Field(alias="gaps")
    workers: list[WorkerOut] = Field(alias="live")
    gone: list[WorkerOut] = Field(description="enrolled and not alive, or revoked in the last day; latest first")
    queues: list[QueueOut]
    shares: list[PartOut] = Field(alias="parts", description="of the organisations at work")
    given_up: list[GivenUpOut] = Field(description="texts of the last 7 days that no worker could end, newest first")
    drops: list[DropOut] = Field(description="messages of the last 7 days that were not read, and why")
    failing: list[FailureOut] = Field(description="what fails each time, most tried first; at most 20")
    failing_number: int


class WeightIn(Body):
    organisation: Word
    size: Word = Field(description="family/size, such as gpt2/1558M")
    weight: float = Field(description=WEIGHT.help)


@router.get("", response=FleetOut, summary="Workers, queues, shares and outages, now")
@staff(Permission.FLEET_SEE)
def fleet(request: SignedIn) -> Any:
    return fleet_of(at=timezone.now())


@router.post("/weights", response=ShareOut, summary="Set the weight of an organisation at a size")
@staff(Permission.SHARE_SET)
def set_weight(request: SignedIn, body: WeightIn) -> Any:
    partner = get_object_or_404(Partner, slug=body.organisation)
    return jobs.set_weight(by=request.user, partner=partner, size=size_named(request, body.size), weight=body.weight)


@router.post("/workers", response={201: EnrolledOut}, summary="Enrol a worker; its key is answered once")
@staff(Permission.WORKER_ENROLL)
def enroll_worker(request: SignedIn, body: WorkerIn) -> Any:
    return Status(201, jobs.enroll_worker(by=request.user, name=body.name))


@router.post("/workers/{name}/revoke", response={204: None}, summary="Revoke a worker's key at once")
@staff(Permission.WORKER_ENROLL)
def revoke_worker(request: SignedIn, name: Word, body: RevokeIn) -> Any:
    jobs.revoke_worker(by=request.user, worker=get_object_or_404(Worker, name=name), reason=body.reason)
    return Status(204, None)


@router.post("/failures/{pk}/try", response=FailureOut, summary="Have what keeps failing tried again at once")
@staff(Permission.FAILURE_RETRY)
def try_now(request: SignedIn, pk: int) -> Any:
    failure = get_object_or_404(Failure, pk=pk)
    jobs.try_now(by=request.user, failure=failure)
    return Failing(failure)
