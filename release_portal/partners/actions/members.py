"""Inviting people into an organisation, and their coming."""

import hashlib
import secrets
from collections.abc import Collection
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from release_portal.audit.actions import record
from release_portal.lib.states import Refused, transition
from release_portal.lib.text import plain_name

from ..addresses import checked_address
from ..domains import mail_domain, proven_domain
from ..guards import require, require_going, require_person
from ..models import Invitation, Letter, Membership, Partner, Role, User
from ..permissions import Permission
from ..rates import count
from .letters import write_letter

INVITATION_DAYS = 14


def hash_of(*, key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


@transaction.atomic
def invite(*, by: User, partner: Partner, email: str, roles: Collection[Role]) -> Invitation:
    """Offer a place in some roles to an address. An open invitation to the same address is replaced."""
    require(by, Permission.MEMBER_INVITE, partner)
    require_going(partner)
    email = checked_address(email)
    if Membership.objects.current().filter(partner=partner, user__email=email).exists():
        raise Refused(f"{email} already belongs to {partner}.", field="email", given=email)
    if not roles:
        raise Refused("Choose at least one role.", field="roles")
    _refuse_strangers(partner, email)
    count("invite", by=by, partner=partner, address=email)
    for older in Invitation.objects.filter(partner=partner, email=email, status=Invitation.Status.SENT):
        end_invitation(by=by, invitation=older)
    key = secrets.token_urlsafe(24)
    now = timezone.now()
    try:
        with transaction.atomic():
            invitation = Invitation.objects.create(
                partner=partner,
                email=email,
                key_hash=hash_of(key=key),
                invited_by=by,
                invited_at=now,
                expires_at=now + timedelta(days=INVITATION_DAYS),
            )
    except IntegrityError:
        raise Refused(f"{email} was invited a moment ago.", field="email", given=email) from None
    invitation.roles.set(roles)
    record("member.invited", f"Somebody was invited to {partner}", partner, invitation, by=by)
    _send(invitation, key, by=by)
    return invitation


@transaction.atomic
def resend_invitation(*, by: User, invitation: Invitation) -> None:
    """Mail an unanswered invitation again, under a new link and for another fortnight. The link before is dead."""
    require(by, Permission.MEMBER_INVITE, invitation.partner)
    _refuse_strangers(invitation.partner, invitation.email)
    count("invite", by=by, partner=invitation.partner, address=invitation.email)
    key = secrets.token_urlsafe(24)
    now = timezone.now()
    invitation.key_hash, invitation.invited_by, invitation.invited_at = hash_of(key=key), by, now
    invitation.expires_at = now + timedelta(days=INVITATION_DAYS)
    columns = {name: getattr(invitation, name) for name in ("key_hash", "invited_by", "invited_at", "expires_at")}
    if not Invitation.objects.unanswered().filter(pk=invitation.pk).update(**columns):
        invitation.refresh_from_db()
        raise Refused(f"This invitation is already {invitation.status_text}.")
    sentence = f"An invitation to {invitation.partner} was sent again"
    record("invitation.resent", sentence, invitation.partner, invitation, by=by)
    _send(invitation, key, by=by)


def open_invitation(*, by: User, key: str) -> Invitation:
    """The invitation behind a mailed link. Raises Refused with the reason where this person cannot accept it."""
    invitation = Invitation.objects.select_related("partner", "invited_by").filter(key_hash=hash_of(key=key)).first()
    if invitation is None:
        raise Refused("This invitation link is not known. Ask for a new invitation.")
    if invitation.status == Invitation.Status.SENT and invitation.expires_at <= timezone.now():
        raise Refused(
            f"This invitation ended on {invitation.expires_at:%-d %B %Y}. Ask {invitation.invited_by} for a new one."
        )
    if invitation.email != by.email:
        raise Refused(f"This invitation is for {invitation.email}; you are signed in as {by.email}.")
    if invitation.status != Invitation.Status.SENT:
        raise Refused(f"This invitation is already {invitation.status_text}.")
    return invitation


@transaction.atomic
def accept_invitation(*, by: User, key: str) -> Membership:
    """Join an organisation in the roles that were offered."""
    require_person(by)
    invitation = open_invitation(by=by, key=key)
    require_going(invitation.partner)
    if Membership.objects.current().filter(user=by, partner=invitation.partner).exists():
        raise Refused(f"You already belong to {invitation.partner}.")
    transition(invitation, Invitation.Status.ACCEPTED)
    membership = Membership.objects.create(user=by, partner=invitation.partner, started_at=timezone.now())
    membership.roles.set(invitation.roles.all())
    partner, roles = invitation.partner, listed(roles=membership.roles.all())
    record("member.joined", f"A member joined {partner}", partner, invitation, membership, by=by)
    write_letter(
        to=[invitation.invited_by],
        subject=f"{by} joined {invitation.partner}",
        text=f"{by} accepted your invitation and is now {roles} at {invitation.partner}.",
        path=reverse("partners:members", args=[invitation.partner.slug]),
        action="See the members",
        by=by,
        urgency=Letter.Urgency.NEWS,
    )
    return membership


@transaction.atomic
def decline_invitations(*, by: User, partner: Partner) -> None:
    """Turn down every place that an organisation offers or offered to the person. They never joined it, so what they
    do at the lab is not barred by having been invited."""
    mine = Invitation.objects.undeclined().addressed_to(by).filter(partner=partner)
    declined = list(mine.exclude(status=Invitation.Status.ACCEPTED))
    if not declined:
        raise Refused(f"{partner} has no invitation for you that you could decline.")
    for invitation in declined:
        transition(invitation, Invitation.Status.DECLINED)
    record("invitation.declined", f"An invitation to {partner} was declined", partner, *declined, by=by)


@transaction.atomic
def withdraw_invitation(*, by: User, invitation: Invitation) -> None:
    require(by, Permission.MEMBER_INVITE, invitation.partner)
    end_invitation(by=by, invitation=invitation)


def end_invitation(*, by: User, invitation: Invitation) -> None:
    """Its link opens nothing any more: it was withdrawn, another took its place, or the organisation is over."""
    transition(invitation, Invitation.Status.WITHDRAWN)
    sentence = f"An invitation to {invitation.partner} was withdrawn"
    record("invitation.withdrawn", sentence, invitation.partner, invitation, by=by)


def listed(*, roles: Collection[Role]) -> str:
    """Roles in a sentence: "researcher and viewer"."""
    titles = [role.title.lower() for role in roles]
    return " and ".join([", ".join(titles[:-1]), titles[-1]] if len(titles) > 1 else titles)


def _refuse_strangers(partner: Partner, email: str) -> None:
    """Nobody is mailed in the name of an organisation that the lab does not know yet, except its own people."""
    if partner.is_here:
        return
    proven = proven_domain(partner)
    if mail_domain(email) == proven:
        return
    reach = (
        f"only addresses at {proven}" if proven else "nobody, as its applicant has shown no address at its own web site"
    )
    raise Refused(
        f"Until the lab has admitted {partner}, it can invite {reach}; you gave {email}. "
        "Others can be invited once it is admitted.",
        field="email",
        limit=proven,
        given=email,
    )


def _send(invitation: Invitation, key: str, *, by: User) -> None:
    partner, inviter = plain_name(invitation.partner.legal_name), by.plain_name
    roles = listed(roles=invitation.roles.all())
    write_letter(
        to=[invitation.email],
        subject=f"{inviter} invites you to {partner}",
        text=f"{inviter} invites you to join {partner} on Release Portal as {roles}. The "
        f"invitation holds until {invitation.expires_at:%-d %B %Y}. Sign in or register with {invitation.email} first.",
        path=reverse("partners:accept", args=[key]),
        action="Accept the invitation",
        by=by,
    )
