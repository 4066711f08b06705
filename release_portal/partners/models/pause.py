"""Pause: when the lab takes no new applications and requests."""

from django.db import models
from django.utils import timezone

from .user import User


class PauseQuerySet(models.QuerySet["Pause"]):
    def now(self) -> "Pause | None":
        """The pause in force. The newest row holds, and a pause ends by itself on the day that it names (UTC)."""
        newest = self.order_by("-id").first()
        if newest is None or not newest.paused:
            return None
        ended = newest.resumes_on is not None and newest.resumes_on <= timezone.now().date()
        return None if ended else newest


class Pause(models.Model):
    """Intake was paused or resumed. The database refuses to change or delete a row."""

    paused = models.BooleanField()
    message = models.CharField("what people read meanwhile", max_length=500, blank=True)
    resumes_on = models.DateField(null=True)
    at = models.DateTimeField()
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")

    objects = PauseQuerySet.as_manager()

    def __str__(self) -> str:
        return self.sentence if self.paused else "Intake is open."

    @property
    def sentence(self) -> str:
        until = f" Intake resumes on {self.resumes_on:%-d %B %Y}." if self.resumes_on else ""
        return f"Intake is paused: {self.message}{until}"
