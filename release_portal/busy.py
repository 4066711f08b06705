"""What the site answers where it gets no connection to its database: that it is busy, and when to come again."""

import sys

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.defaults import server_error
from psycopg_pool import PoolTimeout

RETRY_SECONDS = 5


def failed(request: HttpRequest) -> HttpResponse:
    """Django's handler500: an error is the portal's fault, unless it only waited too long for a connection.

    A connection that is lost on the way is an error like any other: part of the work may be done.
    """
    error = sys.exc_info()[1]
    if not (isinstance(error, OperationalError) and isinstance(error.__cause__, PoolTimeout)):
        return server_error(request)
    response = render(request, "503.html", {"seconds": RETRY_SECONDS}, status=503)
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response
