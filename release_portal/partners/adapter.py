"""What allauth asks the site about accounts."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.forms import ValidationError
from django.http import HttpRequest

from .addresses import deliverable
from .factors import authenticated_lately
from .models import User
from .watch import note_stopped


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": "This e-mail address and password do not belong together. Check both, or set a new "
        "password by “Forgotten your password?”.",
        "too_many_login_attempts": "There were too many failed tries. Wait five minutes, then try again.",
        "enter_current_password": "Type the password that you use now.",
        "incorrect_password": "This is not your password.",
        "invalid_password_reset": "This link to set a password was already used or is too old. Ask for a new one.",
    }

    def clean_email(self, email: str) -> str:
        return deliverable(email)

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        user.name = form.cleaned_data["name"]
        user.email = form.cleaned_data["email"].lower()
        user.set_password(form.cleaned_data["password1"])
        if commit:
            user.save()
        return user

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Where allauth asks for a password again. To have just signed in is enough."""
        return not authenticated_lately(self.request) and super().is_reauthentication_required(app=app, **kwargs)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        try:
            super().pre_authenticate(request, **credentials)
        except ValidationError:
            note_stopped(request, str(credentials.get("email", "")))
            raise
