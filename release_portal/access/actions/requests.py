"""Asking for a size, deciding, revoking; and the quota's ledger."""

from datetime import UTC, date, datetime, time, timedelta

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from release_portal.audit.actions import record
from release_portal.lib.states import Refused, move
from release_portal.lib.wake import wake
from release_portal.partners.actions import write_letter
from release_portal.partners.guards import people_who, require
from release_portal.partners.models import Letter, Membership, Partner, Pause, User
from release_portal.partners.permissions import Permission
from release_portal.releases.models import ModelSize

from ..models import AccessRequest, Grant

LONGEST_DAYS = 2 * 365
MOST_TOKENS = 10**12
SHORTEST_PURPOSE = 20  # characters


@transaction.atomic
def request_access(
    *, by: User, partner: Partner, size: ModelSize, purpose: str, tokens_wanted: int, until_wanted: date
) -> AccessRequest:
    """Ask, for an organisation, to generate with a size."""
    require(by, Permission.ACCESS_REQUEST, partner)
    if partner.status != Partner.Status.ADMITTED:
        raise Refused(f"{partner} is {partner.standing}; only an admitted organisation can request access.")
    if pause := Pause.objects.now():
        raise Refused(pause.sentence)
    if len(purpose.strip()) < SHORTEST_PURPOSE:
        raise Refused(
            f"Say what you will study, in at least {SHORTEST_PURPOSE} characters; this has {len(purpose.strip())}.",
            field="purpose",
            limit=SHORTEST_PURPOSE,
            given=len(purpose.strip()),
        )
    _check_tokens("tokens_wanted", tokens_wanted)
    _check_end("until_wanted", until_wanted)
    if Grant.objects.held().filter(partner=partner, size=size, ends_at__gt=timezone.now()).exists():
        raise Refused(f"{partner} already has a grant of {size}.", field="size", given=str(size))
    try:
        with transaction.atomic():
            request = AccessRequest.objects.create(
                partner=partner,
                size=size,
                purpose=purpose.strip(),
                tokens_wanted=tokens_wanted,
                until_wanted=until_wanted,
                submitted_by=by,
                submitted_at=timezone.now(),
            )
    except IntegrityError:
        raise Refused(f"{partner} already has an open request for {size}.", field="size", given=str(size)) from None
    record("access.requested", f"{partner} requested {size}", request, partner, size, by=by)
    _tell_of_request(request, by=by)
    return request


@transaction.atomic
def withdraw_request(*, by: User, request: AccessRequest) -> None:
    require(by, Permission.ACCESS_REQUEST, request.partner)
    move(request, AccessRequest.Status.WITHDRAWN, decided_by=by, decided_at=timezone.now())
    record("access.withdrawn", f"The request for {request.size} was withdrawn", request, request.partner, by=by)


@transaction.atomic
def grant_request(*, by: User, request: AccessRequest, ends_on: date, token_quota: int) -> Grant:
    """Grant a request, from now to the end of a day (UTC), with a quota of generated tokens."""
    _require_reviewer(by, request)
    _check_end("ends_on", ends_on)
    _check_tokens("token_quota", token_quota)
    now = timezone.now()
    move(request, AccessRequest.Status.GRANTED, decided_by=by, decided_at=now)
    _close_ended(request.partner, request.size, now)
    grant = Grant.objects.create(
        partner=request.partner,
        size=request.size,
        request=request,
        starts_at=now,
        ends_at=datetime.combine(ends_on + timedelta(days=1), time.min, tzinfo=UTC),
        token_quota=token_quota,
        granted_by=by,
    )
    terms = f"until {ends_on:%-d %B %Y}, {token_quota:,} tokens"
    sentence = f"{request.size} was granted to {request.partner}: {terms}"
    record("access.granted", sentence, request, grant, request.partner, request.size, by=by)
    write_letter(
        to=people_who(Permission.PARTNER_READ, request.partner),
        subject=f"{request.size} is granted to {request.partner}",
        text=f"{request.partner} may generate with {request.size} {terms}.",
        path=request.get_absolute_url(),
        action="See the grant",
        by=by,
    )
    return grant


@transaction.atomic
def decline_request(*, by: User, request: AccessRequest, reason: str) -> None:
    _require_reviewer(by, request)
    if not reason.strip():
        raise Refused("Say why, for the applicant to read: a reason is needed to decline.", field="reason")
    move(request, AccessRequest.Status.DECLINED, decided_by=by, decided_at=timezone.now(), reason=reason.strip())
    sentence = f"The request of {request.partner} for {request.size} was declined"
    record("access.declined", sentence, request, request.partner, request.size, by=by)
    write_letter(
        to=people_who(Permission.PARTNER_READ, request.partner),
        subject=f"The request for {request.size} was declined",
        text=f"The reason: {request.reason}\n\n{request.partner} can ask again with what was missing.",
        path=request.get_absolute_url(),
        action="Read the decision",
        by=by,
    )


