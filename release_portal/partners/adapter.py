"""What allauth asks the site about accounts."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.core.internal import ratelimit
from django.contrib import messages
from django.forms import ValidationError
from django.http import HttpRequest

from release_portal.lib.links import page_url
from release_portal.lib.network import address_of

from .factors import authenticated_lately
from .models import Partner, User
from .permissions import Permission
from .reset_links import path_to_set_password
from .watch import note_stopped

MADE_ELSEWHERE = (
    "This account was made in another browser, so perhaps by somebody else. Set a new password; the earlier one "
    "no longer works."
)


WORK_AT_THE_LAB = {
    Permission.REQUEST_DECIDE: "desk",
    Permission.FLEET_SEE: "fleet",
    Permission.BOOK_READ: "book",
}
"""Where people of the lab land when they sign in, by the first of these that they may."""


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": "This e-mail address and password do not belong together. Check both, or set a new "
        "password by “Forgotten your password?”.",
        "too_many_login_attempts": "There were too many failed tries. Wait five minutes, then try again.",
        "too_many_anywhere": "There were too many failed tries at this account in the last hour. Sign in by mail or "
        "with a passkey: below are both.",
        "enter_current_password": "Type the password that you use now.",
        "incorrect_password": "This is not your password.",
        "invalid_password_reset": "This link to set a password was already used or is too old. Ask for a new one.",
    }

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        user.name = form.cleaned_data["name"]
        user.email = form.cleaned_data["email"]
        user.set_password(form.cleaned_data["password1"])
        if commit:
            user.save()
        return user

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Where allauth asks for a password again. To have just signed in is enough."""
        return not authenticated_lately(self.request) and super().is_reauthentication_required(app=app, **kwargs)

    def get_email_verification_redirect_url(self, email_address: EmailAddress) -> str:
        """Somebody who confirmed an account that another browser made sets its password themselves."""
        user = email_address.user
        if not self.request.user.is_authenticated and not user.has_usable_password():
            self.add_message(self.request, messages.WARNING, message=MADE_ELSEWHERE)
            return path_to_set_password(user)
        return str(super().get_email_verification_redirect_url(email_address))

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """Who works at the lab and belongs to no organisation goes to their work there, and is not asked to apply."""
        user = request.user
        if isinstance(user, User) and user.is_lab_staff and not Partner.objects.visible_to(user).exists():
            for permission, page in WORK_AT_THE_LAB.items():
                if user.may(permission):
                    return page_url(page)
        return str(super().get_login_redirect_url(request))

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Wrong tries from one network close the account's password to that network alone. Many from everywhere close
        it to all; a code by mail and a passkey stay open."""
        email = str(credentials.get("email", ""))
        try:
            super().pre_authenticate(request, **credentials)
            self._anywhere = self._count_anywhere(request, email)
            if not self._anywhere:
                raise self.validation_error("too_many_anywhere")
        except ValidationError:
            note_stopped(request, email)
            raise

    def authenticate(self, request: HttpRequest, **credentials: Any) -> Any:
        user = super().authenticate(request, **credentials)
        if user is not None:
            self._anywhere.rollback()
        return user

    def _delete_login_attempts_cached_email(self, request: HttpRequest, **credentials: Any) -> None:
        """A password that was set by mail signs in at once, whatever strangers tried before."""
        super()._delete_login_attempts_cached_email(request, **credentials)
        key = str(credentials.get("email", "")).lower()
        ratelimit.clear(request, app="allauth.account", action="login_failed_anywhere", key=key)

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        return f"{super()._get_login_attempts_cache_key(request, **credentials)}:{address_of(request)}"

    def _count_anywhere(self, request: HttpRequest, email: str) -> Any:
        return ratelimit.consume(request, app="allauth.account", action="login_failed_anywhere", key=email.lower())
