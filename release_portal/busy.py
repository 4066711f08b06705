"""What the site answers where the database has no connection for it: that it is busy, and when to come again."""

import sys

import psycopg
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.defaults import server_error

RETRY_SECONDS = 5
AWAY = ("08", "53", "57P")
"""How the SQLSTATEs begin of a lost connection, of resources that ran out, and of a server that starts or stops."""


def failed(request: HttpRequest) -> HttpResponse:
    """Django's handler500: an error is the portal's fault, unless it only had to wait too long for a connection."""
    if not is_away(sys.exc_info()[1]):
        return server_error(request)
    response = render(request, "503.html", {"seconds": RETRY_SECONDS}, status=503)
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response


def is_away(error: BaseException | None) -> bool:
    """Whether the database could not be asked at all: it gave no connection, or lost it."""
    cause = error.__cause__ if isinstance(error, Error) else error
    if not isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError):
        return False
    return cause.sqlstate is None or cause.sqlstate.startswith(AWAY)
