"""What this room does on the site's queue."""

from celery import shared_task
from django.utils import timezone

from . import actions


@shared_task(name="access.expire_grants")
def expire_grants() -> int:
    return actions.expire_grants(by=None, at=timezone.now())
