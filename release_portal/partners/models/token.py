"""ApiToken: what a program shows for whom it acts."""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q

from release_portal.lib.sealed import mark_of

from .user import User


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def valid(self, *, at: datetime) -> "ApiTokenQuerySet":
        """Neither revoked nor ended."""
        return self.filter(revoked_at__isnull=True, expires_at__gt=at)

    def in_force(self, *, at: datetime) -> "ApiTokenQuerySet":
        return self.valid(at=at).filter(user__is_active=True)

    def of_earlier_keys(self) -> "ApiTokenQuerySet":
        """Those whose hash is not known to be of the present SECRET_KEY."""
        return self.exclude(key_mark=mark_of(settings.SECRET_KEY))

    def visible_to(self, user: User) -> "ApiTokenQuerySet":
        """A person's own, and those of the service accounts of their organisations."""
        return self.filter(Q(user=user) | Q(user__service_of__memberships__in=user.memberships.current())).distinct()


class ApiToken(models.Model):
    """A secret with which a program acts as a person. Only a keyed hash of it is stored."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="api_tokens")
    name = models.CharField("what it is for", max_length=80)
    key_id = models.CharField(max_length=12, unique=True)
    secret_hash = models.CharField(max_length=64)
    key_mark = models.CharField(max_length=8, blank=True, help_text="of the SECRET_KEY of its hash; empty: not noted")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    objects = ApiTokenQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.name} ({self.key_id})"
