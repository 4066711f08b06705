"""Writing as the owner of the tables, who alone may write of the past: only commands of the operator do."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections


@contextmanager
def as_owner() -> Iterator[None]:
    """Inside, this thread's work goes to the database as its owner. DATABASE_OWNER_URL has to be set."""
    ours, connections["default"] = connections["default"], connections["owner"]
    try:
        yield
    finally:
        connections["default"] = ours
