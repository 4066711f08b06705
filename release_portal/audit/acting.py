"""For whom work is done: a door says it once, from what the person showed there. PostgreSQL takes events of no other.

An event names its person again (`by`), since a verb does not know its door. The two meet in the trigger `book_link`: a
verb that names the wrong person is refused. Where no door is, in tasks and commands, events are nobody's.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connection

SETTING = "portal.person"

_person: ContextVar[Callable[[], int | None] | None] = ContextVar("person", default=None)


@contextmanager
def acting_for(key: Callable[[], int | None]) -> Iterator[None]:
    """Inside, work is done for the person whose key the function gives: it is asked where an event is written."""
    token = _person.set(key)
    try:
        yield
    finally:
        _person.reset(token)


@contextmanager
def acting_as(person: AbstractBaseUser) -> Iterator[None]:
    """Inside, work is done for this person: for what has no request, such as a command that somebody runs."""
    with acting_for(lambda: person.pk):
        yield


def tell_database() -> None:
    """Say it to PostgreSQL, for the rest of this transaction: what is set so holds under any pooler.

    Where there is no door nothing is said, and PostgreSQL takes no event of a person.
    """
    if (key := _person.get()) is None:
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, %s, true)", [SETTING, str(key() or "")])
