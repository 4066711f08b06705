"""Grant."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.expressions import CombinedExpression
from django.urls import reverse

from release_portal.lib.prepared import Moment, Number
from release_portal.lib.states import Stateful
from release_portal.partners.models import Partner, User
from release_portal.releases.models import ModelSize

from .requests import AccessRequest, RequestItem
from .vocabulary import Purpose, RevokeReason, Right

if TYPE_CHECKING:
    from .suspensions import Suspension


def tokens_left(grant: str = "") -> CombinedExpression:
    """What is left of the token quota, as SQL; `grant` is the lookup prefix of the grant, "" in its own queryset."""
    return F(f"{grant}token_quota") - F(f"{grant}tokens_used") - F(f"{grant}tokens_reserved")


def has_room(grant: str = "", *, tokens: Number, samples: Number) -> Q:
    """Whether the quota has that number of tokens and of texts left; `grant` as in `tokens_left`."""
    tokens_taken = F(f"{grant}tokens_used") + F(f"{grant}tokens_reserved") + tokens
    samples_taken = F(f"{grant}samples_used") + F(f"{grant}samples_reserved") + samples
    samples_fit = Q(**{f"{grant}sample_quota__isnull": True}) | Q(**{f"{grant}sample_quota__gte": samples_taken})
    return Q(**{f"{grant}token_quota__gte": tokens_taken}) & samples_fit


class GrantQuerySet(models.QuerySet["Grant"]):
    def in_force(self, *, at: Moment, tokens: int = 0, samples: int = 0, purpose: str = "") -> "GrantQuerySet":
        """Those that the access rule allows at that time, with that much left, and for that purpose."""
        from ..conditions import conditions, with_rule_facts  # the rule reads this model

        rule = conditions(at=at, partner="partner__", grant="", tokens=tokens, samples=samples, purpose=purpose)
        rows = with_rule_facts(self, at=at, partner=F("partner_id"), size=F("size_id"), right=F("right"), grant="")
        return rows.filter(*rule.values())  # type: ignore[no-any-return]

    def held(self) -> "GrantQuerySet":
        """Those not ended: active or suspended."""
        return self.filter(status__in=Grant.HELD)

    def under(self, suspension: "Suspension") -> "GrantQuerySet":
        """Those not ended that a suspension concerns."""
        wanted = {"pk": suspension.grant_id, "partner": suspension.partner_id, "size": suspension.size_id}
        return self.held().filter(**{column: pk for column, pk in wanted.items() if pk})

    def past_their_end(self, *, at: datetime) -> "GrantQuerySet":
        return self.held().filter(ends_at__lte=at)

    def to_be_warned_of(self, steps: Iterable[int], *, at: datetime) -> "GrantQuerySet":
        """Those that end within `days`, and had no warning since that step was reached."""
        unwarned = [
            Q(ends_at__lte=at + timedelta(days=days)) & (Q(warned_days__isnull=True) | Q(warned_days__gt=days))
            for days in steps
        ]
        return self.held().filter(reduce(or_, unwarned), ends_at__gt=at)

    def locked(self, grant: "Grant") -> "Grant | None":
        """The grant's row, locked; None where it is none of these any more, or in somebody's hands."""
        rows = self.select_for_update(of=("self",), skip_locked=True).latest_first()
        return rows.filter(pk=grant.pk).first()

    def latest_first(self) -> "GrantQuerySet":
        names = ("size__family", "partner", "request__partner", "granted_by", "ended_by")
        return self.select_related(*names).order_by("-starts_at", "-id")


class Grant(Stateful):
    """An organisation may use one right on one size, from one time to another, within limits.

    The terms stay as they were granted; `ended_at` tells when it really ended. An amended or renewed grant is replaced
    by another, so that every answer about the past can be read from the rows.
    """

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        SUSPENDED = "suspended", "Suspended"
        REVOKED = "revoked", "Revoked"
        EXPIRED = "expired", "Ended"
        REPLACED = "replaced", "Replaced"

    HELD: ClassVar = frozenset({Status.ACTIVE, Status.SUSPENDED})
    COMES_FROM = {
        Status.SUSPENDED: {Status.ACTIVE},
        Status.ACTIVE: {Status.SUSPENDED},
        Status.REVOKED: HELD,
        Status.EXPIRED: HELD,
        Status.REPLACED: {Status.ACTIVE},
    }

    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="grants")
    size = models.ForeignKey(ModelSize, on_delete=models.PROTECT, related_name="grants")
    right = models.CharField(max_length=12, choices=Right, default=Right.GENERATION)
    request = models.ForeignKey(AccessRequest, on_delete=models.PROTECT, related_name="grants")
    item = models.OneToOneField(RequestItem, on_delete=models.PROTECT, related_name="grant")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    token_quota = models.BigIntegerField(help_text="generated tokens; 0 for a right that generates nothing")
    tokens_used = models.BigIntegerField(default=0)
    tokens_reserved = models.BigIntegerField(default=0)
    sample_quota = models.BigIntegerField(null=True, help_text="texts; empty where only tokens are counted")
    samples_used = models.BigIntegerField(default=0)
    samples_reserved = models.BigIntegerField(default=0)
    concurrent_jobs = models.PositiveIntegerField(null=True, help_text="jobs at a time")
    purposes = ArrayField(models.CharField(max_length=20, choices=Purpose), default=list)
    longest_text = models.PositiveIntegerField(null=True, help_text="tokens a text may have")
    samples_per_prompt = models.PositiveIntegerField(null=True, help_text="texts of one prompt")
    conditions = models.TextField(blank=True)
    reduction_reason = models.TextField(blank=True, help_text="why this is less than was asked for")
    waiver = models.TextField(blank=True, help_text="why the steps before this size were not asked for")
    status = models.CharField(max_length=10, choices=Status, default=Status.ACTIVE)
    granted_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    warned_days = models.PositiveSmallIntegerField(null=True, help_text="the last warning before the end")
    replaced_by = models.ForeignKey("self", on_delete=models.PROTECT, null=True, related_name="replaced")
    ended_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True)
    end_code = models.CharField(max_length=20, choices=RevokeReason, blank=True)
    end_reason = models.TextField(blank=True)

    objects = GrantQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="grant_ends_after_it_starts"),
            models.CheckConstraint(
                condition=Q(tokens_used__gte=0, tokens_reserved__gte=0)
                & (Q(right__in=Right.metered(), token_quota__gt=0) | ~Q(right__in=Right.metered()) & Q(token_quota=0))
                & Q(token_quota__gte=F("tokens_used") + F("tokens_reserved")),
                name="quota_is_kept",
            ),
            models.CheckConstraint(
                condition=Q(samples_used__gte=0, samples_reserved__gte=0)
                & (Q(sample_quota__isnull=True) | Q(sample_quota__gte=F("samples_used") + F("samples_reserved"))),
                name="sample_quota_is_kept",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["active", "suspended"], ended_at__isnull=True)
                | ~Q(status__in=["active", "suspended"]) & Q(ended_at__isnull=False),
                name="ended_grant_has_end",
            ),
            models.CheckConstraint(
                condition=Q(status="replaced") | Q(replaced_by__isnull=True), name="only_replaced_has_successor"
            ),
            models.UniqueConstraint(
                fields=["partner", "size", "right"],
                condition=Q(status__in=["active", "suspended"]),
                name="one_held_grant_per_right",
            ),
        ]
        indexes = [
            models.Index(fields=["ends_at"], condition=Q(status__in=["active", "suspended"]), name="grants_held"),
            models.Index(fields=["-starts_at", "-id"], name="grants_latest_first"),
        ]

    def __str__(self) -> str:
        return f"{self.what} for {self.partner}"

    def get_absolute_url(self) -> str:
        return reverse("access:grant", args=[self.partner.slug, self.pk])

    @property
    def what(self) -> str:
        """The size, and the right where it is not generation."""
        return Right(self.right).of(self.size)

    @property
    def is_metered(self) -> bool:
        return Right(self.right).is_metered

    @property
    def is_held(self) -> bool:
        return self.status in self.HELD

    @property
    def status_text(self) -> str:
        if self.ended_at is None:
            word = "active until" if self.status == self.Status.ACTIVE else "suspended; granted until"
            return f"{word} {self.last_day:%-d %B %Y}"
        by = f" by {self.ended_by}" if self.ended_by else ""
        return f"{self.get_status_display().lower()}{by} on {self.ended_at:%-d %B %Y}"

    @property
    def status_tag(self) -> dict[str, str]:
        """The status as `components/status.html` shows it."""
        tones = {"active": "good", "suspended": "wait", "revoked": "bad"}
        return {"word": self.get_status_display(), "tone": tones.get(self.status, "off")}

    @property
    def last_day(self) -> date:
        """The last day of access as it was granted, in UTC."""
        return (self.ends_at - timedelta(microseconds=1)).date()

    @property
    def tokens_left(self) -> int:
        return self.token_quota - self.tokens_used - self.tokens_reserved

    @property
    def samples_left(self) -> int | None:
        return None if self.sample_quota is None else self.sample_quota - self.samples_used - self.samples_reserved

    @property
    def purpose_labels(self) -> list[str]:
        return [Purpose(purpose).label for purpose in self.purposes]
