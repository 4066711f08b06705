"""What the pages of this room share: whom they are for."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse

from release_portal.lib.states import Forbidden
from release_portal.middleware import is_of_api
from release_portal.partners.permissions import Permission
from release_portal.partners.shortcuts import SignedIn, require_fresh

View = Callable[..., HttpResponse]

REGISTER_READERS = (Permission.RELEASE_EDIT, Permission.SIZE_OPEN, Permission.REQUEST_DECIDE, Permission.BOOK_READ)
"""Who reads the register."""


def staff(*permissions: Permission, routine: bool = False) -> Callable[[View], View]:
    """For people with one of these permissions at the lab. Outsiders get 404, other staff 403.

    What a page sends decides something, and asks for a session in which the person has lately shown that it is they,
    unless it is `routine`. A token was made in such a session.
    """

    def guard(view: View) -> View:
        @login_required
        @wraps(view)
        def guarded(request: SignedIn, **kwargs: Any) -> HttpResponse:
            if not request.user.is_lab_staff:
                raise Http404
            if not any(request.user.may(permission) for permission in permissions):
                names = " or ".join(f"“{permission.label}”" for permission in permissions)
                raise Forbidden(f"This needs a role that you do not have at the lab: {names}.")
            if not routine and not is_of_api(request):
                require_fresh(request)
            return view(request, **kwargs)

        return guarded

    return guard
