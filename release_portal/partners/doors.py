"""What the HTML doors of every room share."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib import messages
from django.forms import BaseForm
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from release_portal.audit.models import Event
from release_portal.lib.states import Forbidden, Refused

from .models import Invitation, Pause, User
from .permissions import Permission


def banners(request: HttpRequest) -> dict[str, Any]:
    """What every page of somebody signed in says above its content. It costs a query only where a template asks."""
    user = getattr(request, "user", None)
    if not user or not user.is_authenticated:
        return {"intake_pause": None}
    may_see_fleet = SimpleLazyObject(lambda: user.may(Permission.FLEET_SEE))
    return {"intake_pause": SimpleLazyObject(Pause.objects.now), "may_see_fleet": may_see_fleet}


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
    """A form that says what is missing by its name."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            label = str(field.label or name.replace("_", " ").capitalize())
            field.error_messages["required"] = f"{label} is missing."
