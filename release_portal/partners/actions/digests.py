"""Several letters as one: the day's digest, and a bulk act's single letter to each address."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import attrgetter

from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone

from release_portal.audit.loops import alone, each
from release_portal.lib.broker import send_task_on_commit

from ..models import Letter, User
from .letters import empty, gathering, is_unwanted, waits

DIGEST_HOUR = 7
"""UTC, as the page says on which a person chooses their mails."""
RANK = [Letter.Urgency.NEWS, Letter.Urgency.DECISION, Letter.Urgency.URGENT]


def send_digests(*, at: datetime) -> int:
    """Write one letter to each address that has letters put aside before the last 07:00 UTC, and none since; returns
    how many addresses got one.

    It does not depend on when it last ran: if it is stopped, nobody gets a letter twice or mail twice a day, and
    nothing is lost.
    """
    moment = last_digest(at=at)
    first_letters = Letter.objects.for_the_digest_of(moment).first_of_each_address()
    return each(
        first_letters.only("pk", "to"),
        lambda letter: _send_digest(letter.to, moment, at),
        task="partners.send_digests",
        at=at,
        name=attrgetter("anonymous"),
    )


def last_digest(*, at: datetime) -> datetime:
    """The moment of the day's digest, today's or yesterday's."""
    today = at.astimezone(UTC).replace(hour=DIGEST_HOUR, minute=0, second=0, microsecond=0)
    return today if today <= at else today - timedelta(days=1)


@contextmanager
def one_letter_each(*, subject: str) -> Iterator[None]:
    """Gather the letters that are written inside: at the end each address gets one, by the most urgent among them.

    They are put aside as rows at once, so an act that is rolled back takes its letters along, and if this process dies
    before the end, the day's digest carries the rest.
    """
    gathered: dict[int, bool] = {}
    token = gathering.set(gathered)
    try:
        yield
    finally:
        gathering.reset(token)
    with transaction.atomic():
        rows = Letter.objects.put_aside().filter(pk__in=gathered).select_for_update()
        letters = sorted(rows, key=lambda letter: (letter.to, letter.pk))
        people = User.objects.in_bulk([letter.to for letter in letters], field_name="email")
        for address, group in groupby(letters, key=lambda letter: letter.to):
            own = list(group)
            is_plain = any(gathered[letter.pk] for letter in own)
            with alone(own[0].anonymous):  # what fails here is left to the digest, which tries again
                _send_gathered(None if is_plain else people.get(address), own, subject)
    send_task_on_commit("partners.deliver_mail")


def _send_digest(address: str, moment: datetime, at: datetime) -> int | None:
    """None where another round has just written it."""
    letters = list(Letter.objects.for_the_digest_of(moment).filter(to=address).select_for_update())
    if not letters:
        return None
    things = "1 thing" if len(letters) == 1 else f"{len(letters)} things"
    _write_digest(letters, f"Your day on Release Portal: {things}", at)
    send_task_on_commit("partners.deliver_mail")
    return 1


def _send_gathered(person: User | None, letters: Sequence[Letter], subject: str) -> None:
    """What was gathered for one address goes as one letter, waits for the day's digest, or is not wanted."""
    urgency = max((Letter.Urgency(letter.urgency) for letter in letters), key=RANK.index)
    if is_unwanted(person=person, urgency=urgency):
        Letter.objects.filter(pk__in=[letter.pk for letter in letters]).delete()
        return
    if waits(person=person, urgency=urgency):
        return
    for letter in letters:
        letter.digest = False  # else the day's own digest would seem to have gone
    if len(letters) == 1:
        letters[0].save()
    else:
        _write_digest(letters, subject, timezone.now())


def _write_digest(letters: Sequence[Letter], subject: str, at: datetime) -> None:
    """One letter with the subject and the link of each; those it stands for count as sent."""
    context = {"letters": letters, "subject": subject}
    Letter.objects.create(
        to=letters[0].to,
        subject=subject,
        body=render_to_string("partners/mail/digest.txt", context),
        html=render_to_string("partners/mail/digest.html", context),
        urgency=max((Letter.Urgency(letter.urgency) for letter in letters), key=RANK.index),
        written_at=at,
    )
    for letter in letters:
        empty(letter=letter, at=at)
