"""Cached: what the site keeps for a while."""

from django.db import models
from django.db.models import Q


class Cached(models.Model):
    """An entry of the cache (`partners/cache.py`), such as the failed sign-ins at one address."""

    key = models.CharField(primary_key=True, max_length=250)
    value = models.TextField(help_text="JSON")
    expires_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["expires_at"], condition=Q(expires_at__isnull=False), name="cached_by_end")]

    def __str__(self) -> str:
        return self.key
