"""Secrets are never in the database as they are."""

import pytest
from cryptography.fernet import Fernet, InvalidToken

from release_portal.lib.sealed import seal, unseal


def test_unseal_gives_back_what_was_sealed():
    assert unseal(seal("a secret")) == "a secret"
    assert "a secret" not in seal("a secret")


def test_unseal_refuses_another_key_and_a_changed_secret():
    sealed = seal("a secret")
    for other in (Fernet(Fernet.generate_key()).encrypt(b"a secret").decode(), sealed[:-6] + "AAAAA="):
        with pytest.raises(InvalidToken):
            unseal(other)


def test_unseal_takes_the_secret_keys_of_before(settings):
    sealed = seal("a secret")
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "the next one"
    assert unseal(sealed) == "a secret"
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(InvalidToken):
        unseal(sealed)
