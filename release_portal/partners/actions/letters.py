"""Writing to people, and carrying what was written. `digests.py` gathers several letters in one."""

from collections.abc import Iterable
from contextvars import ContextVar
from datetime import datetime
from operator import attrgetter

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.template.loader import render_to_string
from django.utils import timezone

from release_portal.audit.loops import each
from release_portal.lib.broker import send_task_on_commit
from release_portal.lib.text import one_line

from ..models import Letter, User

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
) -> list[Letter]:
    """Put one mail per person in the outbox, a subject, a few sentences, one link; returns those mails.

    Nobody is written to about what they did themselves, unless `by` is among `to` on purpose as a plain address.
    A person's own choice of mails is kept; mail to a plain address goes out at once.
    """
    url, subject = settings.BASE_URL + path, one_line(subject)
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
            digest=gathered is not None or waits(person=person, urgency=urgency),
            written_at=now,
        )
        for address, person in readers.items()
        if gathered is not None or not is_unwanted(person=person, urgency=urgency)
    )
    if gathered is not None:
        gathered |= {letter.pk: readers[letter.to] is None for letter in letters}
    send_task_on_commit("partners.deliver_mail")
    return letters


def is_unwanted(*, person: User | None, urgency: str) -> bool:
    """Whether the person chose not to read of it by mail."""
    return person is not None and person.mail == User.Mail.DECISIONS and urgency == Letter.Urgency.NEWS


def waits(*, person: User | None, urgency: str) -> bool:
    """Whether the person chose to read of it once a day."""
    return person is not None and person.mail == User.Mail.DAILY and urgency != Letter.Urgency.URGENT


def deliver_letters(*, at: datetime | None = None) -> int:
    """Carry every letter; returns how many went. One that fails is tried again, later each time."""
    carrier = get_connection(settings.CARRIER_BACKEND)
    return each(
        Letter.objects.unsent().only("pk").iterator(),
        lambda letter: _carry(letter, carrier),
        task="partners.deliver_mail",
        at=at or timezone.now(),
        name=attrgetter("anonymous"),
    )


def empty(*, letter: Letter, at: datetime) -> None:
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


def _carry(unsent: Letter, carrier: BaseEmailBackend) -> int | None:
    letter = Letter.objects.unsent().select_for_update(skip_locked=True).filter(pk=unsent.pk).first()
    if letter is None:
        return None
    message = EmailMultiAlternatives(letter.subject, letter.body, None, [letter.to], connection=carrier)
    if letter.html:
        message.attach_alternative(letter.html, "text/html")
    message.send()
    empty(letter=letter, at=timezone.now())
    return 1
