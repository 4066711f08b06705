"""Event: one line of the book. SecurityEvent: what happened at the doors, beside it."""

from collections.abc import Iterable

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models


def key_of(thing: models.Model) -> str:
    """How the book names a thing: "jobs.job:9f0c..."."""
    return f"{thing._meta.label_lower}:{thing.pk}"


class EventQuerySet(models.QuerySet["Event"]):
    def about(self, *things: models.Model) -> "EventQuerySet":
        """Those that concern any of these things."""
        return self.filter(about__overlap=[key_of(thing) for thing in things])

    def for_applicants(self) -> "EventQuerySet":
        """Those that are not the reviewers' own: what they do among themselves is of kind "review.…"."""
        return self.exclude(kind__startswith="review.")

    def newest_first(self) -> "EventQuerySet":
        return self.select_related("by").order_by("-id")

    def matching(self, words: str) -> "EventQuerySet":
        """Those whose kind, sentence or person's name contains the words."""
        return self.filter(
            models.Q(kind__icontains=words) | models.Q(sentence__icontains=words) | models.Q(by__name__icontains=words)
        )


class Event(models.Model):
    """Who did what, when, on which things. The database refuses to change or delete one."""

    kind = models.CharField(max_length=60)
    sentence = models.TextField()
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    about = ArrayField(models.CharField(max_length=120))
    detail = models.JSONField(default=dict)

    objects = EventQuerySet.as_manager()

    class Meta:
        indexes = [GinIndex(fields=["about"]), models.Index(fields=["kind", "-id"])]

    def __str__(self) -> str:
        return self.sentence


class SecurityEventQuerySet(models.QuerySet["SecurityEvent"]):
    def newest_first(self) -> "SecurityEventQuerySet":
        return self.select_related("by").order_by("-id")

    def concerning(self, people: Iterable[models.Model]) -> "SecurityEventQuerySet":
        """Those by any of these people, or about one of them, such as failed sign-ins with their address."""
        named = list(people)
        return self.filter(models.Q(by__in=named) | models.Q(about__overlap=[key_of(one) for one in named]))

    def matching(self, words: str) -> "SecurityEventQuerySet":
        """Those whose sentence contains the words."""
        return self.filter(sentence__icontains=words)


class SecurityEvent(models.Model):
    """A sign-in, a download, a refusal: who came to which door, and from where. They are many, so they stand apart from
    the book's acts. The database refuses to change or delete one."""

    class Kind(models.TextChoices):
        SIGNED_IN = "account.signed_in", "Signed in"
        SIGNED_OUT = "account.signed_out", "Signed out"
        SIGN_IN_FAILED = "account.sign_in_failed", "Sign-in failed"
        SIGN_IN_STOPPED = "account.sign_in_stopped", "Sign-in stopped after too many tries"
        PASSWORD_CHANGED = "account.password_changed", "Password changed"
        PASSWORD_RESET = "account.password_reset", "Password reset"
        ADDRESS_CHANGED = "account.address_changed", "E-mail address changed"
        TEXTS_READ = "texts.read", "Texts downloaded"
        REFUSED = "access.refused", "Refused"

    kind = models.CharField(max_length=60, choices=Kind)
    sentence = models.TextField()
    at = models.DateTimeField()
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    about = ArrayField(models.CharField(max_length=120))
    detail = models.JSONField(default=dict)

    objects = SecurityEventQuerySet.as_manager()

    class Meta:
        indexes = [
            GinIndex(fields=["about"]),
            models.Index(fields=["kind", "-id"]),
            models.Index(fields=["by", "-id"]),
        ]

    def __str__(self) -> str:
        return self.sentence
