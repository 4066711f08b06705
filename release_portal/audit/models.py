"""Event: one line of the book."""

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
