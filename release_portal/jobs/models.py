"""Job, Prompt, Completion, WorkOrder and Worker."""

import uuid
from datetime import datetime, timedelta

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Max, Q, Sum
from django.urls import reverse

from agreements.models import Agreement
from inference import contract
from release_portal.access.models import Grant, Purpose, Right
from release_portal.lib.states import Stateful
from release_portal.partners.models import Membership, Partner, User
from release_portal.partners.permissions import Permission
from release_portal.releases.models import ModelSize

WORKER_SILENCE = timedelta(seconds=5 * contract.HELLO_SECONDS)


class JobQuerySet(models.QuerySet["Job"]):
    def visible_to(self, user: object) -> "JobQuerySet":
        """Those of the organisations that the person belongs to."""
        at = Membership.objects.current().filter(user=user).may(Permission.PARTNER_READ)  # type: ignore[misc]
        return self.filter(partner__in=at.values("partner"))

    def live(self) -> "JobQuerySet":
        return self.filter(status__in=Job.LIVE)

    def working(self) -> "JobQuerySet":
        """Those that workers may be given."""
        return self.filter(status__in=Job.WORKING)

    def at_odds_with_the_rule(self, *, at: datetime) -> "JobQuerySet":
        """Those at work without a grant in force, and those held that could go on or whose grant has ended.

        A job submitted after `at` is not judged by it: its grant may have begun after `at` as well.
        """
        in_force = Grant.objects.in_force(at=at).filter(right=Right.GENERATION)
        successor = in_force.filter(partner=models.OuterRef("partner"), size=models.OuterRef("size"))
        replaced = Q(grant__status=Grant.Status.REPLACED)
        allowed = Q(grant__in=in_force) | replaced & models.Exists(successor)
        over = ~replaced & (~Q(grant__status__in=Grant.HELD) | Q(grant__ends_at__lte=at))
        there = self.filter(submitted_at__lte=at)
        return there.filter(Q(status__in=Job.WORKING) & ~allowed | Q(status=Job.Status.HELD) & (allowed | over))

    def newest_first(self) -> "JobQuerySet":
        return self.select_related("size__family", "partner", "submitted_by").order_by("-submitted_at", "-id")

    def matching(self, words: str) -> "JobQuerySet":
        """Those whose name, size or submitter contains the words."""
        return self.filter(
            Q(name__icontains=words)
            | Q(size__name__icontains=words)
            | Q(size__family__name__icontains=words)
            | Q(submitted_by__name__icontains=words)
        )

    def waiting_for(self, size: ModelSize) -> "JobQuerySet":
        """Those with sequences to hand out, the organisation served longest ago first, then the oldest job."""
        waiting = Completion.objects.waiting().filter(job=models.OuterRef("pk"))
        return (
            self.working()
            .filter(models.Exists(waiting), size=size)
            .annotate(partner_served_at=Max("partner__job__orders__handed_out_at"))
            .order_by(F("partner_served_at").asc(nulls_first=True), "submitted_at")
        )


class Job(Stateful):
    """Prompts to continue with one size. It keeps the grant and the agreement that allowed it."""

    class Status(models.TextChoices):
        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        HELD = "held", "Held"
        FINISHED = "finished", "Finished"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"
        STOPPED = "stopped", "Stopped"

    WORKING = frozenset({Status.QUEUED, Status.RUNNING})
    LIVE = WORKING | {Status.HELD}
    COMES_FROM = {
        Status.RUNNING: {Status.QUEUED},
        Status.HELD: WORKING,
        Status.QUEUED: {Status.HELD},
        Status.FINISHED: {Status.RUNNING},
        Status.FAILED: LIVE,
        Status.CANCELLED: LIVE,
        Status.STOPPED: LIVE,
    }

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=120, blank=True)
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT)
    grant = models.ForeignKey(Grant, on_delete=models.PROTECT, related_name="jobs")
    agreement = models.ForeignKey(Agreement, on_delete=models.PROTECT, related_name="jobs")
    size = models.ForeignKey(ModelSize, on_delete=models.PROTECT, related_name="jobs")
    submitted_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="jobs")
    submitted_at = models.DateTimeField()
    idempotency_key = models.CharField(max_length=100)
    purpose = models.CharField(
        max_length=20, choices=Purpose, blank=True, help_text="one of those that the grant allows"
    )

    samples = models.PositiveIntegerField()
    max_new_tokens = models.PositiveIntegerField()
    temperature = models.FloatField()
    top_k = models.PositiveIntegerField()
    top_p = models.FloatField()
    seed = models.BigIntegerField()

    status = models.CharField(max_length=10, choices=Status, default=Status.QUEUED)
    prompts_count = models.PositiveIntegerField()
    sequences = models.PositiveIntegerField()
    texts_done = models.PositiveIntegerField(default=0)
    texts_refused = models.PositiveIntegerField(default=0)
    tokens_done = models.BigIntegerField(default=0)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    end_reason = models.TextField(blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["submitted_by", "idempotency_key"], name="job_submitted_once"),
            models.CheckConstraint(condition=Q(texts_done__lte=F("sequences")), name="no_more_texts_than_asked"),
            models.CheckConstraint(
                condition=Q(status__in=["queued", "running", "held"], ended_at__isnull=True)
                | ~Q(status__in=["queued", "running", "held"]) & Q(ended_at__isnull=False),
                name="ended_job_has_end",
            ),
        ]
        indexes = [
            models.Index(fields=["partner", "-submitted_at"]),
            models.Index(
                fields=["size", "submitted_at"], condition=Q(status__in=["queued", "running", "held"]), name="live_jobs"
            ),
        ]

    def __str__(self) -> str:
        return self.name or f"{self.size}, {self.sequences:,} {'text' if self.sequences == 1 else 'texts'}"

    def get_absolute_url(self) -> str:
        return reverse("jobs:job", args=[self.pk])

    @property
    def is_live(self) -> bool:
        return self.status in self.LIVE

    @property
    def is_working(self) -> bool:
        return self.status in self.WORKING

    @property
    def status_tag(self) -> dict[str, str]:
        """The status as `components/status.html` shows it."""
        tones = {
            "queued": "wait",
            "running": "run",
            "held": "wait",
            "finished": "good",
            "failed": "bad",
            "stopped": "bad",
        }
        return {"word": self.get_status_display(), "tone": tones.get(self.status, "off")}

    @property
    def tokens_reserved(self) -> int:
        """Tokens of the quota still set aside for this job: the longest that the unfinished texts could be."""
        return (self.sequences - self.texts_done) * self.max_new_tokens

    @property
    def sampling(self) -> contract.Sampling:
        return contract.Sampling(self.max_new_tokens, self.temperature, self.top_k, self.top_p)


