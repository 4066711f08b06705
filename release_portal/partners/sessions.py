"""How long a session lasts, while it is used and in all, and which key it has."""

import time
from collections.abc import Callable

from allauth.account.internal.flows.login import get_authentication_records
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.sessions.models import Session
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from .models import User

BEGAN, SEEN = "session_began_at", "session_seen_at"
NOTED_EVERY = 60  # seconds: a session is stored once in that time, not at each request


class SessionKeyMiddleware:
    """Gives a session a new key once its person has shown again who they are, as signing in does (OWASP ASVS 7.2.4):
    who knew the earlier key has no part in what follows."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        key, shown = request.session.session_key, get_authentication_records(request, request.user)
        response = self.get_response(request)
        if key and key == request.session.session_key and shown != get_authentication_records(request, request.user):
            request.session.cycle_key()
            UserSession.objects.filter(session_key=key).update(session_key=request.session.session_key)
        return response


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
    elif now - seen > NOTED_EVERY and "HX-Request" not in request.headers:  # a page that looks by itself is no use
        session[SEEN] = now


def sessions_of(user: User) -> QuerySet[UserSession]:
    """The browsers in which the person is signed in, the newest first."""
    running = Session.objects.filter(session_key=OuterRef("session_key"), expire_date__gt=timezone.now())
    rows: QuerySet[UserSession] = UserSession.objects.filter(Exists(running), user=user)
    return rows.order_by("-created_at")


def end_sessions(user: User) -> None:
    """Sign the person out in every browser that is listed. Others end where the account is disabled or has another
    password: Django asks for both at each request."""
    listed = UserSession.objects.filter(user=user)
    Session.objects.filter(session_key__in=listed.values("session_key")).delete()
    listed.delete()
