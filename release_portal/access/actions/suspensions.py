"""Suspending and lifting, at every level: a grant, an organisation, a size, everything."""

from django.db import IntegrityError, transaction
from django.db.models import Model
from django.utils import timezone

from release_portal.audit.actions import record
from release_portal.lib.broker import send_task_on_commit
from release_portal.lib.reasons import checked_reason
from release_portal.lib.states import Refused, transition
from release_portal.partners.actions import write_letter
from release_portal.partners.conflicts import Conflict, conflict_of, partners_of
from release_portal.partners.guards import people_who, require
from release_portal.partners.models import Letter, Partner, User
from release_portal.partners.permissions import Permission

from ..models import Grant, Subject, SuspendReason, Suspension


@transaction.atomic
def suspend(*, by: User, subject: Subject, reason_code: str, reason: str) -> Suspension:
    """Stop all use of a grant, an organisation, a size or, with None, of everything, until that is lifted.

    It holds at once; for the largest size of a family and for everything it waits for a second person.
    """
    require(by, Permission.ACCESS_SUSPEND)
    suspension = Suspension.of(subject)
    _require_impartial(by, suspension)
    if reason_code not in SuspendReason.values:
        raise Refused("Choose a reason from the list.", field="reason_code", given=reason_code)
    reason = checked_reason(reason, "Say why, for those concerned to read: a reason is needed to suspend.")
    suspension.reason_code, suspension.reason = reason_code, reason
    suspension.by, suspension.at = by, timezone.now()
    try:
        with transaction.atomic():
            suspension.save()
    except IntegrityError:
        same = Suspension.objects.pending_or_active().filter(level=suspension.level, grant=suspension.grant)
        earlier = same.filter(partner=suspension.partner, size=suspension.size).newest_first().get()
        raise Refused(f"This {earlier} is already {earlier.status_text}.") from None
    if suspension.needs_second_person():
        record("suspension.proposed", f"A {suspension} was proposed", suspension, by=by)
        _ask_for_second(suspension, by=by)
    else:
        _begin(suspension, by=by)
    return suspension


@transaction.atomic
def confirm_suspension(*, by: User, suspension: Suspension) -> None:
    """The second person agrees, and the suspension holds from now on."""
    require(by, Permission.ACCESS_SUSPEND)
    _require_impartial(by, suspension)
    if by == suspension.by:
        raise Refused("You proposed this suspension, so a second person has to confirm it.")
    _begin(suspension, by=by)


@transaction.atomic
def drop_suspension(*, by: User, suspension: Suspension) -> None:
    """Take back a proposed suspension, or decline to confirm it."""
    require(by, Permission.ACCESS_SUSPEND)
    _require_impartial(by, suspension, widens=True)
    transition(suspension, Suspension.Status.DROPPED)
    record("suspension.dropped", f"The proposed {suspension} was not confirmed", suspension, by=by)


@transaction.atomic
def lift_suspension(*, by: User, suspension: Suspension, reason: str) -> None:
    """Let use go on: held jobs continue by themselves and held texts can be read again."""
    require(by, Permission.ACCESS_SUSPEND)
    _require_impartial(by, suspension, widens=True)
    reason = checked_reason(reason, "Say why it can go on: a reason is needed to lift a suspension.")
    now = timezone.now()
    transition(suspension, Suspension.Status.LIFTED, lifted_by=by, lifted_at=now, lift_reason=reason)
    if suspension.partner and suspension.partner.status == Partner.Status.SUSPENDED:
        transition(suspension.partner, Partner.Status.ADMITTED)
    if suspension.grant and suspension.grant.status == Grant.Status.SUSPENDED:
        transition(suspension.grant, Grant.Status.ACTIVE)
    record("suspension.lifted", f"The {suspension} was lifted", suspension, *_about(suspension), by=by)
    _tell(suspension, f"The {suspension} was lifted", f"Work goes on by itself. The reason: {reason}", by=by)
    send_task_on_commit("jobs.dispatch")


def conflict_over(*, by: User, suspension: Suspension, widens: bool = False) -> Conflict | None:
    """Why this person does not decide on a suspension, if they do not.

    Of an organisation and its grants only the impartial decide. A size and everything are stopped by anybody who may,
    and go on only by the word of those whose organisations hold no grant under it.
    """
    partner = suspension.partner or (suspension.grant.partner if suspension.grant else None)
    own = partners_of(by, at=timezone.now()).filter(grants__in=Grant.objects.under(suspension))
    concerned = partner or (own.first() if widens else None)
    return conflict_of(by, Permission.ACCESS_SUSPEND, concerned) if concerned else None


def _require_impartial(by: User, suspension: Suspension, *, widens: bool = False) -> None:
    if conflict := conflict_over(by=by, suspension=suspension, widens=widens):
        raise Refused(conflict.sentence)


def _begin(suspension: Suspension, *, by: User) -> None:
    now = timezone.now()
    confirmed = None if by == suspension.by else by
    transition(suspension, Suspension.Status.ACTIVE, begins_at=now, confirmed_by=confirmed)
    if suspension.partner:
        transition(suspension.partner, Partner.Status.SUSPENDED)
    if suspension.grant:
        transition(suspension.grant, Grant.Status.SUSPENDED)
    sentence = f"{suspension.subject[0].upper()}{suspension.subject[1:]} was suspended"
    record("suspension.began", sentence, suspension, *_about(suspension), by=by)
    text = "Running and queued jobs wait, and their texts are held, until the lab lifts it."
    text = f"{text}\n\nThe reason: {suspension.reason}"
    _tell(suspension, sentence, text, by=by)
    send_task_on_commit("jobs.dispatch")


def _about(suspension: Suspension) -> list[Model]:
    grant = suspension.grant
    if grant:
        return [grant, grant.request, grant.partner, grant.size]
    return [thing for thing in (suspension.partner, suspension.size) if thing]


def _tell(suspension: Suspension, subject: str, text: str, *, by: User) -> None:
    """Everybody concerned, one mail per organisation; never put off."""
    under = Partner.objects.filter(grants__in=Grant.objects.under(suspension)).distinct()
    for partner in [suspension.partner] if suspension.partner else under:
        write_letter(
            to=people_who(Permission.PARTNER_READ, partner),
            subject=subject,
            text=text,
            path=partner.get_absolute_url(),
            action="See where you stand",
            by=by,
            urgency=Letter.Urgency.URGENT,
        )


def _ask_for_second(suspension: Suspension, *, by: User) -> None:
    write_letter(
        to=people_who(Permission.ACCESS_SUSPEND),
        subject=f"Confirm the {suspension}",
        text=f"{by} proposes the {suspension}. It holds only once a second person confirms it.\n\n"
        f"The reason: {suspension.reason}",
        path=suspension.get_absolute_url(),
        action="See what it would stop",
        by=by,
        urgency=Letter.Urgency.URGENT,
    )
