"""Worker, and the Outage of a size that none serves."""

from datetime import datetime, timedelta

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import ExpressionWrapper, Q

from inference import contract
from release_portal.releases.models import ModelSize

WORKER_SILENCE = timedelta(seconds=5 * contract.HELLO_SECONDS)
WORKER_GONE = timedelta(days=1)
"""A worker not heard of for so long is not spoken of any more."""


def _alive(at: datetime) -> Q:
    return Q(left_at__isnull=True, seen_at__gt=at - WORKER_SILENCE)


class WorkerQuerySet(models.QuerySet["Worker"]):
    def alive(self, *, at: datetime) -> "WorkerQuerySet":
        return self.filter(_alive(at))

    def lately(self, *, at: datetime) -> "WorkerQuerySet":
        """Those heard of in the last day, each with `is_alive`, by name."""
        alive = ExpressionWrapper(_alive(at), output_field=models.BooleanField())
        return self.filter(seen_at__gt=at - WORKER_GONE).annotate(is_alive=alive).order_by("name")  # type: ignore[no-redef]

    def serving(self, size: ModelSize) -> "WorkerQuerySet":
        return self.filter(sizes__contains=[size.path])


class Worker(models.Model):
    """A process that generates, as it last introduced itself."""

    name = models.CharField(max_length=200, unique=True)
    host = models.CharField(max_length=200)
    device = models.CharField(max_length=80)
    dtype = models.CharField(max_length=20)
    sizes = ArrayField(models.CharField(max_length=100))
    loaded = ArrayField(models.CharField(max_length=100), default=list, help_text="the sizes in its memory")
    tokens = models.BigIntegerField(default=0, help_text="generated since it started")
    tokens_per_s = models.FloatField(default=0, help_text="between its last two introductions")
    seen_at = models.DateTimeField()
    left_at = models.DateTimeField(null=True)
    is_alive: bool  # of `lately`

    objects = WorkerQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name


class OutageQuerySet(models.QuerySet["Outage"]):
    def going_on(self) -> "OutageQuerySet":
        return self.filter(ended_at__isnull=True)


class Outage(models.Model):
    """A time in which a size had work and no worker."""

    size = models.ForeignKey(ModelSize, on_delete=models.PROTECT, related_name="outages")
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    objects = OutageQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["size"], condition=Q(ended_at__isnull=True), name="one_outage_at_a_time")
        ]

    def __str__(self) -> str:
        return f"{self.size} without a worker"
