"""The mail backend that every message goes through: it writes Letters, which the site's worker then carries."""

from collections.abc import Sequence

from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.core.mail.backends.base import BaseEmailBackend
from django.utils import timezone

from release_portal.lib.broker import send_task_on_commit
from release_portal.lib.text import one_line

from .models import Letter
from .models.user import SERVICE_DOMAIN


class Outbox(BaseEmailBackend):
    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        letters = [letter for message in email_messages for letter in _letters(message)]
        Letter.objects.bulk_create(letters)
        send_task_on_commit("partners.deliver_mail")
        return len(email_messages)


def _letters(message: EmailMessage) -> list[Letter]:
    """One letter per address; a service account's address reads none, so it can never set a password."""
    parts = message.alternatives if isinstance(message, EmailMultiAlternatives) else []
    html = next((str(content) for content, kind in parts if kind == "text/html"), "")
    subject, body, now = one_line(str(message.subject)), str(message.body), timezone.now()
    readers = [to for to in message.to if not to.endswith(f"@{SERVICE_DOMAIN}")]
    return [Letter(to=to, subject=subject, body=body, html=html, written_at=now) for to in readers]
