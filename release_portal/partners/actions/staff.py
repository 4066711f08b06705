"""Giving people roles at the lab."""

from collections.abc import Collection

from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from django.db import transaction

from release_portal.audit.actions import record
from release_portal.lib.states import Refused

from ..models import Role, User


@transaction.atomic
def appoint(*, by: User | None, email: str, name: str, roles: Collection[str]) -> User:
    """Give a person these roles at the lab, instead of those they had. A new person sets a password by “Forgot it?”."""
    known = list(Role.objects.filter(at_lab=True))
    unknown = set(roles) - {role.code for role in known}
    if unknown:
        choice = ", ".join(role.code for role in known)
        raise Refused(f"There is no role “{min(unknown)}” at the lab. Choose from: {choice}.", field="role")
    new = {"name": name, "password": make_password(None)}
    user, _ = User.objects.get_or_create(email=email.lower(), defaults=new)
    EmailAddress.objects.get_or_create(user=user, email=user.email, defaults={"verified": True, "primary": True})
    user.lab_roles.set([role for role in known if role.code in roles])
    sentence = f"{{whom}} was appointed: {', '.join(sorted(roles)) or 'no role'}"
    record("staff.appointed", sentence, user, by=by, whom=user)
    return user
