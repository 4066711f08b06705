"""allauth's forms, in the words of the portal."""

from typing import Any

from allauth.account import forms as allauth
from django.forms import BaseForm

WORDS = {
    "login": "E-mail address",
    "email": "E-mail address",
    "password": "Password",
    "password1": "Password",
    "password2": "Password again",
    "remember": "Keep me signed in on this computer",
}


class _OurWords(BaseForm):
    """Labels that say what to type, and no placeholder that repeats them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.label = WORDS.get(name, field.label)
            field.widget.attrs.pop("placeholder", None)
            field.error_messages["required"] = f"{field.label} is missing."


class LoginForm(_OurWords, allauth.LoginForm):  # type: ignore[misc]
    pass


class SignupForm(_OurWords, allauth.SignupForm):  # type: ignore[misc]
    pass


class ResetPasswordForm(_OurWords, allauth.ResetPasswordForm):  # type: ignore[misc]
    pass
