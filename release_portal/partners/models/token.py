"""ApiToken: what a program shows for whom it acts."""

from datetime import datetime

from django.db import models
from django.db.models import Q

from .user import User


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    def in_force(self, *, at: datetime) -> "ApiTokenQuerySet":
        return self.filter(revoked_at__isnull=True, expires_at__gt=at, user__is_active=True)

    def visible_to(self, user: User) -> "ApiTokenQuerySet":
        """A person's own, and those of the service accounts of their organisations."""
        return self.filter(Q(user=user) | Q(user__service_of__memberships__in=user.memberships.current())).distinct()


class ApiToken(models.Model):
    """A secret with which a program acts as a person. Only a keyed hash of it is stored."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="api_tokens")
    name = models.CharField("what it is for", max_length=80)
    key_id = models.CharField(max_length=12, unique=True)
    secret_hash = models.CharField(max_length=64)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    objects = ApiTokenQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.name} ({self.key_id})"
