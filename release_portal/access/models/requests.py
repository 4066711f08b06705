"""AccessRequest."""

from django.core.validators import MinLengthValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse

from release_portal.lib.states import Stateful, together
from release_portal.partners.models import Partner, User
from release_portal.releases.models import ModelSize


class AccessRequestQuerySet(models.QuerySet["AccessRequest"]):
    def awaiting_review(self) -> "AccessRequestQuerySet":
        return self.filter(status=AccessRequest.Status.SUBMITTED).order_by("submitted_at")

    def newest_first(self) -> "AccessRequestQuerySet":
        return self.select_related("size__family", "submitted_by", "decided_by").order_by("-submitted_at")


class AccessRequest(Stateful):
    """An organisation asks to generate with one size."""

    class Status(models.TextChoices):
        SUBMITTED = "submitted", "Waiting for review"
        GRANTED = "granted", "Granted"
        DECLINED = "declined", "Declined"
        WITHDRAWN = "withdrawn", "Withdrawn"

    COMES_FROM = {
        Status.GRANTED: {Status.SUBMITTED},
        Status.DECLINED: {Status.SUBMITTED},
        Status.WITHDRAWN: {Status.SUBMITTED},
    }

    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="access_requests")
    size = models.ForeignKey(ModelSize, on_delete=models.PROTECT, related_name="access_requests")
    purpose = models.TextField(max_length=4000, validators=[MinLengthValidator(20)])
    tokens_wanted = models.BigIntegerField("tokens wanted")
    until_wanted = models.DateField("access wanted until")
    status = models.CharField(max_length=10, choices=Status, default=Status.SUBMITTED)
    submitted_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    submitted_at = models.DateTimeField()
    decided_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    reason = models.TextField(blank=True)

    objects = AccessRequestQuerySet.as_manager()

    class Meta:
        verbose_name = "request"
        constraints = [
            together("decided_by", "decided_at"),
            models.UniqueConstraint(
                fields=["partner", "size"], condition=Q(status="submitted"), name="one_open_request_per_size"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.size} for {self.partner}"

    def get_absolute_url(self) -> str:
        return reverse("access:request", args=[self.partner.slug, self.pk])

    @property
    def standing(self) -> str:
        word = self.get_status_display().lower()
        if self.decided_by is None or self.decided_at is None:
            return word
        return f"{word} by {self.decided_by} on {self.decided_at:%-d %B %Y}"
