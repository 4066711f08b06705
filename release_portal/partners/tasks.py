"""What this room does on the site's queue."""

from celery import shared_task

from . import actions


@shared_task(name="partners.deliver_mail")
def deliver_mail() -> int:
    return actions.deliver_letters(by=None)
