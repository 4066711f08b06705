"""A plausible large site to look at and to measure: organisations, their requests and grants, their jobs.

Rows are written in bulk, in states that the verbs lead to and with the events that the verbs record. Nothing of it is
live: no job waits for a worker. `manage.py fill` calls this; it is never called in production.
"""

from collections.abc import Callable
from datetime import datetime
from random import Random

from django.db import transaction

from .jobs import fill_jobs
from .openings import open_before
from .organisations import fill_organisations
from .requests import fill_requests
from .world import World


@transaction.atomic
def fill(*, organisations: int, requests: int, jobs: int, seed: int, at: datetime, tell: Callable[[str], None]) -> None:
    """Add that number of each, all or nothing. The same seed gives the same site, up to its moment `at`."""
    world = World(Random(seed), at, tell)  # noqa: S311 - chance, not secrets
    open_before(world)
    homes = fill_organisations(world, organisations)
    grants = fill_requests(world, homes, requests)
    fill_jobs(world, grants, jobs)
    world.write_events()
