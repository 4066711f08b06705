"""What happens to a request on the review desk: submissions, reviews, recusals and remarks."""

from django.db import models
from django.db.models import Q

from release_portal.partners.models import User

from .requests import AccessRequest, RequestItem
from .vocabulary import DeclineReason


class Submission(models.Model):
    """What a request said at one of its submissions. The database refuses to change it."""

    request = models.ForeignKey(AccessRequest, on_delete=models.PROTECT, related_name="submissions")
    number = models.PositiveSmallIntegerField()
    content = models.JSONField()
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["request", "number"], name="submission_once")]

    def __str__(self) -> str:
        return f"submission {self.number}"


class ReviewQuerySet(models.QuerySet["Review"]):
    def current(self) -> "ReviewQuerySet":
        """Those that count: of the present submission, and of the terms that are on the table."""
        return self.filter(is_current=True).select_related("reviewer").order_by("at")


class Review(models.Model):
    """One reviewer's verdict on one item, with the terms offered or the reason to decline."""

    class Verdict(models.TextChoices):
        APPROVE = "approve", "Approve"
        DECLINE = "decline", "Decline"

    item = models.ForeignKey(RequestItem, on_delete=models.PROTECT, related_name="reviews")
    reviewer = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    verdict = models.CharField(max_length=8, choices=Verdict)
    terms = models.JSONField(null=True)
    reason_code = models.CharField(max_length=20, choices=DeclineReason, blank=True)
    reason = models.TextField(blank=True)
    note = models.TextField(blank=True)
    at = models.DateTimeField()
    is_current = models.BooleanField(default=True)

    objects = ReviewQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["item", "reviewer"], condition=Q(is_current=True), name="one_current_review_each"
            )
        ]

    def __str__(self) -> str:
        return f"{self.reviewer}: {self.get_verdict_display().lower()}"


class Recusal(models.Model):
    """A reviewer steps aside from a request: their interests are touched."""

    request = models.ForeignKey(AccessRequest, on_delete=models.PROTECT, related_name="recusals")
    reviewer = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=500)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["request", "reviewer"], name="recused_once")]

    def __str__(self) -> str:
        return f"{self.reviewer} stepped aside"


class RemarkQuerySet(models.QuerySet["Remark"]):
    def for_applicants(self) -> "RemarkQuerySet":
        return self.filter(internal=False)

    def internal(self) -> "RemarkQuerySet":
        return self.filter(internal=True)

    def oldest_first(self) -> "RemarkQuerySet":
        return self.select_related("by").order_by("at", "id")


class Remark(models.Model):
    """One message of the thread between applicant and reviewers; an internal one is for reviewers alone."""

    request = models.ForeignKey(AccessRequest, on_delete=models.PROTECT, related_name="remarks")
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()
    text = models.TextField(max_length=4000)
    internal = models.BooleanField()

    objects = RemarkQuerySet.as_manager()

    def __str__(self) -> str:
        return f"remark of {self.by}"
