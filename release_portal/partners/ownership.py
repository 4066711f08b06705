"""Whose an account is: who reads mail at its first address. Who merely signed up with it has no part in it."""

from typing import Any

from allauth.account import signals
from allauth.account.models import EmailAddress
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from .models import ApiToken, User


@receiver(signals.email_confirmed)
def _drop_password_of_another_browser(request: HttpRequest, email_address: EmailAddress, **_: Any) -> None:
    """The first address of an account is confirmed where it did not sign up: the mail may have gone to somebody whose
    address another person typed. The password of that person no longer opens anything."""
    user = email_address.user
    others = EmailAddress.objects.filter(user=user, verified=True).exclude(pk=email_address.pk)
    if others.exists() or not user.has_usable_password() or _signed_up_here(request, user):
        return
    user.set_unusable_password()
    user.save(update_fields=["password"])


@receiver(signals.password_reset)
def _confirm_address_by_its_mail(user: User, **_: Any) -> None:
    """The link that set the password was mailed to the one address that the account has."""
    addresses = EmailAddress.objects.filter(user=user)
    if not addresses.filter(verified=True).exists():
        addresses.filter(email=user.email).update(verified=True, primary=True)


@receiver([signals.password_changed, signals.password_set, signals.password_reset])
def _question_tokens(user: User, **_: Any) -> None:
    """Somebody who knew the earlier password may have made tokens: their owner says which they keep."""
    if ApiToken.objects.in_force(at=timezone.now()).filter(user=user).exists():
        user.tokens_in_question_at = timezone.now()
        user.save(update_fields=["tokens_in_question_at"])


def _signed_up_here(request: HttpRequest, user: User) -> bool:
    from allauth.account.internal.stagekit import unstash_login  # it and the signals above import one another

    login = unstash_login(request, peek=True)
    return login is not None and login.signup and login.user == user
