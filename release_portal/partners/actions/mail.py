"""Which mails a person gets."""

from django.db import transaction

from release_portal.audit.actions import record
from release_portal.lib.states import Refused

from ..guards import require_person
from ..models import User


@transaction.atomic
def choose_mail(*, by: User, mail: str) -> None:
    """Get mails at once, once a day, or only of decisions. The same choice again leaves nothing in the book."""
    require_person(by)
    if mail not in User.Mail.values:
        choice = ", ".join(User.Mail.values)
        raise Refused(f"There is no choice “{mail}”. Choose from: {choice}.", field="mail", given=mail)
    by.mail = mail
    if not User.objects.filter(pk=by.pk).exclude(mail=mail).update(mail=mail):
        return
    record("mail.chosen", f"Another choice of mails: {by.get_mail_display().lower()}", by, by=by)
