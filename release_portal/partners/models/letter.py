"""Letter: a mail, from its writing to its sending."""

from datetime import datetime

from django.db import models
from django.db.models import Q


class LetterQuerySet(models.QuerySet["Letter"]):
    def unsent(self) -> "LetterQuerySet":
        """Those to be carried: not put aside for a digest."""
        return self.filter(sent_at__isnull=True, digest=False).order_by("id")

    def put_aside(self) -> "LetterQuerySet":
        """Those that wait for a digest."""
        return self.filter(sent_at__isnull=True, digest=True).order_by("id")

    def for_the_digest_of(self, moment: datetime) -> "LetterQuerySet":
        """Those put aside before that moment, to addresses that have had no digest since."""
        had_one = Letter.objects.filter(digest=True, sent_at__gte=moment)
        return self.put_aside().filter(written_at__lt=moment).exclude(to__in=had_one.values("to"))

    def first_of_each_address(self) -> "LetterQuerySet":
        return self.order_by("to", "id").distinct("to")


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

    objects = LetterQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["id"], condition=Q(sent_at__isnull=True), name="unsent_letters"),
            models.Index(fields=["sent_at"], condition=Q(digest=True), name="letters_in_digests"),
        ]

    def __str__(self) -> str:
        return f"{self.subject} to {self.to}"

    @property
    def anonymous(self) -> str:
        """Its name for those who may not know whom it is to."""
        return f"Letter {self.pk}"
