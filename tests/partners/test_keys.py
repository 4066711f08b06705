"""SECRET_KEY is changed while the one before is still read, and then it is not."""

import io

import pytest
from allauth.account.forms import default_token_generator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from cryptography.fernet import InvalidToken
from django.apps import apps
from django.core.management import call_command
from django.test import Client

from release_portal.audit.models import Event
from release_portal.lib.sealed import seal, unseal
from release_portal.lib.states import Forbidden
from release_portal.partners import actions
from release_portal.partners.models import ApiToken

from .. import factories


@pytest.fixture
def rotate(settings):
    def to(key: str) -> None:
        settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], key

    return to


def said() -> str:
    output = io.StringIO()
    call_command("rotate_keys", stdout=output)
    return output.getvalue()


def test_key_of_a_worker_is_sealed_again_and_read_without_the_key_of_before(worker, rotate, settings):
    key = worker.key
    rotate("the next one")
    assert worker.key == key
    assert "Sealed again: 1. Sealed under the present key already: 0." in said()
    settings.SECRET_KEY_FALLBACKS = []
    worker.refresh_from_db()
    assert worker.key == key
    assert Event.objects.filter(kind="secrets.resealed", by=None).count() == 1


@pytest.mark.django_db
def test_keys_of_second_factors_are_sealed_again(rotate, settings):
    ada = factories.UserFactory(factor=True)
    codes = RecoveryCodes.activate(ada).generate_codes()
    app = ada.authenticator_set.get(type="totp")
    key = unseal(app.data["secret"])
    rotate("the next one")
    assert "Sealed again: 2." in said()
    settings.SECRET_KEY_FALLBACKS = []
    app.refresh_from_db()
    assert unseal(app.data["secret"]) == key
    assert ada.authenticator_set.get(type="recovery_codes").wrap().generate_codes() == codes


def test_rotate_keys_twice_changes_nothing_more(worker, rotate):
    rotate("the next one")
    said()
    worker.refresh_from_db()
    sealed = worker.sealed_key
    assert "Sealed again: 0. Sealed under the present key already: 1." in said()
    worker.refresh_from_db()
    assert worker.sealed_key == sealed
    assert Event.objects.filter(kind="secrets.resealed").count() == 1


def test_what_no_key_reads_is_named_and_does_not_keep_the_others(worker, rotate, settings):
    lost = type(worker).objects.get(pk=worker.pk)
    lost.pk, lost.name, lost.sealed_key = None, "lost", "of another key"
    lost.save()
    rotate("the next one")
    output = said()
    assert "Sealed again: 1." in output
    assert f"No key that is set reads what jobs.worker:{lost.pk} has sealed." in output


def test_every_column_that_is_sealed_is_found(worker):
    """What `seal` writes stands in columns that `reseal_secrets` knows by their names."""
    sealed = []
    for model in apps.get_models():
        for column in model._meta.concrete_fields:
            for value in model._base_manager.values_list(column.name, flat=True):
                if isinstance(value, str) and value.startswith(seal("x")[:6]) and is_readable(value):
                    sealed.append(column.name)
    assert sealed
    assert all(name.startswith("sealed_") for name in sealed)


def is_readable(value: str) -> bool:
    try:
        return bool(unseal(value))
    except InvalidToken:
        return False


def test_only_who_enrols_workers_reseals(ada, mara):
    with pytest.raises(Forbidden):
        actions.reseal_secrets(by=ada)
    actions.reseal_secrets(by=mara)


# --- tokens


def test_token_of_the_key_of_before_works_and_is_hashed_again(ben, rotate, settings):
    _, secret = actions.create_token(by=ben, name="notebook")
    rotate("the next one")
    assert "Tokens in force that may be of a key of before: 1;" in said()
    assert actions.read_token(secret=secret) == ben
    assert "Every token in force is of the present key." in said()
    settings.SECRET_KEY_FALLBACKS = []
    assert actions.read_token(secret=secret) == ben


def test_token_of_a_key_that_is_gone_is_nobody(ben, rotate, settings):
    _, secret = actions.create_token(by=ben, name="notebook")
    rotate("the next one")
    settings.SECRET_KEY_FALLBACKS = []
    assert actions.read_token(secret=secret) is None


def test_token_from_before_keys_were_noted_works_and_is_noted(ben):
    token, secret = actions.create_token(by=ben, name="notebook")
    ApiToken.objects.filter(pk=token.pk).update(key_mark="")
    assert ApiToken.objects.of_earlier_keys().filter(pk=token.pk).exists()
    assert actions.read_token(secret=secret) == ben
    assert not ApiToken.objects.of_earlier_keys().filter(pk=token.pk).exists()


# --- what Django and allauth sign


def test_session_and_link_of_the_key_of_before_work_until_it_is_gone(ben, rotate, settings):
    ben.set_password("the harbour keeps eleven lamps")
    ben.save()
    client, stays_away = Client(), Client()
    for one in (client, stays_away):
        one.post("/accounts/login/", {"login": ben.email, "password": "the harbour keeps eleven lamps"})
    link = default_token_generator.make_token(ben)
    rotate("the next one")
    assert client.get("/account/mail/").status_code == 200
    assert default_token_generator.check_token(ben, link)
    settings.SECRET_KEY_FALLBACKS = []
    assert client.get("/account/mail/").status_code == 200  # it was signed again when it was used
    assert stays_away.get("/account/mail/").status_code == 302
