"""Event: one line of the book. SecurityEvent: what happened at the doors, beside it. Failure: a row that a loop over
many could not do."""

from collections.abc import Iterable
from datetime import datetime
from functools import reduce
from operator import or_

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models


def key_of(thing: models.Model) -> str:
    """How the book names a thing: "jobs.job:9f0c..."."""
    return f"{thing._meta.label_lower}:{thing.pk}"


class Line(models.Model):
    """What events of both kinds say: who did what, when, on which things.

    A sentence names no person: `by` is who acted, and `{whom}` in it stands for whom it concerns besides. So the names
    are those of today, and a person who is forgotten is forgotten here too.
    """

    kind = models.CharField(max_length=60)
    sentence = models.TextField()
    at = models.DateTimeField(help_text="by PostgreSQL's clock, whatever an INSERT says")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    whom = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    about = ArrayField(models.CharField(max_length=120))
    detail = models.JSONField(default=dict)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.text

    @property
    def text(self) -> str:
        """The sentence as people read it."""
        return self.sentence.replace("{whom}", str(self.whom)) if self.whom else self.sentence


PUBLIC = ("component.opened", "family.added", "size.added", "size.corrected", "weights.found")
"""Kinds of events that everybody may read: what changed about the models themselves."""


class EventQuerySet(models.QuerySet["Event"]):
    def about(self, *things: models.Model) -> "EventQuerySet":
        """Those that concern any of these things."""
        return self.filter(about__overlap=[key_of(thing) for thing in things])

    def public(self) -> "EventQuerySet":
        """Those that everybody may read."""
        return self.filter(kind__in=PUBLIC)

    def for_applicants(self) -> "EventQuerySet":
        """Those that are not the reviewers' own: what they do among themselves is of kind "review.…"."""
        return self.exclude(kind__startswith="review.")

    def without_reviews_of(self, *things: models.Model) -> "EventQuerySet":
        """Those but what the reviewers of these things did among themselves."""
        return self.exclude(kind__startswith="review.", about__overlap=[key_of(thing) for thing in things])

    def newest_first(self) -> "EventQuerySet":
        return self.select_related("by", "whom").order_by("-id")

    def matching(self, words: str) -> "EventQuerySet":
        """Those whose kind, sentence or persons' names contain the words."""
        places = ("kind", "sentence", "by__name", "whom__name")
        return self.filter(reduce(or_, (models.Q(**{f"{place}__icontains": words}) for place in places)))


class Event(Line):
    """One line of the book. The database refuses to change or delete one."""

    address: str  # of an invitation, where a page may show it

    objects = EventQuerySet.as_manager()

    class Meta:
        indexes = [
            GinIndex(fields=["about"]),
            models.Index(fields=["kind", "-id"]),
            models.Index(fields=["-id"], condition=models.Q(kind__in=PUBLIC), name="public_events"),
        ]


class FailureQuerySet(models.QuerySet["Failure"]):
    def most_tried_first(self) -> "FailureQuerySet":
        return self.order_by("-attempts", "id")

    def untold(self) -> "FailureQuerySet":
        """Those that failed often enough for a letter to an operator, and have had none. A letter about failures
        is none of them: while the mail server is away it fails too, and would be written about for ever."""
        telling = Event.objects.filter(kind=Failure.MAILED, about__contains=[models.OuterRef("thing")])
        return self.filter(~models.Exists(telling), attempts__gte=Failure.MAILED_AFTER, told_at__isnull=True)


class Failure(models.Model):
    """A row that keeps failing in a loop over many: it is tried again ever later, and is gone once it is done.

    `error` says what went wrong and where, never a text, a prompt or an address.
    """

    MAILED_AFTER = 5
    """Attempts, about a minute's worth, after which an operator gets mail."""
    MAILED = "failures.told"
    """The kind of event about such a mail."""

    task = models.CharField(max_length=60, help_text="the task that goes over the rows, and after a colon its part")
    thing = models.CharField(max_length=120)
    name = models.CharField(max_length=200)
    attempts = models.PositiveIntegerField(default=0)
    first_failed_at = models.DateTimeField()
    last_failed_at = models.DateTimeField()
    next_try_at = models.DateTimeField()
    error = models.CharField(max_length=300)
    told_at = models.DateTimeField(null=True)

    objects = FailureQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["task", "thing"], name="one_failure_of_a_thing")]

    def __str__(self) -> str:
        return self.name

    @property
    def wakes(self) -> str:
        """The task that tries it again."""
        return self.task.partition(":")[0]

    def is_due(self, at: datetime) -> bool:
        return self.next_try_at <= at


class SecurityEventQuerySet(models.QuerySet["SecurityEvent"]):
    def newest_first(self) -> "SecurityEventQuerySet":
        return self.select_related("by", "whom").order_by("-id")

    def concerning(self, people: Iterable[models.Model]) -> "SecurityEventQuerySet":
        """Those by any of these people, or about one of them, such as failed sign-ins with their address."""
        named = list(people)
        return self.filter(models.Q(by__in=named) | models.Q(about__overlap=[key_of(one) for one in named]))

    def matching(self, words: str) -> "SecurityEventQuerySet":
        """Those whose sentence, or the name of whom it concerns, contains the words."""
        return self.filter(models.Q(sentence__icontains=words) | models.Q(whom__name__icontains=words))


class SecurityEvent(Line):
    """A sign-in, a reading of texts, a refusal: who came to which door, and from where. They are many, so they stand
    apart from the book's acts. The database refuses to change or delete one."""

    class Kind(models.TextChoices):
        SIGNED_IN = "account.signed_in", "Signed in"
        SIGNED_OUT = "account.signed_out", "Signed out"
        SIGN_IN_FAILED = "account.sign_in_failed", "Sign-in failed"
        SIGN_IN_STOPPED = "account.sign_in_stopped", "Sign-in stopped after too many tries"
        PASSWORD_CHANGED = "account.password_changed", "Password changed"
        PASSWORD_RESET = "account.password_reset", "Password reset"
        ADDRESS_CHANGED = "account.address_changed", "E-mail address changed"
        FACTOR_ADDED = "account.factor_added", "Second factor set up"
        FACTOR_REMOVED = "account.factor_removed", "Second factor removed"
        CODE_FAILED = "account.code_failed", "Wrong code"
        TEXTS_READ = "texts.read", "Texts read"
        REFUSED = "access.refused", "Refused"

    kind = models.CharField(max_length=60, choices=Kind)

    objects = SecurityEventQuerySet.as_manager()

    class Meta:
        indexes = [
            GinIndex(fields=["about"]),
            models.Index(fields=["kind", "-id"]),
            models.Index(fields=["by", "-id"]),
        ]
