"""AccessRequest and Grant."""

from datetime import date, datetime, timedelta

from django.core.validators import MinLengthValidator
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.urls import reverse

from agreements.models import Agreement
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


def conditions(*, at: datetime, partner: str, grant: str) -> dict[str, Q | Exists]:
    """What must hold for an organisation to use a size, each under its name.

    This is the access rule, and the only place where it is written. `partner` and `grant` are lookup prefixes, so that
    the same rule can be asked from an organisation or from a grant.
    """
    agreed = Agreement.objects.in_force(at=at).filter(partner=OuterRef(f"{partner}pk"))
    return {
        "admitted": Q(**{f"{partner}status": Partner.Status.ADMITTED}),
        "agreed": Exists(agreed),
        "granted": Q(**{f"{grant}pk__isnull": False}),
        "active": Q(**{f"{grant}status": Grant.Status.ACTIVE}),
        "begun": Q(**{f"{grant}starts_at__lte": at}),
        "not_over": Q(**{f"{grant}ends_at__gt": at}),
    }


class GrantQuerySet(models.QuerySet["Grant"]):
    def in_force(self, *, at: datetime) -> "GrantQuerySet":
        """Those that the access rule allows at that time."""
        return self.filter(*conditions(at=at, partner="partner__", grant="").values())

    def past_their_end(self, *, at: datetime) -> "GrantQuerySet":
        return self.filter(status=Grant.Status.ACTIVE, ends_at__lte=at)

    def latest_first(self) -> "GrantQuerySet":
        return self.select_related("size__family", "partner").order_by("-starts_at")


class Grant(Stateful):
    """An organisation may generate with one size, from one time to another, so many tokens.

    The planned end stays as it was granted; `ended_at` tells when it really ended.
    """

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        REVOKED = "revoked", "Revoked"
        EXPIRED = "expired", "Ended"

    COMES_FROM = {Status.REVOKED: {Status.ACTIVE}, Status.EXPIRED: {Status.ACTIVE}}

    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="grants")
    size = models.ForeignKey(ModelSize, on_delete=models.PROTECT, related_name="grants")
    request = models.OneToOneField(AccessRequest, on_delete=models.PROTECT, related_name="grant")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    token_quota = models.BigIntegerField()
    tokens_used = models.BigIntegerField(default=0)
    tokens_reserved = models.BigIntegerField(default=0)
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    granted_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    ended_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True)
    end_reason = models.TextField(blank=True)

    objects = GrantQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="grant_ends_after_it_starts"),
            models.CheckConstraint(
                condition=Q(tokens_used__gte=0, tokens_reserved__gte=0, token_quota__gt=0)
                & Q(token_quota__gte=F("tokens_used") + F("tokens_reserved")),
                name="quota_is_kept",
            ),
            models.CheckConstraint(
                condition=Q(status="active", ended_at__isnull=True) | ~Q(status="active") & Q(ended_at__isnull=False),
                name="ended_grant_has_end",
            ),
            models.UniqueConstraint(
                fields=["partner", "size"], condition=Q(status="active"), name="one_active_grant_per_size"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.size} for {self.partner}"

    def get_absolute_url(self) -> str:
        return self.request.get_absolute_url()

    @property
    def standing(self) -> str:
        if self.ended_at is None:
            return f"active until {self.last_day:%-d %B %Y}"
        by = f" by {self.ended_by}" if self.ended_by else ""
        return f"{self.get_status_display().lower()}{by} on {self.ended_at:%-d %B %Y}"

    @property
    def last_day(self) -> date:
        """The last day of access as it was granted, in UTC."""
        return (self.ends_at - timedelta(microseconds=1)).date()

    @property
    def tokens_left(self) -> int:
        return self.token_quota - self.tokens_used - self.tokens_reserved
