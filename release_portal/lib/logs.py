"""Lines of the log without what people wrote, for PostgreSQL's errors quote the row that was refused; and without keys:
Django logs the address of each request that it refuses, and some addresses let in anybody who has them."""

import logging
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import django.db
import psycopg

KEYS = re.compile(r"(/invitations/(?!\d+/)|/confirm-email/|/password/reset/key/(?!done/))[^\s\"'<>]+")
"""Addresses that end in a secret: of an invitation, a confirmation, a new password. Numbers name things."""


CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
"""Characters that a terminal obeys, or that a reader of logs takes for the end of a line; a line feed is not among
them."""


class Discreet(logging.Formatter):
    """Says of a database error only its type, its SQLSTATE and the constraint, wherever the line would quote it; and of
    an address with a key in it only its beginning. What follows the first line is indented, so that nothing that is
    logged looks like a line of its own."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - logging calls it
        """When, in UTC and to the millisecond (RFC 3339)."""
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")

    def format(self, record: logging.LogRecord) -> str:
        """The line, with its traceback."""
        line = super().format(record)
        errors = [*_database_errors(_error_of(record)), *_database_errors(record.args)]
        for error in errors:
            for words in (str(error), repr(error), repr(str(error))[1:-1]):
                line = line.replace(words, _summary(error)) if words else line
        line = CONTROL.sub(_escaped, KEYS.sub(r"\1…", line))
        return line.replace("\n", "\n    ")


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()


def _error_of(record: logging.LogRecord) -> BaseException | None:
    return record.exc_info[1] if record.exc_info else None


def _database_errors(found: object) -> Iterator[BaseException]:
    """Those among an error and what caused it, or among the arguments of a line."""
    if isinstance(found, tuple):
        for each in found:
            yield from _database_errors(each)
    elif isinstance(found, dict):
        for each in found.values():
            yield from _database_errors(each)
    seen: set[int] = set()
    while isinstance(found, BaseException) and id(found) not in seen:
        seen.add(id(found))
        if isinstance(found, django.db.Error | psycopg.Error):
            yield found
        found = found.__cause__ or found.__context__


def _summary(error: BaseException) -> str:
    of_driver = error if isinstance(error, psycopg.Error) else error.__cause__
    code = getattr(of_driver, "sqlstate", None) or "no SQLSTATE"
    diagnosis = getattr(of_driver, "diag", None)
    constraint = getattr(diagnosis, "constraint_name", None)
    return f"{type(error).__name__} ({code}{f', {constraint}' if constraint else ''}; its words may quote a row)"
