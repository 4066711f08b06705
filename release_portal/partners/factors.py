"""Second factors: who needs one, and the words and the sealing of what allauth keeps of them."""

import time
from functools import cache
from typing import Any

from allauth.account.internal.flows.login import get_authentication_records, record_authentication
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.db.models import BigIntegerField, Exists, OuterRef, Q
from django.dispatch import receiver
from django.http import HttpRequest

from release_portal.lib.prepared import Parameter, Prepared
from release_portal.lib.sealed import seal, unseal

from .models import Membership, Partner, User
from .permissions import Permission

FACTORS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
"""What counts as one; recovery codes stand in for one that is lost."""


def lacks_factor(user: User) -> bool:
    """Whether the person's roles need a second factor and they have none. Every request asks."""
    return bool(_lacking().rows({"user": user.pk}))


def needs_factor(user: User) -> bool:
    """Whether the person works at the lab, or can bind an organisation that was admitted."""
    return User.objects.filter(_NEEDS, pk=user.pk).exists()


def authenticated_lately(request: HttpRequest) -> bool:
    """Whether the person of this session signed in, or showed a password or factor again, within the last
    `REAUTHENTICATION_SECONDS`."""
    shown = [record["at"] for record in get_authentication_records(request, request.user)]
    return bool(shown) and time.time() - max(shown) < settings.REAUTHENTICATION_SECONDS


@receiver(user_logged_in)
def _record_sign_in(request: HttpRequest, user: User, **_: Any) -> None:
    """allauth records a password or factor, and not that a mailed link was opened to confirm a new account."""
    record_authentication(request, user, method="signed_in")


@cache
def _lacking() -> Prepared:
    user = Parameter("user", BigIntegerField())
    return Prepared.of(User.objects.filter(_NEEDS, ~_HAS, pk=user).values("pk"))


_SIGNATORIES = (
    Membership.objects.current()
    .may(Permission.AGREEMENT_SIGN)
    .filter(user=OuterRef("pk"), partner__in=Partner.objects.here())
)
_NEEDS = Q(lab_roles__isnull=False) | Q(Exists(_SIGNATORIES))
_HAS = Q(Exists(Authenticator.objects.filter(user=OuterRef("pk"), type__in=FACTORS)))


class FactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """What allauth asks the site about second factors. Their secrets are sealed in the database."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "cannot_delete_authenticator": "Your roles need a second factor, and this is your last. Add another first.",
        "incorrect_code": "This code is not right, or was used before. Type the one that the app shows now.",
        "unverified_email": "Confirm your e-mail address before you set up a second factor.",
    }

    def encrypt(self, text: str) -> str:
        return seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        return unseal(encrypted_text)

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        others = Authenticator.objects.filter(user=authenticator.user_id, type__in=FACTORS).exclude(pk=authenticator.pk)
        is_codes = authenticator.type == Authenticator.Type.RECOVERY_CODES
        return is_codes or others.exists() or not needs_factor(authenticator.user)

    def get_totp_issuer(self) -> str:
        return "Release Portal"

    def get_public_key_credential_rp_entity(self) -> dict[str, Any]:
        return {**super().get_public_key_credential_rp_entity(), "name": "Release Portal"}
