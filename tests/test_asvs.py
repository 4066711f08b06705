"""What docs/asvs.toml answers is looked at, and what of it no other room tests: passwords, codes and sessions as the
standard asks for them."""

import re
import time
from http.cookies import SimpleCookie

import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from release_portal.demo.factors import code_of
from release_portal.partners.models import Letter, User

from . import asvs, factories, test_routes
from .test_routes import ROWS

PASSWORD = " Lantern gravel Otter sixpence, ümlaut and 21 more words of seventy letters "
clients, world = test_routes.clients, test_routes.world


# --- the table


def test_every_requirement_is_answered_and_what_is_named_is_there():
    assert asvs.problems(asvs.read()) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"level": 1}, "it is of level 2, not 1."),
        ({"answer": "yes"}, "“yes” is none of met, partly, not met, not applicable."),
        ({"answer": "met", "tests": [], "settings": [], "docs": []}, "it is met, and nothing shows that."),
        ({"answer": "partly", "how": ""}, "it is partly, and nothing says why."),
        ({"tests": ["tests/test_asvs.py::test_of_dreams"]}, "tests/test_asvs.py::test_of_dreams is not there."),
        ({"tests": ["tests/test_dreams.py::test_one"]}, "tests/test_dreams.py::test_one is not there."),
        ({"settings": ["SESSION_DREAMS"]}, "SESSION_DREAMS is not there."),
        ({"docs": ["docs/security.md#dreams"]}, "docs/security.md#dreams is not there."),
        ({"code": ["release_portal/dreams.py"]}, "release_portal/dreams.py is not there."),
    ],
)
def test_answer_that_shows_nothing_is_named(change, sentence):
    rows = asvs.read()
    place = next(place for place, row in enumerate(rows) if row["id"] == "7.1.1")
    rows[place] |= change
    assert f"7.1.1: {sentence}" in asvs.problems(rows)


def test_requirement_that_is_missing_twice_there_or_none_is_named():
    first, *rest = asvs.read()
    assert asvs.problems(rest) == [f"{first['id']} is not answered."]
    assert asvs.problems([first, first, *rest]) == [f"{first['id']} is answered 2 times."]
    assert "9.9.9: there is no such requirement" in asvs.problems([first | {"id": "9.9.9"}, first, *rest])[0]


# --- passwords


def test_password_fields_hide_what_is_typed_and_take_what_a_manager_fills_in(ben, client, client_of):
    signed_in, found = client_of(ben), 0
    for browser, name in [
        (client, "account_login"),
        (client, "account_signup"),
        (signed_in, "account_change_password"),
        (signed_in, "account_reauthenticate"),
    ]:
        page = browser.get(reverse(name)).content.decode()
        for field in re.findall(r"<input[^>]*name=\"[a-z]*password[12]?\"[^>]*>", page):
            found += 1
            assert 'type="password"' in field
            assert re.search(r'autocomplete="(current|new)-password"', field), field
            assert "onpaste" not in field
    assert found == 1 + 2 + 3 + 1


def test_password_is_compared_as_it_was_typed(ben):
    """72 characters and more, with spaces around them, capitals and letters of any language."""
    assert len(PASSWORD) > 64
    ben.set_password("something else")
    ben.save()
    client = Client()
    client.force_login(ben, backend="allauth.account.auth_backends.AuthenticationBackend")
    sent = {"oldpassword": "something else", "password1": PASSWORD, "password2": PASSWORD}
    assert client.post(reverse("account_change_password"), sent).status_code == 302
    wrong = [PASSWORD.strip(), PASSWORD.lower(), PASSWORD[:-1], PASSWORD.replace("ü", "u")]
    assert not any(is_in(signed_in(ben, typed)) for typed in wrong)
    assert is_in(signed_in(ben, PASSWORD))


def signed_in(user: User, password: str) -> Client:
    client = Client()
    client.post(reverse("account_login"), {"login": user.email, "password": password})
    return client


def is_in(client: Client) -> bool:
    return client.get("/account/mail/").status_code == 200


def test_new_database_has_no_account(db):
    """Neither its first records nor a migration makes one; those of other tests may be there."""
    before = User.objects.count()
    call_command("first_records", verbosity=0)
    assert User.objects.count() == before
    made = [
        path
        for room in ("release_portal", "agreements")
        for path in (asvs.ROOT / room).rglob("migrations/*.py")
        if re.search(r"INSERT INTO partners_user|create_(super)?user", path.read_text())
    ]
    assert made == []


# --- codes


@pytest.fixture
def asked(ben):
    """Ben asks for a code by mail; returns the browser, and the code that came."""

    def ask() -> tuple[Client, str]:
        client = Client()
        client.post(reverse("account_request_login_code"), {"email": ben.email})
        body = Letter.objects.filter(to=ben.email).latest("id").body
        return client, re.search(r"^([A-Z0-9-]{6,})$", body, re.MULTILINE)[1]

    return ask


def confirm(client: Client, code: str) -> bool:
    client.post(reverse("account_confirm_login_code"), {"code": code})
    return is_in(client)


def test_mailed_code_is_worth_nothing_in_another_browser(asked):
    (here, code), (elsewhere, other) = asked(), asked()
    assert code != other
    assert not confirm(Client(), code)
    assert not confirm(elsewhere, code)
    assert confirm(here, code)


def test_mailed_code_takes_three_tries(asked):
    client, code = asked()
    assert not any(confirm(client, "AAAA-AAAA") for _ in range(3))
    assert not confirm(client, code)


def test_codes_end_in_time(asked, rita, monkeypatch):
    client, code = asked()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 10 * 60 + 1)
    assert not confirm(client, code)
    rita.authenticator_set.all().delete()
    rita.set_password(PASSWORD)
    rita.save()
    key = factories.give_factor(rita)
    client = signed_in(rita, PASSWORD)
    moment = time.time()
    for late, lets_in in ((31, False), (-31, False), (0, True)):
        client.post(reverse("mfa_authenticate"), {"code": code_of(key, moment - late)})
        assert is_in(client) is lets_in


# --- sessions


def test_session_has_a_key_of_its_own_and_a_new_one_after_signing_in(ben):
    ben.set_password(PASSWORD)
    ben.save()
    client = Client()
    before = client.session.session_key  # of a session that nobody is signed in with
    client.post(reverse("account_login"), {"login": ben.email, "password": PASSWORD})
    keys = {client.session.session_key, signed_in(ben, PASSWORD).session.session_key}
    assert len(keys - {before}) == 2
    assert not Session.objects.filter(session_key=before).exists()
    assert all(re.fullmatch("[a-z0-9]{32}", key) for key in keys)


def test_signing_out_ends_the_session_at_the_server(ben, client_of):
    client = client_of(ben)
    kept = SimpleCookie(client.cookies.output(header=""))
    client.post(reverse("account_logout"))
    client.cookies = kept
    assert "sessionid" in client.cookies
    assert not is_in(client)


def test_every_page_of_somebody_signed_in_offers_to_sign_out(clients, world):
    looked_at = 0
    for row in ROWS:
        who = next((name for name in ("ben", "ada", "rita", "mara") if row.expected[name] == "200"), None)
        if row.method != "GET" or who is None or row.route.startswith("api-1:"):
            continue
        page = test_routes.send(clients[who], row, world)
        if page["content-type"].startswith("text/html") and "</html>" in page.content.decode():
            looked_at += 1
            assert f'action="{reverse("account_logout")}"' in page.content.decode(), row
    assert looked_at > 50
