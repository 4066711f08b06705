"""The words that are signed: one form of a text, its hash, and the statements of the signatory."""

import hashlib
import unicodedata

from release_portal.partners.models import Partner

from .models import AgreementVersion


def canonical(text: str) -> str:
    """The one form of a text that is hashed, stored and shown: NFC, line feeds, one at the end."""
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n")).strip("\n") + "\n"


def sha256_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def statements(partner: Partner, version: AgreementVersion) -> tuple[str, str]:
    """The statements of authority and of intent that a signatory makes, word for word as they are stored."""
    authority = f"I am authorised to bind {partner.legal_name} by my signature."
    intent = (
        f"I have read the {version} and I sign it electronically, by typing my name, on behalf of {partner.legal_name}."
    )
    return authority, intent