class Prompt(models.Model):
    job = models.ForeignKey(Job, on_delete=models.PROTECT, related_name="prompts")
    index = models.PositiveIntegerField()
    text = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "index"], name="prompt_once_in_job")]

    def __str__(self) -> str:
        return f"prompt {self.index + 1}"


class WorkOrderQuerySet(models.QuerySet["WorkOrder"]):
    def out(self) -> "WorkOrderQuerySet":
        return self.filter(status=WorkOrder.Status.OUT)

    def silent(self, *, at: datetime) -> "WorkOrderQuerySet":
        """Those whose lease has run out."""
        return self.out().filter(leased_until__lt=at)


class WorkOrder(Stateful):
    """Sequences of a job handed out together, under a lease that the worker's reports renew.

    Each hand-out has a new fencing token; a report with an older one changes nothing.
    """

    class Status(models.TextChoices):
        OUT = "out", "With a worker"
        DONE = "done", "Done"
        STOPPED = "stopped", "Stopped"

    COMES_FROM = {Status.DONE: {Status.OUT}, Status.STOPPED: {Status.OUT}}

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    job = models.ForeignKey(Job, on_delete=models.PROTECT, related_name="orders")
    status = models.CharField(max_length=10, choices=Status, default=Status.OUT)
    token = models.PositiveIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="hand-outs that a worker began and did not end")
    handed_out_at = models.DateTimeField()
    leased_until = models.DateTimeField()
    heard_at = models.DateTimeField(null=True, help_text="the last report under this token")
    worker = models.CharField(max_length=200, blank=True)
    tokens = models.PositiveIntegerField(default=0, help_text="as last reported, unfinished texts included")
    checkpoint = models.CharField(max_length=64, blank=True)
    ended_at = models.DateTimeField(null=True)

    objects = WorkOrderQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["leased_until"], condition=Q(status="out"), name="orders_out")]

    def __str__(self) -> str:
        return f"order {str(self.pk)[:8]}"


class CompletionQuerySet(models.QuerySet["Completion"]):
    def waiting(self) -> "CompletionQuerySet":
        """Those not handed out yet."""
        return self.filter(order__isnull=True, finished_at__isnull=True)

    def unfinished(self) -> "CompletionQuerySet":
        return self.filter(finished_at__isnull=True)

    def finished(self) -> "CompletionQuerySet":
        return self.filter(finished_at__isnull=False).select_related("prompt").order_by("index")


class Completion(models.Model):
    """One text of a job: waiting, handed out, finished. `index` numbers it in the job and names its random numbers."""

    job = models.ForeignKey(Job, on_delete=models.PROTECT, related_name="completions")
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="completions")
    index = models.PositiveIntegerField()
    order = models.ForeignKey(WorkOrder, on_delete=models.PROTECT, null=True, related_name="completions")
    text = models.TextField(blank=True)
    prompt_tokens = models.PositiveIntegerField(null=True)
    tokens = models.PositiveIntegerField(null=True)
    finish_reason = models.CharField(max_length=10, blank=True)
    error = models.TextField(blank=True)
    finished_at = models.DateTimeField(null=True)

    objects = CompletionQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "index"], name="completion_once_in_job")]
        indexes = [
            models.Index(
                fields=["job", "index"],
                condition=Q(order__isnull=True, finished_at__isnull=True),
                name="completions_waiting",
            )
        ]

    def __str__(self) -> str:
        return f"text {self.index + 1}"

    @property
    def sample(self) -> int:
        """Which of the samples of its prompt this is, from 1."""
        return self.index % self.job.samples + 1


class WorkerQuerySet(models.QuerySet["Worker"]):
    def alive(self, *, at: datetime) -> "WorkerQuerySet":
        return self.filter(left_at__isnull=True, seen_at__gt=at - WORKER_SILENCE)

    def serving(self, size: ModelSize) -> "WorkerQuerySet":
        return self.filter(sizes__contains=[size.path])


class Worker(models.Model):
    """A process that generates, as it last introduced itself."""

    name = models.CharField(max_length=200, unique=True)
    host = models.CharField(max_length=200)
    device = models.CharField(max_length=80)
    dtype = models.CharField(max_length=20)
    sizes = ArrayField(models.CharField(max_length=100))
    seen_at = models.DateTimeField()
    left_at = models.DateTimeField(null=True)

    objects = WorkerQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name


def tokens_in_hand(job: Job) -> int:
    """Tokens generated for texts of the job that are not finished yet, as last reported."""
    out = job.orders.out().aggregate(reported=Sum("tokens"))["reported"] or 0
    stored = Completion.objects.filter(order__in=job.orders.out()).aggregate(stored=Sum("tokens"))["stored"] or 0
    return max(0, out - stored)
