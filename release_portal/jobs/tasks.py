"""What this room does on the site's queue. What workers say comes another way: `receiver.py`."""

from celery import shared_task
from django.utils import timezone

from . import actions, window


@shared_task(name="jobs.dispatch")
def dispatch() -> int:
    return actions.dispatch(by=None)


@shared_task(name="jobs.fill")
def fill() -> int:
    return actions.fill(by=None)


@shared_task(name="jobs.watch_fleet")
def watch_fleet() -> int:
    return actions.watch_fleet(by=None) + actions.tell_of_failures(by=None)


@shared_task(name="jobs.keep_accounts")
def keep_accounts() -> int:
    return actions.keep_accounts()


@shared_task(name="jobs.forget_seen")
def forget_seen() -> int:
    return window.forget_seen(at=timezone.now())
