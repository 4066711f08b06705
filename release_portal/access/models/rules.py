"""SizeRule: how many must approve a size, and what comes before it. Finding: what an organisation reported."""

from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from release_portal.lib.prepared import Moment
from release_portal.lib.states import all_or_none
from release_portal.partners.models import Partner, User
from release_portal.releases.models import ModelSize


class SizeRuleQuerySet(models.QuerySet["SizeRule"]):
    def holding(self, *, at: datetime | models.expressions.Combinable) -> "SizeRuleQuerySet":
        """Those set by then, the newest first: the first of a size holds."""
        return self.filter(at__lte=at).order_by("-at", "-id")


class SizeRule(models.Model):
    """From `at` on, this is asked before a size is granted. The newest holds; none is ever changed.

    A grant keeps to the rule that held when it began.
    """

    size = models.ForeignKey(ModelSize, on_delete=models.PROTECT, related_name="rules")
    approvals = models.PositiveSmallIntegerField(default=1)
    roles = ArrayField(models.CharField(max_length=50), default=list, help_text="whose approval counts; empty: all")
    veto_roles = ArrayField(models.CharField(max_length=50), default=list, help_text="one of whom declines alone")
    after_size = models.ForeignKey(ModelSize, on_delete=models.PROTECT, null=True, related_name="+")
    after_days = models.PositiveIntegerField(default=0)
    findings = models.PositiveIntegerField(default=0)
    at = models.DateTimeField()
    by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    reason = models.CharField(max_length=300)

    objects = SizeRuleQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(after_size__isnull=False) | Q(after_days=0, findings=0), name="steps_are_on_a_size"
            ),
            models.CheckConstraint(condition=Q(approvals__gte=1), name="somebody_approves"),
        ]
        indexes = [models.Index(fields=["size", "-at"])]

    def __str__(self) -> str:
        return f"rule of {self.size}"

    def approvals_needed(self, *, is_largest: bool) -> int:
        """For its size: the largest of a family of several is never granted by one person alone."""
        return max(self.approvals, 2 if is_largest else 1)


class FindingQuerySet(models.QuerySet["Finding"]):
    def accepted(self, *, at: Moment) -> "FindingQuerySet":
        return self.filter(accepted_at__lte=at)

    def newest_first(self) -> "FindingQuerySet":
        return self.select_related("size__family", "sent_by", "accepted_by").order_by("-sent_at")


class Finding(models.Model):
    """What an organisation found with a size, as it reported it; counted once the lab has accepted it."""

    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="findings")
    size = models.ForeignKey(ModelSize, on_delete=models.PROTECT, related_name="findings")
    title = models.CharField(max_length=200)
    text = models.TextField("what was found", max_length=10_000)
    sent_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    sent_at = models.DateTimeField()
    accepted_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    accepted_at = models.DateTimeField(null=True)

    objects = FindingQuerySet.as_manager()

    class Meta:
        constraints = [all_or_none("accepted_by", "accepted_at")]
        indexes = [models.Index(fields=["partner", "size"])]

    def __str__(self) -> str:
        return self.title
