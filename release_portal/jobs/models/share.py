"""Share: how much of a size an organisation has had, for whose turn it is."""

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Exists, F, Max, Min, OuterRef, Q
from django.db.models.functions import Greatest

from release_portal.partners.models import Partner
from release_portal.releases.models import ModelSize

from .job import Job


class ShareQuerySet(models.QuerySet["Share"]):
    def at_work(self, size: ModelSize) -> "ShareQuerySet":
        """Those of organisations that have jobs for the workers."""
        return self.filter(size=size, partner__in=Job.objects.working().filter(size=size).values("partner"))

    def of_those_at_work(self) -> "ShareQuerySet":
        """Those of organisations that have jobs for the workers of the size."""
        jobs = Job.objects.working().filter(size=OuterRef("size"), partner=OuterRef("partner"))
        return self.filter(Exists(jobs))

    def activate(self, *, partner: Partner, size: ModelSize) -> "Share":
        """Let an organisation with new work take its place: level with those at work, never before them.

        What it did not use while it had no work gives it no claim; what it has used recently stays counted.
        """
        share, _ = self.get_or_create(partner=partner, size=size)
        at_work = self.at_work(size)
        if at_work.filter(pk=share.pk).exists():
            return share
        level = at_work.aggregate(level=Min("tokens"))["level"]
        if level is None:
            level = self.filter(size=size).aggregate(level=Max("tokens"))["level"]
        self.filter(pk=share.pk).update(tokens=Greatest(F("tokens"), level))
        return share

    def charge(self, job: Job, *, handed_out: int = 0, used: int = 0) -> None:
        """Count tokens of a job: handed out (negative where they came back), and used."""
        share = self.filter(size=job.size_id, partner=job.partner_id)
        share.update(handed_out=F("handed_out") + handed_out, tokens=F("tokens") + used / F("weight"))


class Share(models.Model):
    """An organisation's place in the queue of a size: the one with the smallest start tag is next.

    Fair queueing by start times (Goyal, Vin and Cheng 1996) with tokens as the cost: what texts used, and for those
    with workers the longest that they can be.
    """

    size = models.ForeignKey(ModelSize, on_delete=models.PROTECT, related_name="shares")
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="shares")
    weight = models.FloatField(default=1, validators=[MinValueValidator(0.01)])
    tokens = models.FloatField(default=0, help_text="used, divided by the weight; a place, not an account")
    handed_out = models.BigIntegerField(default=0, help_text="the most that texts with workers can use")

    objects = ShareQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["size", "partner"], name="share_once"),
            models.CheckConstraint(condition=Q(weight__gt=0), name="share_weighs"),
        ]

    def __str__(self) -> str:
        return f"{self.partner} at {self.size}"

    @property
    def start_tag(self) -> float:
        """Its place if every text with a worker becomes as long as it can: the smallest is next."""
        return self.tokens + self.handed_out / self.weight
