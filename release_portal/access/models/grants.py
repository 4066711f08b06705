"""Grant."""

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from django.db import models
from django.db.models import F, Q

from release_portal.lib.states import Stateful
from release_portal.partners.models import Partner, User
from release_portal.releases.models import ModelSize

from .requests import AccessRequest

if TYPE_CHECKING:
    from .suspensions import Suspension


class GrantQuerySet(models.QuerySet["Grant"]):
    def in_force(self, *, at: datetime) -> "GrantQuerySet":
        """Those that the access rule allows at that time, past ones too."""
        from ..conditions import conditions, situated  # the rule reads this model

        rows = situated(self, at=at, partner=F("partner_id"), size=F("size_id"), grant="")
        return rows.filter(*conditions(at=at, partner="partner__", grant="").values())  # type: ignore[no-any-return]

    def held(self) -> "GrantQuerySet":
        """Those not ended: active or suspended."""
        return self.filter(status__in=Grant.HELD)

    def under(self, suspension: "Suspension") -> "GrantQuerySet":
        """Those not ended that a suspension concerns."""
        wanted = {"pk": suspension.grant_id, "partner": suspension.partner_id, "size": suspension.size_id}
        return self.held().filter(**{column: pk for column, pk in wanted.items() if pk})

    def past_their_end(self, *, at: datetime) -> "GrantQuerySet":
        return self.held().filter(ends_at__lte=at)

    def latest_first(self) -> "GrantQuerySet":
        return self.select_related("size__family", "partner").order_by("-starts_at")


class Grant(Stateful):
    """An organisation may generate with one size, from one time to another, so many tokens.

    The planned end stays as it was granted; `ended_at` tells when it really ended.
    """

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        SUSPENDED = "suspended", "Suspended"
        REVOKED = "revoked", "Revoked"
        EXPIRED = "expired", "Ended"

    HELD: ClassVar = frozenset({Status.ACTIVE, Status.SUSPENDED})
    COMES_FROM = {
        Status.SUSPENDED: {Status.ACTIVE},
        Status.ACTIVE: {Status.SUSPENDED},
        Status.REVOKED: HELD,
        Status.EXPIRED: HELD,
    }

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
                condition=Q(status__in=["active", "suspended"], ended_at__isnull=True)
                | ~Q(status__in=["active", "suspended"]) & Q(ended_at__isnull=False),
                name="ended_grant_has_end",
            ),
            models.UniqueConstraint(
                fields=["partner", "size"],
                condition=Q(status__in=["active", "suspended"]),
                name="one_held_grant_per_size",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.size} for {self.partner}"

    def get_absolute_url(self) -> str:
        return self.request.get_absolute_url()

    @property
    def standing(self) -> str:
        if self.ended_at is None:
            word = "active" if self.status == self.Status.ACTIVE else "suspended; granted"
            return f"{word} until {self.last_day:%-d %B %Y}"
        by = f" by {self.ended_by}" if self.ended_by else ""
        return f"{self.get_status_display().lower()}{by} on {self.ended_at:%-d %B %Y}"

    @property
    def is_held(self) -> bool:
        return self.status in self.HELD

    @property
    def status_tag(self) -> dict[str, str]:
        """The status as `components/status.html` shows it."""
        tones = {"active": "good", "suspended": "wait"}
        return {"word": self.get_status_display(), "tone": tones.get(self.status, "off")}

    @property
    def last_day(self) -> date:
        """The last day of access as it was granted, in UTC."""
        return (self.ends_at - timedelta(microseconds=1)).date()

    @property
    def tokens_left(self) -> int:
        return self.token_quota - self.tokens_used - self.tokens_reserved
