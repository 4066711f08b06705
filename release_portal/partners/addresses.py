"""E-mail addresses: one form of each, however it is typed, and only what a mail server can take."""

import unicodedata
from contextlib import suppress
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.forms import BaseForm, EmailField

from release_portal.lib.states import Refused
from release_portal.lib.text import visible

LONGEST_ADDRESS = 254  # characters on the wire (RFC 5321)
LONGEST_TYPED = 320  # characters, with what is invisible


def canonical(email: str) -> str:
    """The one form of an address: lower case, full width made plain, no invisible characters, the domain as it reads.

    Invisible characters in a domain are dropped on the way to the mail server (RFC 3490): with and without them is
    one mailbox, so it must not be two accounts. What is too long for an address stays as it is, to be refused: the
    time that IDNA takes grows with the square of the length.
    """
    if len(email) > LONGEST_TYPED:
        return email
    local, at, domain = visible(unicodedata.normalize("NFKC", email)).strip().rpartition("@")
    with suppress(UnicodeError):  # `check_deliverable` says what is wrong with it
        domain = ".".join(map(_as_read, domain.lower().encode("idna").decode("ascii").split(".")))
    return f"{local.lower() if local.isascii() else local}{at}{domain}"  # others grow by it, and are refused


def _as_read(label: str) -> str:
    """A label of a domain with its letters; as the wire has it where it is no name of IDNA 2003."""
    with suppress(UnicodeError):
        return label.encode("ascii").decode("idna")
    return label


def check_deliverable(email: str) -> None:
    """Raise ValidationError for an address whose domain has no form on the wire (IDNA), or that has other letters
    before the @ than mail servers take."""
    if len(email) > LONGEST_TYPED:
        raise ValidationError(f"An address has at most {LONGEST_ADDRESS} characters; this has {len(email):,}.")
    local, _, domain = email.rpartition("@")
    if local.startswith('"'):  # the same mailbox as without them (RFC 5321)
        raise ValidationError("Write what stands before the @ without quotation marks.")
    if not local.isascii():  # Django's check lets “İ” pass, for one, which is two characters in lower case
        raise ValidationError("Before the @ a mail server takes only the letters a to z, digits and signs.")
    try:
        length = len(local) + 1 + len(domain.encode("idna"))
    except UnicodeError:
        raise ValidationError(f"No mail server can be called “{domain}”. Check what stands after the @.") from None
    if length > LONGEST_ADDRESS:
        sentence = f"An address has at most {LONGEST_ADDRESS} characters; this has {length} as mail servers write it."
        raise ValidationError(sentence)


def checked_address(email: str, field: str = "email") -> str:
    """The canonical address for a verb; raises Refused where no mail reaches it."""
    email = canonical(email)
    try:
        validate_email(email)
        check_deliverable(email)
    except ValidationError as error:
        raise Refused(" ".join(error.messages), field=field, given=email) from None
    return email


def check_addresses(form: BaseForm) -> None:
    """Have every address that is typed into this form made canonical, then checked."""
    for field in form.fields.values():
        if isinstance(field, EmailField):
            field.to_python = _canonical_of(field)  # type: ignore[method-assign]
            field.validators = [*field.validators, check_deliverable]


def _canonical_of(field: EmailField) -> Any:
    as_typed = field.to_python
    return lambda value: canonical(as_typed(value) or "")
