"""Writing to people, and carrying what was written."""

import logging
from collections.abc import Iterable

from django.conf import settings
from django.core.mail import EmailMultiAlternatives, get_connection, send_mail
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import timezone

from ..models import Letter, User

logger = logging.getLogger(__name__)


def write_letter(*, to: Iterable[User | str], subject: str, text: str, path: str, action: str, by: User | None) -> None:
    """Put one mail per person in the outbox: a subject, a few sentences, one link.

    Nobody is written to about what they did themselves, unless `by` is among `to` on purpose as a plain address.
    """
    context = {"text": text, "action": action, "url": settings.BASE_URL + path}
    body = render_to_string("partners/mail/letter.txt", context)
    html = render_to_string("partners/mail/letter.html", context | {"subject": subject})
    addresses = {person if isinstance(person, str) else person.email for person in to if person != by}
    for address in sorted(addresses):
        send_mail(subject, body, None, [address], html_message=html)


def deliver_letters(*, by: User | None) -> int:
    """Carry every unsent letter; returns how many went. A letter that fails stays, and is tried at the next tick."""
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
            else:
                letter.sent_at, letter.body, letter.html = timezone.now(), "", ""
                sent += 1
            letter.save()
    return sent
