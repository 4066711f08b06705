"""What the HTML doors of every room share."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from allauth.core.exceptions import ReauthenticationRequired
from django.contrib import messages
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject

from release_portal.audit.models import Event
from release_portal.lib.states import Forbidden, Refused

from .addresses import check_addresses
from .factors import authenticated_lately, lacks_factor
from .models import Invitation, Pause, User
from .permissions import Permission


def banners(request: HttpRequest) -> dict[str, Any]:
    """What every page of somebody signed in says above its content. It costs a query only where a template asks."""
    user = getattr(request, "user", None)
    if not user or not user.is_authenticated:
        return {"intake_pause": None}
    return {
        "intake_pause": SimpleLazyObject(Pause.objects.now),
        "may_see_fleet": SimpleLazyObject(lambda: user.may(Permission.FLEET_SEE)),
        "may_disable": SimpleLazyObject(lambda: user.may(Permission.PERSON_DISABLE)),
        "factor_is_due": SimpleLazyObject(lambda: lacks_factor(user)),
    }


def with_addresses(events: Iterable[Event]) -> list[Event]:
    """The events, those of invitations with the address that was invited: for those who may invite, and the lab.

    The book itself has no address in it, so that one can be forgotten.
    """
    shown, prefix = list(events), "partners.invitation:"
    keys = {event.pk: key.removeprefix(prefix) for event in shown for key in event.about if key.startswith(prefix)}
    addresses = dict(Invitation.objects.filter(pk__in=keys.values()).values_list("pk", "email")) if keys else {}
    for event in shown:
        event.address = addresses.get(int(keys[event.pk]), "") if event.pk in keys else ""
    return shown


class SignedIn(HttpRequest):
    """A request behind `login_required`: its user is a person."""

    user: User


def fresh(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """What is sent to this page binds somebody: first the person shows again that it is they, unless they did lately.
    allauth keeps what was sent, and goes on with it."""

    @wraps(view)
    def guarded(request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponse:
        require_fresh(request)
        return view(request, *arguments, **named)

    return guarded


def require_fresh(request: HttpRequest) -> None:
    """Raise ReauthenticationRequired, which leads to the page that asks, for what a stale session sends."""
    if request.method == "POST" and request.user.is_authenticated and not authenticated_lately(request):
        raise ReauthenticationRequired


@contextmanager
def refusals_on(form: BaseForm) -> Iterator[None]:
    """A refusal by the verb becomes an error on the field that it names, and what was typed stays."""
    try:
        yield
    except Forbidden:
        raise
    except Refused as refused:
        form.add_error(refused.field if refused.field in form.fields else None, refused.sentence)


@contextmanager
def refusals_told(request: HttpRequest) -> Iterator[None]:
    """A refusal by the verb becomes a message on the next page, where a form has no field for it."""
    try:
        yield
    except Forbidden:
        raise
    except Refused as refused:
        messages.warning(request, refused.sentence)


class PlainWords(BaseForm):
    """A form that says what is missing by its name, and takes each address in its one form."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        check_addresses(self)
        for name, field in self.fields.items():
            label = str(field.label or name.replace("_", " ").capitalize())
            field.error_messages["required"] = f"{label} is missing."
