"""Applying for an organisation, and the lab's answer."""

from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify

from release_portal.audit.actions import record
from release_portal.lib.states import Refused, move

from ..guards import people_who, require
from ..models import Membership, Partner, Role, User
from ..permissions import Permission
from .letters import write_letter

APPLICANT_ROLES = ("owner", "investigator")


@transaction.atomic
def apply(
    *,
    by: User,
    legal_name: str,
    website: str,
    country: str,
    contact_name: str,
    contact_email: str,
    purpose: str,
    intended_use: str,
    will_sign: bool,
) -> Partner:
    """Apply for an organisation. The applicant becomes its owner and principal investigator, and, if they say that they
    can bind it, its signatory."""
    same = Partner.objects.filter(legal_name__iexact=legal_name).exclude(status=Partner.Status.DECLINED).first()
    if same:
        raise Refused(
            f"{same.legal_name} is already here. Ask one of its owners to invite you.",
            field="legal_name",
            given=legal_name,
        )
    partner = Partner.objects.create(
        slug=_free_slug(legal_name),
        legal_name=legal_name,
        website=website,
        country=country,
        contact_name=contact_name,
        contact_email=contact_email,
        purpose=purpose,
        intended_use=intended_use,
        applied_by=by,
        applied_at=timezone.now(),
    )
    membership = Membership.objects.create(user=by, partner=partner, started_at=partner.applied_at)
    membership.roles.set(Role.objects.filter(code__in=[*APPLICANT_ROLES, *(["signatory"] if will_sign else [])]))
    record("partner.applied", f"{partner} applied", partner, by=by)
    _tell_of_application(partner, by=by)
    return partner


@transaction.atomic
def admit(*, by: User, partner: Partner) -> None:
    require(by, Permission.PARTNER_ADMIT)
    _refuse_own(by, partner)
    move(partner, Partner.Status.ADMITTED, decided_by=by, decided_at=timezone.now())
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
def decline(*, by: User, partner: Partner, reason: str) -> None:
    require(by, Permission.PARTNER_ADMIT)
    _refuse_own(by, partner)
    if not reason.strip():
        raise Refused("Say why, for the applicant to read: a reason is needed to decline.", field="reason")
    move(partner, Partner.Status.DECLINED, decided_by=by, decided_at=timezone.now(), reason=reason.strip())
    record("partner.declined", f"The application of {partner} was declined", partner, by=by)
    write_letter(
        to=people_who(Permission.PARTNER_READ, partner),
        subject=f"The application of {partner} was declined",
        text=f"The reason: {partner.reason}\n\nYou can apply again with what was missing.",
        path=partner.get_absolute_url(),
        action="Read the decision",
        by=by,
    )


def _tell_of_application(partner: Partner, *, by: User) -> None:
    write_letter(
        to=[by.email],
        subject=f"We received the application of {partner}",
        text=f"A reviewer reads the application of {partner} next. You will get a mail with the answer.",
        path=partner.get_absolute_url(),
        action="See where it stands",
        by=by,
    )
    write_letter(
        to=people_who(Permission.PARTNER_ADMIT),
        subject=f"{partner} applied",
        text=f"{by} applied for {partner}. The application waits on the review desk.",
        path=f"/review/organisations/{partner.slug}/",
        action="Review the application",
        by=by,
    )


def _refuse_own(by: User, partner: Partner) -> None:
    if Membership.objects.current().filter(user=by, partner=partner).exists():
        raise Refused(f"You belong to {partner}, so another reviewer has to decide.")


def _free_slug(legal_name: str) -> str:
    wanted = slugify(legal_name)[:70] or "organisation"
    taken = set(Partner.objects.filter(slug__startswith=wanted).values_list("slug", flat=True))
    return next(slug for slug in [wanted, *(f"{wanted}-{n}" for n in range(2, 10_000))] if slug not in taken)
