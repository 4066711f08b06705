"""Sealing what is kept in the database and would open doors: keys are never there as they are."""

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


def seal(secret: str) -> str:
    """Encrypt and sign a secret under a key that follows from SECRET_KEY."""
    return _fernet().encrypt(secret.encode()).decode()


def unseal(sealed: str) -> str:
    """The secret as it was sealed, under SECRET_KEY or one of SECRET_KEY_FALLBACKS; raises
    `cryptography.fernet.InvalidToken`."""
    return _fernet().decrypt(sealed).decode()


def is_sealed_anew(sealed: str) -> bool:
    """Whether it is sealed under SECRET_KEY itself, and not under a key of before."""
    try:
        Fernet(_key_from(settings.SECRET_KEY)).decrypt(sealed)
    except InvalidToken:
        return False
    return True


def secret_keys() -> list[str]:
    """SECRET_KEY, with which everything is made, and those of before, with which it is still read."""
    return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]


def mark_of(secret_key: str) -> str:
    """Which key something was made with: nothing of the key can be derived from it."""
    return hashlib.sha256(b"release-portal mark of a key " + secret_key.encode()).hexdigest()[:8]


def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(_key_from(key)) for key in secret_keys()])


def _key_from(secret_key: str) -> bytes:
    digest = hashlib.sha256(b"release-portal sealed values " + secret_key.encode()).digest()
    return base64.urlsafe_b64encode(digest)