@transaction.atomic
def revoke_grant(*, by: User, grant: Grant, reason: str) -> None:
    """End a grant at once: no new job is taken, and queued and running ones stop."""
    require(by, Permission.GRANT_REVOKE)
    if not reason.strip():
        raise Refused("Say why, for the organisation to read: a reason is needed to revoke.", field="reason")
    move(grant, Grant.Status.REVOKED, ended_by=by, ended_at=timezone.now(), end_reason=reason.strip())
    sentence = f"The grant of {grant.size} to {grant.partner} was revoked"
    record("access.revoked", sentence, grant, grant.request, grant.partner, grant.size, by=by)
    write_letter(
        to=people_who(Permission.PARTNER_READ, grant.partner),
        subject=f"Access to {grant.size} was revoked",
        text=f"{grant.partner} can no longer use {grant.size}; queued and running jobs were stopped.\n\n"
        f"The reason: {grant.end_reason}",
        path=grant.get_absolute_url(),
        action="Read the decision",
        by=by,
        urgency=Letter.Urgency.URGENT,
    )
    wake("jobs.dispatch")


@transaction.atomic
def expire_grants(*, by: User | None, at: datetime) -> int:
    """End the grants whose time is over, with an event and a mail each; returns how many."""
    over = list(Grant.objects.past_their_end(at=at).select_for_update(of=("self",), skip_locked=True).latest_first())
    for grant in over:
        _expire(grant, at, by=by)
    return len(over)


def reserve(*, by: User | None, grant: Grant, tokens: int) -> None:
    """Set tokens of the quota aside. One conditional UPDATE decides between two jobs that want the last of it."""
    with_room = Grant.objects.filter(
        pk=grant.pk,
        status=Grant.Status.ACTIVE,
        token_quota__gte=F("tokens_used") + F("tokens_reserved") + tokens,
    )
    if not with_room.update(tokens_reserved=F("tokens_reserved") + tokens):
        grant.refresh_from_db()
        raise Refused(
            f"This needs up to {tokens:,} tokens and {grant.tokens_left:,} are left of the {grant.token_quota:,} "
            f"granted for {grant.size}.",
            field="quota",
            limit=grant.tokens_left,
            given=tokens,
        )


def settle(*, by: User | None, grant: Grant, reserved: int, used: int) -> None:
    """Give back what was set aside, and charge what was really generated."""
    Grant.objects.filter(pk=grant.pk).update(
        tokens_reserved=F("tokens_reserved") - reserved, tokens_used=F("tokens_used") + used
    )


def _tell_of_request(request: AccessRequest, *, by: User) -> None:
    write_letter(
        to=people_who(Permission.REQUEST_DECIDE),
        subject=f"{request.partner} requests {request.size}",
        text=f"{by} requests {request.size} for {request.partner}, until {request.until_wanted:%-d %B %Y}, "
        f"{request.tokens_wanted:,} tokens.",
        path=f"/review/requests/{request.pk}/",
        action="Review the request",
        by=by,
    )
    write_letter(
        to=[by.email],
        subject=f"We received your request for {request.size}",
        text=f"A reviewer reads your request of {request.size} for {request.partner}. You will get a mail with the "
        "answer.",
        path=request.get_absolute_url(),
        action="See where it stands",
        by=by,
    )


def _expire(grant: Grant, at: datetime, *, by: User | None) -> None:
    move(grant, Grant.Status.EXPIRED, ended_at=at, end_reason="Its time was over.")
    sentence = f"The grant of {grant.size} to {grant.partner} ended"
    record("access.expired", sentence, grant, grant.request, grant.partner, grant.size, by=by)
    write_letter(
        to=people_who(Permission.PARTNER_READ, grant.partner),
        subject=f"Access to {grant.size} has ended",
        text=f"The grant of {grant.size} to {grant.partner} ended on {grant.last_day:%-d %B %Y}. You can ask again.",
        path=grant.get_absolute_url(),
        action="Request access again",
        by=by,
    )
    wake("jobs.dispatch")


def _close_ended(partner: Partner, size: ModelSize, at: datetime) -> None:
    """A grant whose time is over but whose expiry the clock has not written yet makes room for the new one."""
    for grant in Grant.objects.past_their_end(at=at).filter(partner=partner, size=size):
        _expire(grant, at, by=None)


def _require_reviewer(by: User, request: AccessRequest) -> None:
    require(by, Permission.REQUEST_DECIDE)
    if Membership.objects.current().filter(user=by, partner=request.partner).exists():
        raise Refused(f"You belong to {request.partner}, so another reviewer has to decide.")


def _check_tokens(field: str, tokens: int) -> None:
    if not 1 <= tokens <= MOST_TOKENS:
        raise Refused(
            f"A quota has from 1 to {MOST_TOKENS:,} tokens; you gave {tokens:,}.",
            field=field,
            limit=MOST_TOKENS,
            given=tokens,
        )


def _check_end(field: str, day: date) -> None:
    today = timezone.now().date()
    latest = today + timedelta(days=LONGEST_DAYS)
    if not today < day <= latest:
        raise Refused(
            f"Access ends after today and by {latest:%-d %B %Y}; you gave {day:%-d %B %Y}.",
            field=field,
            limit=latest.isoformat(),
            given=day.isoformat(),
        )
