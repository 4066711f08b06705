"""Closing a person's account, opening it again, and helping somebody who lost their second factors."""

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from release_portal.audit.actions import record
from release_portal.lib.reasons import checked_reason
from release_portal.lib.states import Forbidden, Refused

from ..guards import people_who, require
from ..models import Letter, User
from ..permissions import Permission
from ..reset_links import path_to_set_password
from ..sessions import end_sessions
from .letters import write_letter


@transaction.atomic
def disable_person(*, by: User, person: User, reason: str) -> None:
    """Keep a person out at once, by whichever door: their sessions end, and no token, password, code or passkey works.

    What they did stands, and so do their memberships and roles. Of two who may and disable each other at one moment the
    second is refused, so that somebody who may is always left.
    """
    require(by, Permission.PERSON_DISABLE)
    reason = _allowed(by, person, reason, to="disable")
    if not User.objects.filter(pk=person.pk, is_active=True).update(is_active=False, **_decided(by, reason)):
        raise Refused(f"{person} is already disabled.")
    end_sessions(person)
    record("person.disabled", "The account of {whom} was disabled", person, by=by, whom=person)
    _write(person, "was disabled", f"{reason}\n\nNobody can sign in with it, and its API tokens do not work.", by=by)


@transaction.atomic
def enable_person(*, by: User, person: User, reason: str) -> None:
    """Let a disabled person in again, with the roles and tokens that they have. They sign in again."""
    require(by, Permission.PERSON_DISABLE)
    reason = _allowed(by, person, reason, to="enable")
    if not User.objects.filter(pk=person.pk, is_active=False).update(is_active=True, **_decided(by, reason)):
        raise Refused(f"{person} is not disabled.")
    record("person.enabled", "The account of {whom} was enabled again", person, by=by, whom=person)
    _write(person, "was enabled again", reason, by=by)


@transaction.atomic
def remove_factors(*, by: User, person: User, reason: str) -> None:
    """Help somebody who lost their second factors: all of them go, recovery codes too, and with them the password.

    A mailed link sets a new password, so only somebody who reads the person's mail gets in, as when the account was
    new; a role that needs a factor then has them set one up before anything else.
    """
    require(by, Permission.PERSON_DISABLE)
    reason = _allowed(by, person, reason, to="remove the second factors of")
    if not User.objects.filter(pk=person.pk, is_active=True).exists():
        raise Refused(f"{person} is disabled. Enable the account first.")
    factors = Authenticator.objects.filter(user=person)
    if not factors.exists():
        raise Refused(f"{person} has no second factor.")
    factors.delete()
    person.set_unusable_password()
    person.save(update_fields=["password"])
    end_sessions(person)
    sentence = "The second factors of {whom} were removed, and their password with them"
    record("person.factors_removed", sentence, person, by=by, whom=person)
    _write(
        person,
        "has no second factor any more",
        f"{reason}\n\nSet a new password first: the link holds for three days. Then sign in, and set up a new factor. "
        "If you did not ask for this, tell the lab at once.",
        by=by,
        path=path_to_set_password(person),
        action="Set your password",
    )


def _allowed(by: User, person: User, reason: str, *, to: str) -> str:
    """The reason without spaces around it, once all else that these verbs ask for is so."""
    if person.is_service_account:
        raise Refused(f"“{person}” is a service account; it is closed on the page of the members of its organisation.")
    if person == by:
        raise Refused(f"Nobody may {to} their own account; ask somebody else who may.")
    reason = checked_reason(reason, f"Say why, for the person to read: a reason is needed to {to} an account.")
    holders = User.objects.filter(is_active=True, pk__in=people_who(Permission.PERSON_DISABLE).values("pk"))
    if by.pk not in set(holders.order_by("pk").select_for_update().values_list("pk", flat=True)):
        raise Forbidden("Your account was disabled a moment ago.")
    return reason


def _decided(by: User, reason: str) -> dict[str, object]:
    return {"decided_by": by, "decided_at": timezone.now(), "reason": reason}


def _write(person: User, what: str, text: str, *, by: User, path: str = "", action: str = "Release Portal") -> None:
    write_letter(
        to=[person.email],
        subject=f"Your Release Portal account {what}",
        text=f"Your account {what}. The reason: {text}",
        path=path or reverse("home"),
        action=action,
        by=by,
        urgency=Letter.Urgency.URGENT,
    )
