"""WorkOrder: texts handed out together."""

import uuid
from datetime import datetime

from django.db import models
from django.db.models import Q

from release_portal.lib.states import Stateful
from release_portal.releases.models import ModelSize


class WorkOrderQuerySet(models.QuerySet["WorkOrder"]):
    def out(self) -> "WorkOrderQuerySet":
        return self.filter(status=WorkOrder.Status.OUT)

    def abandoned(self, *, at: datetime) -> "WorkOrderQuerySet":
        """Those whose lease has run out, whose worker left before it began them, or has no key any more."""
        left = Q(worker__left_at__isnull=False, begun_at__isnull=True)
        return self.out().filter(Q(leased_until__lt=at) | left | Q(worker__revoked_at__isnull=False))


class WorkOrder(Stateful):
    """Texts of one size, of any jobs, handed out together under a lease that the worker's reports renew.

    Each hand-out has a new fencing token; a report with an older one changes nothing. What a worker began and did not
    end goes back into the queue, and into another order.
    """

    class Status(models.TextChoices):
        OUT = "out", "With a worker"
        DONE = "done", "Done"
        STOPPED = "stopped", "Stopped"
        LOST = "lost", "Given up"

    COMES_FROM = {Status.DONE: {Status.OUT}, Status.STOPPED: {Status.OUT}, Status.LOST: {Status.OUT}}

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    size = models.ForeignKey(ModelSize, on_delete=models.PROTECT, related_name="orders")
    urgent = models.BooleanField(default=False)
    status = models.CharField(max_length=10, choices=Status, default=Status.OUT)
    token = models.PositiveIntegerField(default=0)
    handed_out_at = models.DateTimeField()
    leased_until = models.DateTimeField()
    attempts = models.PositiveSmallIntegerField(default=0, help_text="how often its texts were tried before")
    begun_at = models.DateTimeField(null=True, help_text="when a worker reported that it began it under this token")
    worker = models.ForeignKey(
        "jobs.Worker",
        on_delete=models.PROTECT,
        null=True,
        to_field="name",
        db_column="worker",
        related_name="orders",
        help_text="whose it is under this token",
    )
    tokens = models.PositiveIntegerField(default=0, help_text="as last reported, unfinished texts included")
    checkpoint = models.CharField(max_length=64, blank=True)
    ended_at = models.DateTimeField(null=True)

    objects = WorkOrderQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["leased_until"], condition=Q(status="out"), name="orders_out"),
            models.Index(fields=["size", "urgent", "-handed_out_at"], name="orders_of_queue"),
        ]

    def __str__(self) -> str:
        return f"order {str(self.pk)[:8]}"
