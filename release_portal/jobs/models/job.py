"""Job and Prompt: what an organisation asked for."""

import uuid
from typing import TYPE_CHECKING

from django.db import models
from django.db.models import F, Q, Window
from django.db.models.functions import RowNumber
from django.urls import reverse

from agreements.models import Agreement
from inference import contract
from release_portal.access.models import Grant, Purpose, Right
from release_portal.lib.prepared import Moment, Number
from release_portal.lib.states import Stateful
from release_portal.partners.models import Membership, Partner, User
from release_portal.partners.permissions import Permission
from release_portal.releases.models import ModelSize

if TYPE_CHECKING:
    from .order import WorkOrder

URGENT_SEQUENCES = 16
"""Texts up to which a job is one that a person waits for: such jobs are urgent and have a queue of their own."""


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

    def violating_rule(self, *, at: Moment) -> "JobQuerySet":
        """Those at work without a grant in force, and those held that could go on or whose grant has ended.

        A job submitted after `at` is not judged by it: its grant may have begun after `at` as well.
        """
        in_force = Grant.objects.in_force(at=at).filter(right=Right.GENERATION)
        successor = in_force.filter(partner=models.OuterRef("partner"), size=models.OuterRef("size"))
        replaced = Q(grant__status=Grant.Status.REPLACED)
        allowed = Q(models.Exists(in_force.filter(pk=models.OuterRef("grant")))) | replaced & models.Exists(successor)
        over = ~replaced & (~Q(grant__status__in=Grant.HELD) | Q(grant__ends_at__lte=at))
        there = self.filter(submitted_at__lte=at)
        return there.filter(Q(status__in=Job.WORKING) & ~allowed | Q(status=Job.Status.HELD) & (allowed | over))

    def with_texts_in(self, order: "WorkOrder") -> "JobQuerySet":
        """Those that the order holds unfinished texts of."""
        return self.filter(pk__in=order.completions.unfinished().values("job"))

    def newest_first(self) -> "JobQuerySet":
        return self.select_related("size__family", "partner", "submitted_by").order_by("-submitted_at", "-id")

    def matching(self, words: str) -> "JobQuerySet":
        """Those whose name, size or submitter contains the words."""
        return self.filter(
            Q(name__icontains=words)
            | Q(size__in=ModelSize.objects.mentioned_in(words))
            | Q(size__family__name__icontains=words)
            | Q(submitted_by__name__icontains=words)
        )

    def with_urgency(self, *, urgent: bool) -> "JobQuerySet":
        """Those that a person waits for, or all others."""
        few = Q(sequences__lte=URGENT_SEQUENCES)
        return self.filter(few if urgent else ~few)

    def first_of_each(self, number: Number) -> "JobQuerySet":
        """The first `number` of each organisation: those served longest ago, then the oldest."""
        order = [F("served_at").asc(nulls_first=True), F("submitted_at").asc()]
        place = Window(RowNumber(), partition_by=F("partner"), order_by=order)
        return self.annotate(place=place).filter(place__lte=number).order_by("place", "submitted_at")


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
    grant = models.ForeignKey(Grant, on_delete=models.PROTECT, related_name="jobs", db_index=False)
    agreement = models.ForeignKey(Agreement, on_delete=models.PROTECT, related_name="jobs")
    size = models.ForeignKey(ModelSize, on_delete=models.PROTECT, related_name="jobs")
    submitted_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="jobs")
    submitted_at = models.DateTimeField()
    idempotency_key = models.CharField(max_length=100)
    content_sha256 = models.CharField(max_length=64, blank=True, help_text="of its prompts and settings")
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
    served_at = models.DateTimeField(null=True, help_text="when texts of it were last handed out")
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
            models.Index(fields=["grant", "submitted_at"], name="jobs_under_a_grant"),
            models.Index(
                fields=["size", "submitted_at"], condition=Q(status__in=["queued", "running", "held"]), name="live_jobs"
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.what

    def get_absolute_url(self) -> str:
        return reverse("jobs:job", args=[self.pk])

    @property
    def what(self) -> str:
        """What it asks for, without the name that somebody gave it: "GPT-2 124M, 2 texts"."""
        return f"{self.size}, {self.sequences:,} {'text' if self.sequences == 1 else 'texts'}"

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
    fields = models.JSONField(default=dict, help_text="what else stood in its line of a .jsonl file")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "index"], name="prompt_once_in_job")]

    def __str__(self) -> str:
        return f"prompt {self.index + 1}"
