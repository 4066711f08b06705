"""Writing to people, and carrying what was written. `digests.py` gathers several letters in one."""

import logging
from collections.abc import Iterable
from contextvars import ContextVar
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone

from release_portal.lib.wake import wake

from ..models import Letter, User

LONGEST_WAIT = 3600  # seconds between two tries to carry a letter

logger = logging.getLogger(__name__)

# The letters that `one_letter_each` gathers just now: their keys, and whether each goes to a plain address.
gathering: ContextVar[dict[int, bool] | None] = ContextVar("gathering", default=None)


def write_letter(
    *,
    to: Iterable[User | str],
    subject: str,
    text: str,
    path: str,
    action: str,
    by: User | None,
    urgency: Letter.Urgency = Letter.Urgency.DECISION,
) -> None:
    """Put one mail per person in the outbox: a subject, a few sentences, one link.

    Nobody is written to about what they did themselves, unless `by` is among `to` on purpose as a plain address.
    A person's own choice of mails is kept; whoever is named by a plain address is written to at once.
    """
    url = settings.BASE_URL + path
    context = {"text": text, "action": action, "url": url}
    body = render_to_string("partners/mail/letter.txt", context)
    html = render_to_string("partners/mail/letter.html", context | {"subject": subject})
    now, gathered = timezone.now(), gathering.get()
    readers = _readers(to, by)
    letters = Letter.objects.bulk_create(
        Letter(
            to=address,
            subject=subject,
            body=body,
            html=html,
            url=url,
            urgency=urgency,
            digest=gathered is not None or waits(person, urgency),
            written_at=now,
        )
        for address, person in readers.items()
        if gathered is not None or not is_unwanted(person, urgency)
    )
    if gathered is not None:
        gathered |= {letter.pk: readers[letter.to] is None for letter in letters}
    wake("partners.deliver_mail")


def is_unwanted(person: User | None, urgency: str) -> bool:
    """Whether the person chose not to read of it by mail."""
    return person is not None and person.mail == User.Mail.DECISIONS and urgency == Letter.Urgency.NEWS


def waits(person: User | None, urgency: str) -> bool:
    """Whether the person chose to read of it once a day."""
    return person is not None and person.mail == User.Mail.DAILY and urgency != Letter.Urgency.URGENT


def deliver_letters(*, by: User | None) -> int:
    """Carry every letter that is due; returns how many went. One that fails is tried again, later each time."""
    sent = 0
    carrier = get_connection(settings.CARRIER_BACKEND)
    for pk in Letter.objects.unsent().values_list("pk", flat=True)[:500]:
        with transaction.atomic():
            letter = Letter.objects.unsent().select_for_update(skip_locked=True).filter(pk=pk).first()
            if letter is None:
                continue
            message = EmailMultiAlternatives(letter.subject, letter.body, None, [letter.to], connection=carrier)
            if letter.html:
                message.attach_alternative(letter.html, "text/html")
            letter.attempts += 1
            try:
                message.send()
            except OSError as error:
                logger.error("Letter %s could not be carried: %s", letter.pk, error)
                letter.last_error = str(error)[:300]
                letter.next_try_at = timezone.now() + _wait(letter.attempts)
                letter.save()
            else:
                empty(letter, at=timezone.now())
                sent += 1
    return sent


def empty(letter: Letter, *, at: datetime) -> None:
    """Note that a letter is sent, and forget what it said."""
    letter.sent_at, letter.body, letter.html, letter.url = at, "", "", ""
    letter.save()


def _readers(to: Iterable[User | str], by: User | None) -> dict[str, User | None]:
    """Whom each address belongs to: nobody, where it was named as a plain address."""
    readers: dict[str, User | None] = {}
    for one in to:
        if isinstance(one, str):
            readers[one] = None
        elif one != by and not one.is_service_account:
            readers.setdefault(one.email, one)
    return dict(sorted(readers.items()))


def _wait(attempts: int) -> timedelta:
    return timedelta(seconds=min(2 ** min(attempts, 12), LONGEST_WAIT))
