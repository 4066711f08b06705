"""Sealing what is kept in the database and would open doors: keys are never there as they are."""

import base64
import hashlib

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings


def seal(secret: str) -> str:
    """Encrypt and sign a secret under a key that follows from SECRET_KEY."""
    return _fernet().encrypt(secret.encode()).decode()


def unseal(sealed: str) -> str:
    """The secret as it was sealed, under SECRET_KEY or one of SECRET_KEY_FALLBACKS; raises
    `cryptography.fernet.InvalidToken`."""
    return _fernet().decrypt(sealed).decode()


def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(_key_from(key)) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def _key_from(secret_key: str) -> bytes:
    digest = hashlib.sha256(b"release-portal sealed values " + secret_key.encode()).digest()
    return base64.urlsafe_b64encode(digest)
