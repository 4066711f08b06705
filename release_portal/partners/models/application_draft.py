"""ApplicationDraft: an application that is not sent yet."""

from django.db import models

from .user import User


class ApplicationDraft(models.Model):
    """What a person has typed into the application so far."""

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="application_draft")
    content = models.JSONField(default=dict)
    saved_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"Draft of {self.user}"
