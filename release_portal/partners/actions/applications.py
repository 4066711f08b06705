"""Applying for an organisation: the draft, the application, and its correction."""

import secrets
from typing import Any, TypedDict, Unpack

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.text import slugify

from release_portal.audit.actions import record
from release_portal.lib.links import page_url
from release_portal.lib.states import Refused, transition
from release_portal.lib.text import folded, one_line

from ..addresses import checked_address
from ..domains import checked_website
from ..guards import people_who, require, require_person
from ..models import ApplicationDraft, Letter, Membership, Partner, Pause, Role, User
from ..models.partner import LONGEST_FOLDED, compared_forms
from ..permissions import Permission
from ..rates import count
from .letters import write_letter

APPLICANT_ROLES = ("owner", "investigator")
LONGEST_DRAFT = 20_000  # characters
UNDECIDED = (Partner.Status.APPLIED, Partner.Status.RETURNED)


class About(TypedDict):
    """What an organisation tells about itself."""

    legal_name: str
    website: str
    country: str
    contact_name: str
    contact_email: str
    purpose: str
    intended_use: str


FIELDS_OF_APPLICATION = tuple(About.__annotations__)


@transaction.atomic
def apply(
    *,
    by: User,
    will_sign: bool,
    **about: Unpack[About],
) -> Partner:
    """Apply for an organisation. The applicant becomes its owner and principal investigator, and, if they say that they
    can bind it, its signatory."""
    require_person(by)
    pause = Pause.objects.now()
    if pause:
        raise Refused(f"{pause.sentence} Your draft can be saved meanwhile.")
    fields = _checked(about)
    _refuse_own(by, fields["legal_name"])
    _refuse_many_open(by)
    count("apply", by=by)
    partner = Partner.objects.create(
        slug=_slug_of(fields["legal_name"]),
        **fields,
        applied_by=by,
        applied_at=timezone.now(),
    )
    membership = Membership.objects.create(user=by, partner=partner, started_at=partner.applied_at)
    membership.roles.set(Role.objects.filter(code__in=[*APPLICANT_ROLES, *(["signatory"] if will_sign else [])]))
    ApplicationDraft.objects.filter(user=by).delete()
    record("partner.applied", f"{partner} applied", partner, membership, by=by)
    _tell_of_application(partner, by=by)
    return partner


@transaction.atomic
def correct_application(
    *,
    by: User,
    partner: Partner,
    **about: Unpack[About],
) -> None:
    """Send a returned application again, corrected. What was sent before is kept for the reviewer to compare."""
    require(by, Permission.PARTNER_EDIT, partner)
    fields: dict[str, Any] = {**_checked(about)}
    _refuse_own(partner.applied_by, fields["legal_name"], but=partner)
    count("correct", by=by)
    before = (
        Partner.objects.select_for_update(no_key=True).values(*FIELDS_OF_APPLICATION, "sent_count").get(pk=partner.pk)
    )
    sent_count = before.pop("sent_count") + 1
    changed = [name for name in FIELDS_OF_APPLICATION if fields[name] != before[name]]
    fields |= {"decided_by": None, "decided_at": None, "previous": before, "sent_count": sent_count}
    fields |= {"corrected_by": by, "corrected_at": timezone.now()}
    fields |= compared_forms(fields["legal_name"], fields["website"])
    transition(partner, Partner.Status.APPLIED, **fields)
    sentence = f"{partner} corrected its application"
    record("partner.corrected", sentence, partner, by=by, detail={"changed": changed, "sent_count": sent_count})
    _tell_of_correction(partner, by=by)


@transaction.atomic
def save_draft(*, by: User, content: dict[str, Any]) -> ApplicationDraft:
    """Keep what is typed into the application so far, checked only when it is sent."""
    require_person(by)
    kept = {name: str(content[name]) for name in (*FIELDS_OF_APPLICATION, "will_sign") if content.get(name)}
    length = sum(len(text) for text in kept.values())
    if length > LONGEST_DRAFT:
        raise Refused(
            f"A draft keeps at most {LONGEST_DRAFT:,} characters; this has {length:,}.",
            limit=LONGEST_DRAFT,
            given=length,
        )
    defaults = {"content": kept, "saved_at": timezone.now()}
    return ApplicationDraft.objects.update_or_create(user=by, defaults=defaults)[0]


@transaction.atomic
def discard_draft(*, by: User) -> None:
    """Forget what was typed into the application."""
    ApplicationDraft.objects.filter(user=by).delete()


def _checked(about: About) -> About:
    """What an application says, as it is kept; raises Refused for an address that leads nowhere."""
    return {
        **about,
        "legal_name": one_line(about["legal_name"]),
        "contact_name": one_line(about["contact_name"]),
        "website": checked_website(about["website"]),
        "contact_email": checked_address(about["contact_email"], "contact_email"),
    }


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
        path=page_url("lab_organisation", partner.slug),
        action="Review the application",
        by=by,
        urgency=Letter.Urgency.NEWS,
    )


def _tell_of_correction(partner: Partner, *, by: User) -> None:
    write_letter(
        to=people_who(Permission.PARTNER_ADMIT),
        subject=f"{partner} corrected its application",
        text=f"{by} changed what was asked for and sent the application of {partner} again, for the "
        f"{_ordinal(partner.sent_count)} time. It waits on the review desk.",
        path=page_url("lab_organisation", partner.slug),
        action="See what changed",
        by=by,
        urgency=Letter.Urgency.NEWS,
    )


def _refuse_own(applicant: User, legal_name: str, *, but: Partner | None = None) -> None:
    """Nobody applies twice under one name. Whether others did is for the reviewers to know: `vetting.py` tells them."""
    _check_name(legal_name)
    User.objects.select_for_update(no_key=True).get(pk=applicant.pk)  # of two at once the second waits
    mine = Q(memberships__in=applicant.memberships.current()) | Q(applied_by=applicant, status__in=UNDECIDED)
    own = Partner.objects.going().called(legal_name).filter(mine).exclude(pk__in=[but.pk] if but else []).first()
    if own:
        sentence = f"You already applied for {own}" if own.status in UNDECIDED else f"You already belong to {own}"
        raise Refused(f"{sentence}: it is {own.status_text}.", field="legal_name", given=legal_name)


def _refuse_many_open(applicant: User) -> None:
    """Called once the applicant's row is locked, so that of two at once the second is counted with the first."""
    waiting = Partner.objects.filter(applied_by=applicant, status__in=UNDECIDED).count()
    if waiting >= settings.OPEN_APPLICATIONS:
        raise Refused(
            f"You have {waiting} applications that wait for an answer; a person has at most "
            f"{settings.OPEN_APPLICATIONS} at a time.",
            limit=settings.OPEN_APPLICATIONS,
            given=waiting + 1,
        )


def _check_name(legal_name: str) -> None:
    """A name is compared with others: it has something to see, and does not grow without end by folding."""
    length = len(folded(legal_name))
    if not length:
        raise Refused("Legal name is missing.", field="legal_name")
    if length > LONGEST_FOLDED:
        raise Refused(
            f"Legal name has {length:,} characters once its ligatures are written out; it takes at most "
            f"{LONGEST_FOLDED}.",
            field="legal_name",
            limit=LONGEST_FOLDED,
            given=length,
        )


def _slug_of(legal_name: str) -> str:
    """Never a running number: it would tell that others of the name are here."""
    return f"{slugify(legal_name)[:60].strip('-') or 'organisation'}-{secrets.token_hex(3)}"


def _ordinal(count: int) -> str:
    return {2: "second", 3: "third"}.get(count, f"{count}th")
