"""Which e-mail addresses a mail server can take."""

from django.core.exceptions import ValidationError

LONGEST_ADDRESS = 254  # characters on the wire (RFC 5321)


def deliverable(email: str) -> str:
    """The address as it is; raises ValidationError for one whose domain has no form on the wire (IDNA), or that
    has other letters before the @ than mail servers take."""
    local, _, domain = email.rpartition("@")
    if not local.isascii():  # Django's check lets “İ” pass, for one, which is two characters in lower case
        raise ValidationError("Before the @ a mail server takes only the letters a to z, digits and signs.")
    try:
        length = len(local) + 1 + len(domain.encode("idna"))
    except UnicodeError:
        raise ValidationError(f"No mail server can be called “{domain}”. Check what stands after the @.") from None
    if length > LONGEST_ADDRESS:
        sentence = f"An address has at most {LONGEST_ADDRESS} characters; this has {length} as mail servers write it."
        raise ValidationError(sentence)
    return email
