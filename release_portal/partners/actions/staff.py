"""Giving people roles at the lab."""

from collections.abc import Collection

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.auth.hashers import make_password
from django.db import transaction

from release_portal.audit.actions import record
from release_portal.lib.states import Refused
from release_portal.lib.text import one_line

from ..addresses import checked_address
from ..models import ApiToken, Role, User
from ..reset_links import path_to_set_password
from .letters import write_letter
from .tokens import end_token


@transaction.atomic
def appoint(*, by: User | None, email: str, name: str, roles: Collection[str]) -> User:
    """Give a person these roles at the lab, instead of those they had.

    Somebody whose address was never confirmed may be anybody who signed up with it. What they know and hold opens
    nothing any more, and a mail to the address sets a new password. So does one to a new person.
    """
    known = list(Role.objects.filter(at_lab=True))
    unknown = set(roles) - {role.code for role in known}
    if unknown:
        choice = ", ".join(role.code for role in known)
        raise Refused(f"There is no role “{min(unknown)}” at the lab. Choose from: {choice}.", field="role")
    user = _owner_of(checked_address(email), one_line(name))
    EmailAddress.objects.get_or_create(user=user, email=user.email, defaults={"primary": True})
    user.lab_roles.set([role for role in known if role.code in roles])
    sentence = f"{{whom}} was appointed: {', '.join(sorted(roles)) or 'no role'}"
    record("staff.appointed", sentence, user, by=by, whom=user)
    if roles and not EmailAddress.objects.filter(user=user, verified=True).exists():
        _begin_anew(user, by=by)
    return user


def _owner_of(email: str, name: str) -> User:
    """The person who confirmed the address, as their first or a further one; a new person where nobody has it."""
    confirmed = EmailAddress.objects.select_related("user").filter(email=email, verified=True).first()
    if confirmed:
        owner: User = confirmed.user
        return owner
    new = {"name": name, "password": make_password(None)}
    return User.objects.get_or_create(email=email, defaults=new)[0]


def _begin_anew(user: User, *, by: User | None) -> None:
    """Nobody who has the account now keeps it; the mail goes to the address alone. A new password ends every
    session."""
    user.set_unusable_password()
    user.save(update_fields=["password"])
    Authenticator.objects.filter(user=user).delete()
    for token in ApiToken.objects.filter(user=user, revoked_at__isnull=True):
        end_token(by=by, token=token)
    write_letter(
        to=[user.email],
        subject="Your account at the lab's Release Portal",
        text="You work with this portal for the lab now. Set your password first: the link holds for three days. "
        "Afterwards “Forgotten your password?” on the sign-in page sends another.",
        path=path_to_set_password(user),
        action="Set your password",
        by=by,
    )
