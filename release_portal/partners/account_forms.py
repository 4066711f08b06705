"""allauth's forms, in the words of the portal."""

from typing import Any

from allauth.account import forms as allauth
from allauth.account.adapter import get_adapter
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError, transaction
from django.forms import BaseForm, ValidationError
from django.http import HttpRequest

from release_portal.lib.states import TooMany

from .addresses import check_addresses
from .models import User
from .rates import count

WORDS = {
    "login": "E-mail address",
    "email": "E-mail address",
    "password": "Password",
    "password1": "Password",
    "password2": "Password again",
    "code": "Code",
    "remember": "Keep me signed in on this computer",
}


class _OurWords(BaseForm):
    """Labels that say what to type, no placeholder that repeats them, and each address in its one form."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        check_addresses(self)
        for name, field in self.fields.items():
            field.label = WORDS.get(name, field.label)
            field.widget.attrs.pop("placeholder", None)
            field.error_messages["required"] = f"{field.label} is missing."


class LoginForm(_OurWords, allauth.LoginForm):  # type: ignore[misc]
    pass


class SignupForm(_OurWords, allauth.SignupForm):  # type: ignore[misc]
    """For an address that has an account it does the same work and gives the same answer as for a new one."""

    account_already_exists: bool

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if not self.has_error("password1") and "name" in data:
            self._check_against_name(data)
        if not self.errors:
            _count_mail(self, "confirm", data["email"])
        return data

    def _check_against_name(self, data: dict[str, Any]) -> None:
        """allauth has looked at the password with the address alone."""
        try:
            get_adapter().clean_password(data["password1"], user=User(name=data["name"], email=data.get("email", "")))
        except ValidationError as error:
            self.add_error("password1", error)

    def try_save(self, request: HttpRequest) -> Any:
        if self.account_already_exists:
            make_password(self.cleaned_data["password1"])  # the slow part of making an account
            return super().try_save(request)
        try:
            with transaction.atomic():
                return super().try_save(request)
        except IntegrityError:  # the same address a moment ago
            self.account_already_exists = True
            return super().try_save(request)


class ResetPasswordForm(_OurWords, allauth.ResetPasswordForm):  # type: ignore[misc]
    def clean(self) -> None:
        if not self.errors:
            _count_mail(self, "reset", self.cleaned_data["email"])


class RequestLoginCodeForm(_OurWords, allauth.RequestLoginCodeForm):  # type: ignore[misc]
    pass


class ConfirmLoginCodeForm(_OurWords, allauth.ConfirmLoginCodeForm):  # type: ignore[misc]
    pass


class AddEmailForm(_OurWords, allauth.AddEmailForm):  # type: ignore[misc]
    def clean(self) -> None:
        if not self.errors:
            _count_mail(self, "confirm", self.cleaned_data["email"])


def _count_mail(form: BaseForm, what: str, email: str) -> None:
    """Whether or not the address has an account, it gets a mail, and the limit says nothing about which."""
    try:
        count(what, address=email)
    except TooMany as refused:
        form.add_error("email", refused.sentence)
