"""Letter: a mail, from its writing to its sending."""

from django.db import models
from django.db.models import Q
from django.utils import timezone


class LetterQuerySet(models.QuerySet["Letter"]):
    def unsent(self) -> "LetterQuerySet":
        """Those to be carried now: not put aside for a digest, and not waiting after a failed try."""
        due = Q(next_try_at__isnull=True) | Q(next_try_at__lte=timezone.now())
        return self.filter(due, sent_at__isnull=True, digest=False).order_by("id")

    def put_aside(self) -> "LetterQuerySet":
        """Those that wait for a digest."""
        return self.filter(sent_at__isnull=True, digest=True).order_by("id")


class Letter(models.Model):
    """A mail in the outbox, written in the transaction of the act that it tells of.

    Once it is sent its text and its link are emptied: a link may be a secret.
    """

    class Urgency(models.TextChoices):
        NEWS = "news", "News"
        DECISION = "decision", "Decision"
        URGENT = "urgent", "Urgent"

    to = models.EmailField()
    subject = models.TextField()
    body = models.TextField()
    html = models.TextField(blank=True)
    url = models.TextField(blank=True)
    urgency = models.CharField(max_length=10, choices=Urgency, default=Urgency.DECISION)
    digest = models.BooleanField(default=False, help_text="waits for the day's digest")
    written_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=300, blank=True)

    objects = LetterQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["id"], condition=Q(sent_at__isnull=True), name="unsent_letters")]

    def __str__(self) -> str:
        return f"{self.subject} to {self.to}"
