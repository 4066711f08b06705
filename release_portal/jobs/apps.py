import logging

from django.apps import AppConfig

from release_portal.lib.links import register_pages

logger = logging.getLogger(__name__)


class JobsConfig(AppConfig):
    name = "release_portal.jobs"

    def ready(self) -> None:
        """Register the page of a new job; count what Celery's queues drop beside what the receiver drops."""
        from inference import broker

        register_pages(new_job="jobs:new")
        broker.on_drop(_count_drop)


def _count_drop(reason: str) -> None:
    from django.db import Error, connection
    from django.utils import timezone

    from .window import note_drop

    try:
        note_drop(f"in the site's queue: {reason}", at=timezone.now())
    except Error as error:
        logger.warning("A dropped message was not counted: %s", type(error).__name__)
    finally:
        connection.close()
