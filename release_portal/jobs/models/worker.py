"""Worker, and the Outage of a size that none serves."""

from datetime import datetime, timedelta
from uuid import UUID

from cryptography.fernet import InvalidToken
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Count, ExpressionWrapper, Q

from inference import contract
from inference.seal import Seal
from release_portal.lib.sealed import unseal
from release_portal.releases.models import ModelSize

WORKER_SILENCE = timedelta(seconds=5 * contract.HEARTBEAT_SECONDS)
WORKER_GONE = timedelta(days=1)
"""A worker whose key was revoked so long ago is not spoken of any more."""


def _alive(at: datetime) -> Q:
    return Q(left_at__isnull=True, revoked_at__isnull=True, seen_at__gt=at - WORKER_SILENCE)


class WorkerQuerySet(models.QuerySet["Worker"]):
    def enrolled(self) -> "WorkerQuerySet":
        """Those whose key holds."""
        return self.filter(revoked_at__isnull=True)

    def revoked(self, *, since: datetime) -> "WorkerQuerySet":
        """Those whose key was revoked after that time."""
        return self.filter(revoked_at__gt=since)

    def alive(self, *, at: datetime) -> "WorkerQuerySet":
        return self.filter(_alive(at))

    def lately(self, *, at: datetime) -> "WorkerQuerySet":
        """Those enrolled, and those revoked in the last day, each with `is_alive`, by name."""
        alive = ExpressionWrapper(_alive(at), output_field=models.BooleanField())
        lately = Q(revoked_at__isnull=True) | Q(revoked_at__gt=at - WORKER_GONE)
        return self.filter(lately).annotate(is_alive=alive).order_by("name")  # type: ignore[no-redef]

    def serving(self, size: ModelSize) -> "WorkerQuerySet":
        return self.filter(sizes__contains=[size.path])

    def with_room(self, size: ModelSize, *, urgent: bool, but: UUID | None = None) -> "WorkerQuerySet":
        """Those that serve the size and have few orders of this urgency of it, the fewest first; the order with the key
        `but` does not count."""
        most = settings.URGENT_ORDERS_PER_WORKER if urgent else settings.ORDERS_PER_WORKER
        orders = Q(orders__status="out", orders__size=size, orders__urgent=urgent) & ~Q(orders__pk=but)
        return self.serving(size).annotate(out=Count("orders", orders)).filter(out__lt=most).order_by("out", "name")


class Worker(models.Model):
    """A process that generates: enrolled under a name, with a key of its own, and as it last introduced itself."""

    name = models.CharField(max_length=63, unique=True)
    sealed_key = models.TextField(help_text="what seals its messages, itself sealed under SECRET_KEY")
    enrolled_at = models.DateTimeField()
    enrolled_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    revoke_reason = models.TextField(blank=True)

    host = models.CharField(max_length=200, blank=True)
    device = models.CharField(max_length=80, blank=True)
    dtype = models.CharField(max_length=20, blank=True)
    sizes = ArrayField(models.CharField(max_length=100), default=list)
    names = models.JSONField(default=dict, help_text="what it calls sizes that have another name now")
    loaded = ArrayField(models.CharField(max_length=100), default=list, help_text="the sizes in its memory")
    plain = ArrayField(
        models.CharField(max_length=100),
        default=list,
        help_text="those of them that run on transformers' own cache, which is slower",
    )
    tokens = models.BigIntegerField(default=0, help_text="generated since it started")
    tokens_per_s = models.FloatField(default=0, help_text="between its last two introductions")
    dropped = models.BigIntegerField(default=0, help_text="messages that it could not read since it started")
    seen_at = models.DateTimeField(null=True)
    left_at = models.DateTimeField(null=True)

    flaws = models.PositiveIntegerField(default=0, help_text="things it said that cannot be so")
    last_flaw = models.CharField(max_length=300, blank=True)
    flawed_at = models.DateTimeField(null=True)
    is_alive: bool  # of `lately`

    objects = WorkerQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(revoked_at__isnull=False) | Q(revoked_by__isnull=True), name="revoked_worker_says_when"
            ),
            models.CheckConstraint(condition=Q(flaws=0) | Q(flawed_at__isnull=False), name="flawed_worker_says_when"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def key(self) -> str:
        """The Fernet key that the site shares with this worker alone. Raises `cryptography.fernet.InvalidToken`."""
        return unseal(self.sealed_key)

    @property
    def has_readable_key(self) -> bool:
        """False where SECRET_KEY was changed and the old one is no fallback: the worker must be enrolled again."""
        try:
            return bool(self.key)
        except InvalidToken:
            return False

    @property
    def seal(self) -> Seal:
        return Seal(self.key)


class SeenMessage(models.Model):
    """A worker's message that was read, kept until it is too old to be sent again."""

    digest = models.CharField(max_length=64, primary_key=True)
    seen_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.digest[:16]


class Drop(models.Model):
    """How many messages of a day were not read, for one reason."""

    day = models.DateField()
    reason = models.CharField(max_length=80)
    number = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["day", "reason"], name="one_count_of_drops_a_day")]

    def __str__(self) -> str:
        return f"{self.number} dropped: {self.reason}"


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
