"""What the HTML doors of every room share."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.forms import BaseForm
from django.http import HttpRequest

from release_portal.lib.states import Forbidden, Refused

from .models import User


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
