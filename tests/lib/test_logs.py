"""No generated text and no prompt stands in a log: neither PostgreSQL's nor the site's."""

import io
import logging
import os
import uuid
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from django.conf import settings
from django.db import DataError, IntegrityError, connection, transaction

from release_portal.jobs.models import Completion
from release_portal.lib.logs import Discreet

SECRET = "the-text-that-a-person-wrote"
REFUSED = [
    ("UPDATE jobs_completion SET text = %s, number = 1, finished_at = NULL WHERE id = %s", IntegrityError),
    ("UPDATE jobs_completion SET finish_reason = %s WHERE id = %s", DataError),
    ("UPDATE jobs_completion SET tokens = (%s)::int WHERE id = %s", DataError),
]


@pytest.fixture
def line():
    """What is logged, as the site's processes write it."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(Discreet(settings.LOGGING["formatters"]["plain"]["format"]))
    logger = logging.getLogger("tests.logs")
    logger.addHandler(handler)
    yield logger, written
    logger.removeHandler(handler)


def provoke(job, sql, kind):
    """The error of a statement that PostgreSQL refuses."""
    text = Completion.objects.filter(job=job).first()
    with pytest.raises(kind) as caught, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, [SECRET, text.pk])
    return caught.value


def socket_folder() -> Path:
    return Path(parse_qs(urlsplit(os.environ["DATABASE_URL"]).query)["host"][0])


def postgres_log():
    """All that the embedded PostgreSQL has logged."""
    folder = Path((socket_folder() / ".s.PGSQL.5432.lock").read_text().split()[1])
    return "".join(
        path.read_text(errors="replace") for path in (*folder.glob("log*"), *folder.glob("log/*")) if path.is_file()
    )


@pytest.mark.parametrize(("sql", "kind"), REFUSED)
def test_refused_row_is_quoted_in_no_log_of_postgres(job, sql, kind):
    provoke(job, sql, kind)
    nobody = f"nobody_{uuid.uuid4().hex}"
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(host=str(socket_folder()), dbname="postgres", user=nobody)
    written = postgres_log()
    assert f'FATAL:  role "{nobody}" does not exist' in written, "the log was looked for where it is not"
    assert SECRET not in written


@pytest.mark.parametrize(("sql", "kind"), REFUSED)
def test_refused_row_is_quoted_in_no_line_of_the_site(job, line, sql, kind):
    logger, written = line
    error = provoke(job, sql, kind)
    try:
        raise RuntimeError("The report failed.") from error
    except RuntimeError:
        logger.exception("It failed.")
    logger.error("It failed: %s", error)
    logger.error("It failed: %(exc)s", {"exc": repr(error), "error": error})
    assert SECRET not in written.getvalue()
    assert kind.__name__ in written.getvalue()
    assert error.__cause__.sqlstate in written.getvalue()


def test_line_says_when_in_utc_to_the_millisecond(line):
    logger, written = line
    record = logger.makeRecord(logger.name, logging.WARNING, __file__, 1, "It is late.", (), None)
    record.created = 1_700_000_000.1234
    logger.handle(record)
    assert written.getvalue() == "2023-11-14T22:13:20.123+00:00 WARNING tests.logs: It is late.\n"


def test_nothing_that_is_logged_looks_like_a_line_of_its_own(line):
    logger, written = line
    forged = "2026-11-20T10:00:00.000+00:00 INFO django: All is well."
    for end in ("\n", "\r", "\r\n", "\u2028", "\x85", "\x1b[1A"):
        logger.warning("Refused: %s", f"a{end}{forged}")
    try:
        raise RuntimeError(f"a\n{forged}")
    except RuntimeError:
        logger.exception("It failed.")
    text = written.getvalue()
    assert text.count(forged) == 7
    assert not any(each.startswith(forged) for each in text.splitlines())
    assert "\x1b" not in text
