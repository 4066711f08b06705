"""Completion: one text, from its place in the queue to what was written."""

from datetime import datetime

from django.db import models
from django.db.models import Q

from release_portal.lib.states import all_or_none

from .job import Job, Prompt
from .order import WorkOrder


class FinishReason(models.TextChoices):
    """How a text ended. `REFUSED`: the model could not take its prompt; `FAILED`: workers could not end it."""

    STOP = "stop", "Ended by the model"
    LENGTH = "length", "Cut at the longest length"
    REFUSED = "refused", "Refused"
    FAILED = "failed", "Failed"


NOT_DELIVERED = frozenset({FinishReason.REFUSED, FinishReason.FAILED})
"""What is not charged."""


class CompletionQuerySet(models.QuerySet["Completion"]):
    def waiting(self) -> "CompletionQuerySet":
        """Those not handed out yet, or given back."""
        return self.filter(order__isnull=True, finished_at__isnull=True)

    def unfinished(self) -> "CompletionQuerySet":
        return self.filter(finished_at__isnull=True)

    def finished(self) -> "CompletionQuerySet":
        return self.filter(finished_at__isnull=False).select_related("prompt").order_by("index")

    def given_up(self, *, since: datetime) -> "CompletionQuerySet":
        """Those that no worker could end, newest first."""
        failed = self.filter(finish_reason=FinishReason.FAILED, finished_at__gt=since).defer("text")
        return failed.select_related("job__partner", "job__size__family").order_by("-finished_at", "-pk")


class Completion(models.Model):
    """One text of a job: waiting, handed out, finished. `index` numbers it in the job and names its random numbers;
    `number` counts in the order in which the texts of the job were finished, from 1."""

    job = models.ForeignKey(Job, on_delete=models.PROTECT, related_name="completions")
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="completions")
    index = models.PositiveIntegerField()
    order = models.ForeignKey(WorkOrder, on_delete=models.PROTECT, null=True, related_name="completions")
    text = models.TextField(blank=True)
    prompt_tokens = models.PositiveIntegerField(null=True)
    tokens = models.PositiveIntegerField(null=True)
    finish_reason = models.CharField(max_length=10, choices=FinishReason, blank=True)
    error = models.TextField(blank=True)
    finished_at = models.DateTimeField(null=True)
    number = models.PositiveIntegerField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="workers that began it and did not end it")

    objects = CompletionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "index"], name="completion_once_in_job"),
            models.UniqueConstraint(
                fields=["job", "number"], condition=Q(number__isnull=False), name="completion_number_once"
            ),
            all_or_none("finished_at", "number"),
        ]
        indexes = [
            models.Index(
                fields=["job", "index"],
                condition=Q(order__isnull=True, finished_at__isnull=True),
                name="completions_waiting",
            ),
            models.Index(
                fields=["job"],
                condition=Q(order__isnull=True, finished_at__isnull=True, attempts__gt=0),
                name="completions_to_try_again",
            ),
            models.Index(fields=["finished_at"], condition=Q(finished_at__isnull=False), name="completions_finished"),
            models.Index(fields=["finished_at"], condition=Q(finish_reason="failed"), name="completions_given_up"),
        ]

    def __str__(self) -> str:
        return f"text {self.index + 1}"

    @property
    def sample(self) -> int:
        """Which of the samples of its prompt this is, from 1."""
        return self.index % self.job.samples + 1
