"""What somebody signed in has to do before anything else, such as setting up a second factor."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from release_portal.lib.states import Forbidden

from .factors import lacks_factor
from .models import User


@dataclass(frozen=True)
class Obligation:
    """`is_due` says whether a person still has to do it, on the page of the route `page`. `sentence` tells a program
    that acts for them; where it is empty, programs go on meanwhile."""

    is_due: Callable[[User], bool]
    page: str
    sentence: str = ""


OBLIGATIONS = (
    Obligation(
        lacks_factor,
        "mfa_index",
        "Your roles need a second factor. Sign in on the site and set one up: an authenticator app or a passkey.",
    ),
    Obligation(lambda user: user.tokens_in_question_at is not None, "partners:keep_tokens"),
)
FREE = ("account_", "mfa_", "usersessions_")
"""How the routes begin that stay open meanwhile: those of the account itself."""


class ObligationsMiddleware:
    """Leads a signed-in person to the page of what is due, whichever page they open."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponse | None:
        match = request.resolver_match
        if match is None or match.view_name.startswith(FREE) or not isinstance(request.user, User):
            return None
        due = obligation_of(request.user)
        return redirect(due.page) if due and match.view_name != due.page else None


def obligation_of(user: User) -> Obligation | None:
    """The first thing that the person has to do, if there is any."""
    return next((one for one in OBLIGATIONS if one.is_due(user)), None)


def require_none_due(user: User) -> None:
    """Raise Forbidden for a program that acts for somebody who first has something to do."""
    for one in OBLIGATIONS:
        if one.sentence and one.is_due(user):
            raise Forbidden(one.sentence)
