"""What this room does on the site's queue."""

from celery import shared_task
from django.utils import timezone

from . import actions


@shared_task(name="partners.deliver_mail")
def deliver_mail() -> int:
    return actions.deliver_letters()


@shared_task(name="partners.send_digests")
def send_digests() -> int:
    return actions.send_digests(at=timezone.now())
