"""What this room does on the site's queue."""

from celery import shared_task
from django.utils import timezone

from . import actions


@shared_task(name="access.expire_grants")
def expire_grants() -> int:
    return actions.expire_grants(by=None, at=timezone.now())


@shared_task(name="access.warn_of_ends")
def warn_of_ends() -> int:
    return actions.warn_of_ends(by=None, at=timezone.now())


@shared_task(name="access.escalate_requests")
def escalate_requests() -> int:
    return actions.escalate_requests(by=None, at=timezone.now())
