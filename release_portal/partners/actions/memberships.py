"""What members may do, and their going."""

from collections.abc import Collection

from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from release_portal.audit.actions import record
from release_portal.lib.states import Refused

from ..guards import people_who, require, require_person
from ..models import Letter, Membership, Partner, Role, User
from ..permissions import Permission
from .letters import write_letter
from .members import listed
from .service_accounts import check_service_roles, end_account


@transaction.atomic
def change_roles(*, by: User, membership: Membership, roles: Collection[Role]) -> None:
    """Give a member these roles instead of those they had."""
    partner = _locked(membership.partner)
    require(by, Permission.MEMBER_INVITE, partner)
    _refuse_ended(membership)
    _check_roles(membership, roles)
    if not any(Permission.MEMBER_INVITE in role.permissions for role in roles):
        _refuse_last_owner(membership)
    before = sorted(membership.roles.values_list("code", flat=True))
    membership.roles.set(roles)
    after = sorted(role.code for role in roles)
    sentence = f"{{whom}} is now {listed(roles=roles)} at {partner}"
    detail, whom = {"before": before, "after": after}, membership.user
    record("member.roles_changed", sentence, partner, membership, by=by, whom=whom, detail=detail)
    write_letter(
        to=[membership.user],
        subject=f"Your roles at {partner} have changed",
        text=f"{by} changed what you may do: you are now {listed(roles=roles)} at {partner}.",
        path=reverse("partners:members", args=[partner.slug]),
        action="See the members",
        by=by,
    )


@transaction.atomic
def remove_member(*, by: User, membership: Membership) -> None:
    """End a membership. What the person made for the organisation stays with it."""
    partner = _locked(membership.partner)
    require(by, Permission.MEMBER_INVITE, partner)
    _end(membership, by=by)
    write_letter(
        to=[membership.user],
        subject=f"You no longer belong to {partner}",
        text=f"{by} ended your membership of {partner}. What you made there stays with the organisation.",
        path="/",
        action="Open Release Portal",
        by=by,
    )


@transaction.atomic
def leave(*, by: User, partner: Partner) -> None:
    """End one's own membership."""
    require_person(by)
    _locked(partner)
    membership = by.memberships.current().filter(partner=partner).first()
    if membership is None:
        raise Refused(f"You do not belong to {partner}.")
    _end(membership, by=by)
    write_letter(
        to=people_who(Permission.MEMBER_INVITE, partner),
        subject=f"{by} left {partner}",
        text=f"{by} ended their membership. What they made stays with {partner}.",
        path=reverse("partners:members", args=[partner.slug]),
        action="See the members",
        by=by,
        urgency=Letter.Urgency.NEWS,
    )


def _end(membership: Membership, *, by: User) -> None:
    _refuse_last_owner(membership)
    current = Membership.objects.current().filter(pk=membership.pk)
    if not current.update(ended_at=timezone.now(), ended_by=by):
        raise Refused(f"{membership.user} has already left {membership.partner}.")
    about = [membership.partner, membership, membership.user]
    record("member.removed", f"{{whom}} left {membership.partner}", *about, by=by, whom=membership.user)
    if membership.user.is_service_account:
        end_account(by=by, account=membership.user)


def _locked(partner: Partner) -> Partner:
    """The organisation, whose members nobody else changes until this is done: two owners cannot remove each other."""
    return Partner.objects.select_for_update(no_key=True).get(pk=partner.pk)


def _refuse_ended(membership: Membership) -> None:
    if not Membership.objects.current().filter(pk=membership.pk).exists():
        raise Refused(f"{membership.user} has already left {membership.partner}.")


def _refuse_last_owner(membership: Membership) -> None:
    others = Membership.objects.current().filter(partner=membership.partner_id).exclude(pk=membership.pk)
    if not others.may(Permission.MEMBER_INVITE).exists():
        raise Refused(f"{membership.user} is the last owner of {membership.partner}. Make somebody else owner first.")


def _check_roles(membership: Membership, roles: Collection[Role]) -> None:
    if not roles:
        raise Refused("Choose at least one role.", field="roles")
    at_lab = [role for role in roles if role.at_lab]
    if at_lab:
        raise Refused(f"“{at_lab[0]}” is a role at the lab.", field="roles", given=at_lab[0].code)
    if membership.user.is_service_account:
        check_service_roles(roles=roles)
