"""Grants: given, warned of, ended; and the quota's ledger."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from release_portal.audit.actions import record
from release_portal.audit.loops import each
from release_portal.lib.broker import send_task_on_commit
from release_portal.lib.days import whole_days
from release_portal.lib.reasons import checked_reason
from release_portal.lib.states import Refused, transition
from release_portal.partners import actions as partners
from release_portal.partners.actions import write_letter
from release_portal.partners.conflicts import require_impartial
from release_portal.partners.guards import people_who, require
from release_portal.partners.models import Letter, Partner, User
from release_portal.partners.permissions import Permission

from ..models import Grant, RequestItem, Review, RevokeReason
from ..models.grants import GrantQuerySet, has_room
from ..sentences import room_in_words
from ..terms import Terms, check_served
from .requests import take_back

WARNED_DAYS = (60, 30, 7)


def give(*, by: User, item: RequestItem, terms: Terms, at: datetime, reviews: Iterable[Review] = ()) -> Grant:
    """Make the grant of an item that its reviewers approved, in place of the one that it amends or renews.

    `reviews` are those that the answer which decided it wrote or changed; the event names them.
    """
    partner = item.request.partner
    check_served("right", item.right)
    transition(item, RequestItem.Status.GRANTED, decided_by=by, decided_at=at)
    same = {"partner": partner, "size": item.size, "right": item.right}
    for over in Grant.objects.past_their_end(at=at).filter(**same):
        _expire(over, at, by=None)
    old = Grant.objects.held().filter(**same).select_for_update().first()
    if old and item.replaces_id != old.pk:
        raise Refused(f"{partner} already has a grant of {item}; it can be amended or renewed.")
    if old and old.status == Grant.Status.SUSPENDED:
        raise Refused(f"The grant of {item} is suspended; lift that before another takes its place.")
    grant = Grant(
        **same,
        request=item.request,
        item=item,
        starts_at=at if old else terms.starts_at(at),
        ends_at=terms.ends_at,
        token_quota=terms.token_quota,
        sample_quota=terms.sample_quota,
        concurrent_jobs=terms.concurrent_jobs,
        purposes=list(terms.purposes),
        longest_text=terms.longest_text,
        samples_per_prompt=terms.samples_per_prompt,
        conditions=terms.conditions,
        reduction_reason=terms.reduction_reason,
        waiver=terms.waiver,
        granted_by=by,
    )
    _put_in_place(grant, old, at)
    sentence = f"{item} was granted to {partner}: {terms.sentence}"
    detail = {"item": item.pk, "size": item.size.path, "right": item.right, "kind": item.request.kind}
    about = [item.request, grant, partner, item.size, item, *([old] if old else []), *reviews]
    record("access.granted", sentence, *about, by=by, detail=detail)
    return grant


@transaction.atomic
def revoke_grant(*, by: User, grant: Grant, reason_code: str, reason: str) -> None:
    """End a grant at once: no new job is taken, and queued and running ones stop."""
    require(by, Permission.GRANT_REVOKE)
    require_impartial(by, Permission.GRANT_REVOKE, grant.partner)
    if reason_code not in RevokeReason.values:
        raise Refused("Choose a reason from the list.", field="reason_code", given=reason_code)
    reason = checked_reason(reason, "Say why, for the organisation to read: a reason is needed to revoke.")
    ended = {"ended_by": by, "ended_at": timezone.now(), "end_code": reason_code, "end_reason": reason}
    transition(grant, Grant.Status.REVOKED, **ended)
    sentence = f"The grant of {grant.what} to {grant.partner} was revoked"
    record("access.revoked", sentence, grant, grant.request, grant.partner, grant.size, by=by)
    write_letter(
        to=people_who(Permission.PARTNER_READ, grant.partner),
        subject=f"Access to {grant.what} was revoked",
        text=f"{grant.partner} can no longer use {grant.what}; queued and running jobs were stopped.\n\n"
        f"The reason: {grant.get_end_code_display()}. {grant.end_reason}",
        path=grant.get_absolute_url(),
        action="Read the decision",
        by=by,
        urgency=Letter.Urgency.URGENT,
    )
    send_task_on_commit("jobs.dispatch")


def expire_grants(*, by: User | None, at: datetime) -> int:
    """End the grants whose time is over, with an event and a mail each; returns how many."""
    over = Grant.objects.past_their_end(at=at)
    return each(
        over.only("pk").iterator(), lambda grant: _end(over, grant, at, by=by), task="access.expire_grants", at=at
    )


def warn_of_ends(*, by: User | None, at: datetime) -> int:
    """Write 60, 30 and 7 days before a grant ends, once each; returns the number of grants."""
    near = Grant.objects.to_be_warned_of(WARNED_DAYS, at=at)
    return each(
        near.only("pk").iterator(), lambda grant: _warn(near, grant, at, by=by), task="access.warn_of_ends", at=at
    )


@transaction.atomic
def close_organisation(*, by: User, partner: Partner) -> None:
    """End an organisation here: its requests, its grants, and itself. Its members can still read what it did."""
    partners.close(by=by, partner=partner)
    now = timezone.now()
    for request in partner.access_requests.open():
        take_back(by=by, request=request)
    for grant in partner.grants.held():
        why = "The organisation was closed."
        transition(
            grant, Grant.Status.REVOKED, ended_by=by, ended_at=now, end_code=RevokeReason.REQUESTED, end_reason=why
        )
        sentence = f"The grant of {grant.what} to {partner} ended with the organisation"
        record("access.revoked", sentence, grant, partner, grant.size, by=by)
    send_task_on_commit("jobs.dispatch")


def reserve(*, grant: Grant, tokens: int, samples: int = 0) -> None:
    """Set tokens and texts of the quota aside. One conditional UPDATE decides between two jobs that want the last."""
    active = Grant.objects.filter(pk=grant.pk, status=Grant.Status.ACTIVE)
    taken = {"tokens_reserved": F("tokens_reserved") + tokens, "samples_reserved": F("samples_reserved") + samples}
    if not active.filter(has_room(tokens=tokens, samples=samples)).update(**taken):
        grant.refresh_from_db()
        raise Refused(
            room_in_words(grant, tokens, samples),
            field="quota",
            limit=grant.tokens_left if tokens > grant.tokens_left else grant.samples_left,
            given=tokens if tokens > grant.tokens_left else samples,
        )


def settle(*, grant: Grant, reserved: int, used: int, samples_reserved: int = 0, samples_used: int = 0) -> None:
    """Give back what was set aside, and charge what was really generated."""
    Grant.objects.filter(pk=grant.pk).update(
        tokens_reserved=F("tokens_reserved") - reserved,
        tokens_used=F("tokens_used") + used,
        samples_reserved=F("samples_reserved") - samples_reserved,
        samples_used=F("samples_used") + samples_used,
    )


def _put_in_place(grant: Grant, old: Grant | None, at: datetime) -> None:
    """One grant of a right is held at a time: the old one steps aside for the new one, which it then names."""
    if old:
        transition(old, Grant.Status.REPLACED, ended_at=at, end_reason="Another took its place.")
    grant.save()
    if old:
        Grant.objects.filter(pk=old.pk).update(replaced_by=grant)


def _end(over: GrantQuerySet, grant: Grant, at: datetime, *, by: User | None) -> int | None:
    if (row := over.locked(grant)) is None:
        return None
    _expire(row, at, by=by)
    return 1


def _warn(near: GrantQuerySet, grant: Grant, at: datetime, *, by: User | None) -> int | None:
    if (row := near.locked(grant)) is None:
        return None
    days = min(step for step in WARNED_DAYS if row.ends_at <= at + timedelta(days=step))
    Grant.objects.filter(pk=row.pk).update(warned_days=days)
    record("access.end_announced", f"{row.what} ends on {row.last_day:%-d %B %Y}", row, row.partner, by=by)
    _tell_of_end(row, at, by=by)
    return 1


def _tell_of_end(grant: Grant, at: datetime, *, by: User | None) -> None:
    days = whole_days(grant.ends_at - at)
    left = "1 day" if days == 1 else f"{days} days"
    write_letter(
        to=people_who(Permission.PARTNER_READ, grant.partner),
        subject=f"{grant.what} for {grant.partner} ends on {grant.last_day:%-d %B %Y}",
        text=f"Access to {grant.what} ends in {left}, with the end of {grant.last_day:%-d %B %Y} (UTC). Jobs that run "
        "then are stopped. To go on, ask for a renewal now.",
        path=grant.get_absolute_url(),
        action="Renew the grant",
        by=by,
        urgency=Letter.Urgency.NEWS,
    )


def _expire(grant: Grant, at: datetime, *, by: User | None) -> None:
    transition(grant, Grant.Status.EXPIRED, ended_at=at, end_reason="Its time was over.")
    sentence = f"The grant of {grant.what} to {grant.partner} ended"
    record("access.expired", sentence, grant, grant.request, grant.partner, grant.size, by=by)
    write_letter(
        to=people_who(Permission.PARTNER_READ, grant.partner),
        subject=f"Access to {grant.what} has ended",
        text=f"The grant of {grant.what} to {grant.partner} ended on {grant.last_day:%-d %B %Y}. You can ask again.",
        path=grant.get_absolute_url(),
        action="Renew the grant",
        by=by,
    )
    send_task_on_commit("jobs.dispatch")
