"""Sessions: seen by their owner, ended by them and by time."""

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.test import Client

from release_portal.partners.sessions import BEGAN, NOTED_EVERY, SEEN

from ..conftest import show_again

PASSWORD = "lantern gravel otter sixpence"
PAGE = "/account/tokens/"
pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture
def signed_in(ben):
    """Ben, signed in as on the page; each call is another browser."""
    ben.set_password(PASSWORD)
    ben.save()

    def at(browser: str = "Firefox") -> Client:
        client = Client(headers={"user-agent": browser})
        client.post("/accounts/login/", {"login": ben.email, "password": PASSWORD})
        assert client.get(PAGE).status_code == 200
        return client

    return at


def aged(client: Client, name: str, seconds: float) -> None:
    session = client.session
    session[name] -= seconds
    session.save()


@pytest.mark.parametrize(("name", "setting"), [(SEEN, "SESSION_IDLE_SECONDS"), (BEGAN, "SESSION_TOTAL_SECONDS")])
def test_session_ends_by_time(signed_in, settings, name, setting):
    client = signed_in()
    aged(client, name, getattr(settings, setting) - NOTED_EVERY)
    assert client.get(PAGE).status_code == 200
    aged(client, name, getattr(settings, setting) + NOTED_EVERY)
    page = client.get(PAGE, follow=True)
    assert page.redirect_chain[-1][0].startswith("/accounts/login/")
    assert "You were signed out: your session was too long ago." in page.content.decode()


def test_use_of_a_session_is_stored_once_a_minute(signed_in):
    client = signed_in()
    before = client.session[SEEN]
    client.get(PAGE)
    assert client.session[SEEN] == before
    aged(client, SEEN, NOTED_EVERY + 1)
    client.get(PAGE)
    assert client.session[SEEN] > before - NOTED_EVERY


def test_page_that_looks_for_news_by_itself_keeps_no_session_alive(signed_in):
    client = signed_in()
    aged(client, SEEN, NOTED_EVERY + 1)
    before = client.session[SEEN]
    client.get(PAGE, headers={"HX-Request": "true"})
    assert client.session[SEEN] == before


def test_sessions_are_listed_and_the_others_signed_out(signed_in):
    here, elsewhere = signed_in("Firefox"), signed_in("An unknown browser")
    page = here.get("/accounts/sessions/").content.decode()
    assert "An unknown browser" in page
    assert page.count("This one") == 1
    here.post("/accounts/sessions/")
    assert here.get(PAGE).status_code == 200
    assert elsewhere.get(PAGE).status_code == 302


def test_session_has_a_new_key_once_its_person_showed_again_who_they_are(signed_in, ben, settings):
    """So has it after signing in. What knew the key of before is signed out."""
    client = signed_in()
    key = client.session.session_key
    show_again(client, ben, seconds_ago=settings.REAUTHENTICATION_SECONDS + 1)
    client.get(PAGE)
    assert client.session.session_key == key
    answer = client.post("/accounts/sessions/")
    assert answer["location"].startswith("/accounts/reauthenticate/")
    client.post(answer["location"], {"password": "not this one"})
    assert client.session.session_key == key
    client.post(answer["location"], {"password": PASSWORD})
    assert client.get(PAGE).status_code == 200
    assert not Session.objects.filter(session_key=key).exists()
    assert UserSession.objects.get(user=ben).session_key == client.session.session_key
