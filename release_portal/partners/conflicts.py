"""Conflicts of interest: nobody decides at the lab on an organisation that they are or were involved with.

This is the whole rule of the separation of duties. Every verb of the lab that concerns an organisation asks
`require_impartial`; lists and counts ask the querysets. A membership and an invitation count until
`MEMBERS_BARRED_DAYS` after they ended, what a person wrote until `AUTHORS_BARRED_DAYS` after it, or for ever.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from release_portal.lib.states import Refused

from .guards import people_who
from .models import Invitation, Membership, Partner, User
from .permissions import Permission

Authorship = tuple[int | None, datetime | None]
"""Who wrote a thing, and when; None where nobody did yet."""
MOST_NAMED = 3  # of those who may decide instead

INVITED = "were invited to"

_Involvement = tuple[QuerySet[Any], str, str]
"""Rows that involve a person with an organisation, and the columns that name the two."""


@dataclass(frozen=True)
class Conflict:
    """Why a person does not decide, and who can. An invitation alone may be declined, and bars nobody then."""

    partner: Partner
    sentence: str
    may_decline: bool = False


def involvements(*, at: datetime) -> dict[str, _Involvement]:
    """Every way to be involved with an organisation, by the words that follow "You"."""
    invited = Invitation.objects.undeclined().filter(invited_at__gt=_since(settings.MEMBERS_BARRED_DAYS, at))
    ended = Membership.objects.filter(ended_at__gt=_since(settings.MEMBERS_BARRED_DAYS, at))
    wrote = _since(settings.AUTHORS_BARRED_DAYS, at)
    return {
        "belong to": (Membership.objects.current(), "user", "partner"),
        "belonged to": (ended, "user", "partner"),
        "applied for": (Partner.objects.filter(applied_at__gt=wrote), "applied_by", "pk"),
        "corrected the application of": (Partner.objects.filter(corrected_at__gt=wrote), "corrected_by", "pk"),
        "invited somebody to": (invited, "invited_by", "partner"),
        INVITED: (invited, "invitee", "partner"),
    }


def partners_of(user: User, *, at: datetime) -> QuerySet[Partner]:
    """The organisations that the person is involved with."""
    any_of = Q(pk__in=[])
    for rows, person, partner in involvements(at=at).values():
        any_of |= Q(pk__in=rows.filter(**{person: user.pk}).values(partner))
    return Partner.objects.filter(any_of)


def impartial(people: QuerySet[User], partner: Partner, *, at: datetime) -> QuerySet[User]:
    """Those of the people who are not involved with the organisation."""
    for rows, person, of in involvements(at=at).values():
        named = rows.filter(**{of: partner.pk, f"{person}__isnull": False})
        people = people.exclude(pk__in=named.values(person))
    return people


def conflict_of(
    user: User, permission: Permission, partner: Partner, *, authors: Collection[Authorship] = ()
) -> Conflict | None:
    """Why the person does not use the permission on the organisation, or on what these authors wrote for it."""
    now = timezone.now()
    why, invited = _reason(user, partner, authors, now)
    if not why:
        return None
    barred = [user.pk, *(author for author, _ in authors if author)]
    others = impartial(people_who(permission).exclude(pk__in=barred), partner, at=now).order_by("name", "pk")
    return Conflict(partner, f"{why}, so another person has to decide. {_who_can(list(others))}", may_decline=invited)


def require_impartial(
    by: User, permission: Permission, partner: Partner, *, authors: Collection[Authorship] = ()
) -> None:
    """Raise Refused for a person with a conflict of interest."""
    if conflict := conflict_of(by, permission, partner, authors=authors):
        raise Refused(conflict.sentence)


def _reason(user: User, partner: Partner, authors: Collection[Authorship], now: datetime) -> tuple[str, bool]:
    """Why, as "You belong to Northlake", and whether it is an invitation alone."""
    for words, (rows, person, of) in involvements(at=now).items():
        if rows.filter(**{person: user.pk, of: partner.pk}).exists():
            return f"You {words} {partner}", words == INVITED
    since = _since(settings.AUTHORS_BARRED_DAYS, now)
    wrote = any(author == user.pk and at and at > since for author, at in authors)
    return ("You wrote this yourself" if wrote else ""), False


def _who_can(people: list[User]) -> str:
    if not people:
        return "Nobody else at the lab may; an operator can appoint somebody."
    named = " or ".join(str(person) for person in people[:MOST_NAMED])
    return f"{named}{f' or {len(people) - MOST_NAMED} others' if len(people) > MOST_NAMED else ''} can."


def _since(days: int | None, at: datetime) -> datetime:
    """From when on something counts; None is for ever."""
    return at - timedelta(days=days) if days is not None else datetime.min.replace(tzinfo=at.tzinfo)
