"""What this room does on the site's queue."""

from celery import shared_task

from . import actions


@shared_task(name="releases.hash_artefacts")
def hash_artefacts() -> int:
    return actions.hash_artefacts(by=None)
