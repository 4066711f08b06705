"""What happens at the doors and is noted: sign-ins and their failures, passwords, refusals."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from allauth.account import signals
from allauth.account.models import EmailAddress
from allauth.mfa import signals as factors
from allauth.mfa.models import Authenticator
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse

from release_portal.audit.acting import acting_as
from release_portal.audit.actions import note
from release_portal.audit.models import SecurityEvent
from release_portal.lib.network import address_of

from .actions.tokens import token_named
from .models import User

Kind = SecurityEvent.Kind

THINGS = frozenset({"slug", "pk", "job_id", "family", "component", "name", "number", "kind"})
"""Parts of addresses that name a thing and may be kept. Others are secrets, such as the key of an invitation."""
LONGEST_ADDRESS = 200  # characters that are kept
STOPPED_IS_NOTED_EVERY = timedelta(minutes=1)
WRONG_TOKEN_IS_NOTED_EVERY = timedelta(minutes=1)  # of each token and from each address: a program goes on asking
TOO_MUCH_IS_NOTED_EVERY = timedelta(minutes=1)  # at each door
REFUSALS = {403: "not allowed", 404: "nothing there for this person", 429: "too often"}
"""Why, by the status of the answer."""


class WatchMiddleware:
    """Notes that somebody known was refused: at the door of another's things, without the right, or after too much."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code in REFUSALS and request.resolver_match and request.user.is_authenticated:
            note_refusal(request, response.status_code)
        return response


def note_refusal(request: HttpRequest, status: int) -> None:
    match = request.resolver_match
    if match is None or not isinstance(request.user, User):
        return
    things = {name: _short(value) for name, value in match.kwargs.items() if name in THINGS}
    where = request.path if match.kwargs.keys() <= THINGS else f"/{match.route}"
    every = TOO_MUCH_IS_NOTED_EVERY if status == 429 else None
    detail = seen_from(request) | {"status": status, "route": match.view_name, "things": things}
    note(
        Kind.REFUSED,
        f"Refused at {request.method} {_short(where)}: {REFUSALS[status]}",
        by=request.user,
        detail=detail,
        every=every,
    )


def note_stopped(request: HttpRequest, email: str) -> None:
    """Somebody tried too often, and is not listened to for a while."""
    sentence = "Tries to sign in were stopped: there were too many"
    known = _owner_of(email)
    about = [known] if known else []
    note(Kind.SIGN_IN_STOPPED, sentence, *about, by=None, detail=seen_from(request), every=STOPPED_IS_NOTED_EVERY)


def note_wrong_token(request: HttpRequest, secret: str) -> None:
    """A request came with a token that is wrong, ended or revoked. Whose it is, is kept; what came is not."""
    token = token_named(secret=secret)
    whose = "an API token of {whom}" if token else "an API token that nobody has"
    sentence, about = f"A sign-in with {whose} failed", [token.user, token] if token else []
    every = WRONG_TOKEN_IS_NOTED_EVERY
    whom = token.user if token else None
    note(Kind.SIGN_IN_FAILED, sentence, *about, by=None, whom=whom, detail=seen_from(request), every=every)


def seen_from(request: HttpRequest | None) -> dict[str, Any]:
    """Where a request came from, and by which door."""
    if request is None:
        return {}
    door = "api" if request.path.startswith("/api/") else "page"
    return {"address": address_of(request), "door": door}


@receiver(user_logged_in)
def _signed_in(request: HttpRequest, user: User, **_: Any) -> None:
    _note_own(Kind.SIGNED_IN, "Signed in", user, request)


@receiver(user_logged_out)
def _signed_out(request: HttpRequest, user: User | None, **_: Any) -> None:
    if user is not None:
        _note_own(Kind.SIGNED_OUT, "Signed out", user, request)


@receiver(user_login_failed)
def _sign_in_failed(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    """An address that no account has is not kept: people type passwords there."""
    known = _owner_of(str(credentials.get("email", "")))
    whose = "as {whom}" if known else "with an address that no account has"
    note(
        Kind.SIGN_IN_FAILED,
        f"A sign-in {whose} failed",
        *([known] if known else []),
        by=None,
        whom=known,
        detail=seen_from(request),
    )


@receiver([signals.password_changed, signals.password_set])
def _password_changed(request: HttpRequest, user: User, **_: Any) -> None:
    _note_own(Kind.PASSWORD_CHANGED, "Changed the password", user, request)


@receiver(signals.password_reset)
def _password_reset(request: HttpRequest, user: User, **_: Any) -> None:
    _note_own(Kind.PASSWORD_RESET, "Set a new password by a mailed link", user, request)


@receiver(signals.email_changed)
def _address_changed(request: HttpRequest, user: User, **_: Any) -> None:
    _note_own(Kind.ADDRESS_CHANGED, "Changed the address that the portal writes to", user, request)


def _note_own(kind: SecurityEvent.Kind, sentence: str, user: User, request: HttpRequest | None) -> None:
    """Of somebody who has just shown who they are: by a password, or by a link that was mailed to them."""
    with acting_as(user):
        note(kind, sentence, by=user, detail=seen_from(request))


@receiver([factors.authenticator_added, factors.authenticator_reset])
def _factor_added(request: HttpRequest, user: User, authenticator: Authenticator, **_: Any) -> None:
    sentence = f"Set up {_called(authenticator)}"
    _note_own(Kind.FACTOR_ADDED, sentence, user, request)


@receiver(factors.authenticator_removed)
def _factor_removed(request: HttpRequest, user: User, authenticator: Authenticator, **_: Any) -> None:
    _note_own(Kind.FACTOR_REMOVED, f"Removed {_called(authenticator)}", user, request)


@receiver(factors.authentication_failed)
def _code_failed(request: HttpRequest, user: User, **_: Any) -> None:
    sentence = "A wrong code was typed for {whom}"
    note(Kind.CODE_FAILED, sentence, user, by=None, whom=user, detail=seen_from(request))


def _called(authenticator: Authenticator) -> str:
    names = {"totp": "an authenticator app", "recovery_codes": "recovery codes", "webauthn": "a passkey"}
    return names[authenticator.type]


def _owner_of(email: str) -> User | None:
    address = EmailAddress.objects.select_related("user").filter(email__iexact=email).first()
    return address.user if address else None


def _short(value: object) -> str:
    return str(value).encode(errors="replace").decode()[:LONGEST_ADDRESS]
