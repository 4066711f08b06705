"""The lab's answer to an application, and the end of an organisation."""

from collections.abc import Iterable

from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from release_portal.audit.actions import record
from release_portal.lib.links import page_url
from release_portal.lib.reasons import checked_reason
from release_portal.lib.states import Refused, transition

from ..conflicts import require_impartial
from ..guards import people_who, require
from ..models import Letter, Partner, User
from ..permissions import Permission
from .letters import write_letter
from .members import end_invitation


@transaction.atomic
def admit(*, by: User, partner: Partner) -> None:
    require(by, Permission.PARTNER_ADMIT)
    require_impartial(by, Permission.PARTNER_ADMIT, partner)
    _refuse_answered(partner)
    now = timezone.now()
    try:
        with transaction.atomic():
            transition(partner, Partner.Status.ADMITTED, decided_by=by, decided_at=now, admitted_at=now)
    except IntegrityError:
        raise _name_taken(partner) from None
    record("partner.admitted", f"{partner} was admitted", partner, by=by)
    write_letter(
        to=people_who(Permission.PARTNER_READ, partner),
        subject=f"{partner} is admitted",
        text=f"{partner} is admitted. Next, its signatory reads and signs the model-sharing agreement.",
        path=partner.get_absolute_url(),
        action="See what is next",
        by=by,
    )


@transaction.atomic
def return_application(*, by: User, partner: Partner, reason: str) -> None:
    """Ask for changes: the applicant corrects the application and sends it again."""
    require(by, Permission.PARTNER_ADMIT)
    require_impartial(by, Permission.PARTNER_ADMIT, partner)
    reason = checked_reason(reason, "Say what to change, for the applicant to read: a reason is needed to return.")
    transition(partner, Partner.Status.RETURNED, decided_by=by, decided_at=timezone.now(), reason=reason)
    record("partner.returned", f"The application of {partner} was returned for changes", partner, by=by)
    write_letter(
        to=people_who(Permission.PARTNER_READ, partner),
        subject=f"The application of {partner} needs changes",
        text=f"What the reviewer asks for: {partner.reason}\n\nAn owner corrects the application and sends it again.",
        path=reverse("partners:correct", args=[partner.slug]),
        action="Correct the application",
        by=by,
    )


@transaction.atomic
def decline(*, by: User, partner: Partner, reason: str) -> None:
    require(by, Permission.PARTNER_ADMIT)
    require_impartial(by, Permission.PARTNER_ADMIT, partner)
    reason = checked_reason(reason, "Say why, for the applicant to read: a reason is needed to decline.")
    transition(partner, Partner.Status.DECLINED, decided_by=by, decided_at=timezone.now(), reason=reason)
    record("partner.declined", f"The application of {partner} was declined", partner, by=by)
    write_letter(
        to=people_who(Permission.PARTNER_READ, partner),
        subject=f"The application of {partner} was declined",
        text=f"The reason: {partner.reason}\n\nYou can apply again with what was missing.",
        path=partner.get_absolute_url(),
        action="Read the decision",
        by=by,
    )


@transaction.atomic
def close(*, by: User, partner: Partner) -> None:
    """End an organisation here: its owner asks for it, or the lab does. Invitations that wait are withdrawn."""
    if not by.may(Permission.PARTNER_ADMIT):
        require(by, Permission.PARTNER_EDIT, partner)
    elif not by.may(Permission.PARTNER_EDIT, partner):
        require_impartial(by, Permission.PARTNER_ADMIT, partner)
    transition(partner, Partner.Status.CLOSED, closed_by=by, closed_at=timezone.now())
    for invitation in partner.invitations.unanswered():
        end_invitation(by=by, invitation=invitation)
    record("partner.closed", f"{partner} was closed", partner, by=by)
    members = people_who(Permission.PARTNER_READ, partner)
    _tell_of_closing(partner, members, partner.get_absolute_url(), by, Letter.Urgency.DECISION)
    reviewers = people_who(Permission.PARTNER_ADMIT).exclude(pk__in=members)
    _tell_of_closing(partner, reviewers, page_url("lab_organisation", partner.slug), by, Letter.Urgency.NEWS)


def _tell_of_closing(partner: Partner, people: Iterable[User], path: str, by: User, urgency: Letter.Urgency) -> None:
    write_letter(
        to=people,
        subject=f"{partner} is closed",
        text=f"{by} closed {partner} on Release Portal. Its members can still read what it did here.",
        path=path,
        action="See what is left",
        by=by,
        urgency=urgency,
    )


def _refuse_answered(partner: Partner) -> None:
    """A suspended organisation is not admitted a second time: what suspended it has to end."""
    now = Partner.objects.select_for_update(no_key=True, of=("self",)).select_related("decided_by", "closed_by")
    current = now.get(pk=partner.pk)
    if current.status != Partner.Status.APPLIED:
        raise Refused(f"This organisation is already {current.status_text}.")


def _name_taken(partner: Partner) -> Refused:
    """Two organisations of one name are never here together: agreements could not be distinguished."""
    holder = Partner.objects.here().called(partner.legal_name).select_related("decided_by", "closed_by").get()
    return Refused(
        f"Another organisation of this name is here: {holder}, {holder.status_text}. Return the application for "
        "another name, or decline it."
    )
