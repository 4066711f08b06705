"""Service accounts: a program of an organisation acts as one, no matter who joins or leaves."""

import secrets
from collections.abc import Collection

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import slugify

from release_portal.audit.actions import record
from release_portal.lib.states import Refused
from release_portal.lib.text import one_line

from ..guards import require, require_going
from ..models import ApiToken, Membership, Partner, Role, User
from ..models.user import SERVICE_DOMAIN
from ..permissions import Permission
from ..rates import count
from .tokens import end_token

SERVICE_ROLES = ("researcher", "viewer")


@transaction.atomic
def create_service_account(*, by: User, partner: Partner, name: str, roles: Collection[Role]) -> User:
    """Make an account that acts by tokens alone: it has no password and gets no mail."""
    require(by, Permission.MEMBER_INVITE, partner)
    require_going(partner)
    name = one_line(name)
    if not name:
        raise Refused("Name the service account, such as “nightly study”.", field="name")
    check_service_roles(roles=roles)
    count("service_account", by=by, partner=partner)
    try:
        with transaction.atomic():
            account = User.objects.create_user(
                f"{slugify(name)[:40] or 'service'}-{secrets.token_hex(8)}@{SERVICE_DOMAIN}",
                name=name,
                service_of=partner,
            )
    except IntegrityError:
        raise Refused(f"{partner} already has a service account “{name}”.", field="name", given=name) from None
    membership = Membership.objects.create(user=account, partner=partner, started_at=timezone.now())
    membership.roles.set(roles)
    record("service.created", "A service account, {whom}, was made", partner, account, membership, by=by, whom=account)
    return account


@transaction.atomic
def close_service_account(*, by: User, user: User) -> None:
    """End a service account and its tokens at once. What it made stays with the organisation."""
    if user.service_of is None:
        raise Refused(f"{user} is a person, not a service account.")
    require(by, Permission.MEMBER_INVITE, user.service_of)
    ended = list(user.memberships.current().select_for_update())
    if not ended:
        raise Refused(f"The service account “{user}” is already closed.")
    user.memberships.current().update(ended_at=timezone.now(), ended_by=by)
    end_account(by=by, account=user)
    about = [user.service_of, user, *ended]
    record("service.closed", "The service account {whom} was closed", *about, by=by, whom=user)


def end_account(*, by: User, account: User) -> None:
    """Whatever holds its tokens is nobody from now on, and its name is free again."""
    account.is_active = False
    account.save(update_fields=["is_active"])
    for token in ApiToken.objects.filter(user=account, revoked_at__isnull=True).select_related("user"):
        end_token(by=by, token=token)


def check_service_roles(*, roles: Collection[Role]) -> None:
    """A program generates or reads; it never invites, asks or signs."""
    if not roles:
        raise Refused("Choose at least one role.", field="roles")
    for role in roles:
        if role.code not in SERVICE_ROLES:
            choice = " or ".join(SERVICE_ROLES)
            raise Refused(f"A service account is {choice}, not {role.title.lower()}.", field="roles", given=role.code)
