"""The site's own queue and its clock. Generation workers are another application: `inference.worker`."""

import os
import sys
from typing import Any

from celery import Celery, signals
from django.conf import settings
from django.db import close_old_connections, connections

import inference.broker  # noqa: F401 - the transport that outlives what is no message
from inference.contract import BROKER_OPTIONS, broker_url

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "release_portal.settings")

SITE_QUEUE = "site"
CONNECTION_SECONDS = 600
"""How long a thread of the site's worker keeps its connection to the database: what is planned once stays planned."""

MAIL_QUEUE = "mail"
"""Of a process of its own: a mail server that says nothing keeps nothing else waiting."""

app = Celery("release_portal")
app.conf.update(
    broker_url=broker_url(settings.REDIS_URL),
    broker_connection_retry_on_startup=True,
    broker_transport_options=BROKER_OPTIONS,
    task_default_queue=SITE_QUEUE,
    task_routes={"partners.deliver_mail": {"queue": MAIL_QUEUE}},
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    timezone="UTC",
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    CELERY_DB_REUSE_MAX=sys.maxsize,  # or Celery would connect again for every task
    worker_enable_remote_control=False,  # its commands are not sealed, and shut workers down
    # The clock: what a lost message would have started is found again here. A tick that waited too long is dropped.
    beat_schedule={
        "dispatch": {"task": "jobs.dispatch", "schedule": 1.0, "options": {"expires": 2}},
        "watch": {"task": "jobs.watch_fleet", "schedule": 5.0, "options": {"expires": 10}},
        "accounts": {"task": "jobs.keep_accounts", "schedule": 5.0, "options": {"expires": 10}},
        "forget": {"task": "jobs.forget_seen", "schedule": 600.0, "options": {"expires": 1200}},
        "deliver": {"task": "partners.deliver_mail", "schedule": 5.0, "options": {"expires": 10}},
        "digests": {"task": "partners.send_digests", "schedule": 600.0, "options": {"expires": 1200}},
        "hash": {"task": "releases.hash_artefacts", "schedule": 30.0, "options": {"expires": 60}},
        "expire": {"task": "access.expire_grants", "schedule": 30.0, "options": {"expires": 60}},
        "warn": {"task": "access.warn_of_ends", "schedule": 600.0, "options": {"expires": 1200}},
        "escalate": {"task": "access.escalate_requests", "schedule": 600.0, "options": {"expires": 1200}},
    },
)


app.autodiscover_tasks(
    ["release_portal.partners", "release_portal.releases", "release_portal.access", "release_portal.jobs"]
)


@signals.worker_init.connect
def keep_connections(**_: Any) -> None:
    """Keep connections from one task to the next, and look before each whether they still work."""
    for database in connections.settings.values():
        database.update(CONN_MAX_AGE=CONNECTION_SECONDS, CONN_HEALTH_CHECKS=True)
    for signal in (signals.task_prerun, signals.task_postrun):
        signal.connect(_close_old_connections)


def _close_old_connections(**_: Any) -> None:
    close_old_connections()
