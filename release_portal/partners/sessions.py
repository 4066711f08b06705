"""How long a session lasts: while it is used, and in all."""

import time
from collections.abc import Callable

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse

BEGAN, SEEN = "session_began_at", "session_seen_at"
NOTED_EVERY = 60  # seconds: a session is stored once in that time, not at each request


class SessionLimitsMiddleware:
    """Signs out a session that was idle for SESSION_IDLE_SECONDS or began SESSION_TOTAL_SECONDS ago."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            _look_at(request, time.time())
        return self.get_response(request)


def _look_at(request: HttpRequest, now: float) -> None:
    session = request.session
    began, seen = session.setdefault(BEGAN, now), session.setdefault(SEEN, now)
    if now - began > settings.SESSION_TOTAL_SECONDS or now - seen > settings.SESSION_IDLE_SECONDS:
        logout(request)
        messages.info(request, "You were signed out: your session was too long ago. Sign in again, and go on.")
    elif now - seen > NOTED_EVERY:
        session[SEEN] = now
