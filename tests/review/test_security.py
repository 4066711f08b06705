"""The page of security events: by kind, by person, by words, with a counted number of queries."""

import re
from html import unescape
from urllib.parse import parse_qs

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from release_portal.audit.models import SecurityEvent, key_of

from .. import factories

PAGE = "/review/security/"


@pytest.fixture
def otto_client(client_of, otto):
    return client_of(otto)


def rows(response) -> list[str]:
    return [event.sentence for event in response.context["page"]]


def test_page_lists_newest_first_and_is_linked_from_the_book(otto_client, ada, rita, client_of):
    factories.SecurityEventFactory(by=ada, sentence="First")
    factories.SecurityEventFactory(by=ada, sentence="Second")
    page = otto_client.get(PAGE)
    assert rows(page)[:2] == ["Second", "First"]
    assert "203.0.113.7" in page.content.decode()
    assert f'href="{PAGE}"' in otto_client.get("/review/book/").content.decode()
    assert f'href="{PAGE}"' not in client_of(rita).get("/review/book/").content.decode()


def test_page_finds_by_kind_person_and_words(otto_client, ada, ben):
    SecurityEvent.objects.all()
    factories.SecurityEventFactory(by=ada, kind="texts.read", sentence="Texts of “Bias” were downloaded")
    factories.SecurityEventFactory(by=ben, kind="texts.read", sentence="Texts of “Style” were downloaded")
    failed = {"by": None, "kind": "account.sign_in_failed", "about": [key_of(ada)]}
    factories.SecurityEventFactory(**failed, sentence="A sign-in as Ada Lowell failed")
    assert rows(otto_client.get(PAGE, {"kind": "texts.read"})) == [
        "Texts of “Style” were downloaded",
        "Texts of “Bias” were downloaded",
    ]
    assert rows(otto_client.get(PAGE, {"person": "lowell"})) == [
        "A sign-in as Ada Lowell failed",
        "Texts of “Bias” were downloaded",
    ]
    assert rows(otto_client.get(PAGE, {"q": "style", "kind": "texts.read", "person": "ben"})) == [
        "Texts of “Style” were downloaded"
    ]


@pytest.mark.parametrize("asked", [{"q": "\0 nothing of it"}, {"person": "nobody\0"}, {"kind": "texts.read"}])
def test_page_without_a_match_says_so_and_leads_back(otto_client, asked):
    page = otto_client.get(PAGE, asked).content.decode()
    assert "No security event matches." in page
    assert "Show all security events" in page


def test_page_keeps_what_is_asked_from_page_to_page(otto_client, ada):
    for _ in range(51):
        factories.SecurityEventFactory(by=ada, kind="texts.read")
    page = otto_client.get(PAGE, {"kind": "texts.read", "person": "Ada", "page": "9" * 30})
    assert len(rows(page)) == 1
    [address] = re.findall(r'rel="prev" href="\?([^"]*)"', page.content.decode())
    assert parse_qs(unescape(address)) == {"kind": ["texts.read"], "person": ["Ada"], "page": ["1"]}


def test_page_takes_the_same_queries_for_3_and_for_50(otto_client):
    def counted(number):
        for _ in range(number):
            factories.SecurityEventFactory()
        with CaptureQueriesContext(connection) as queries:
            otto_client.get(PAGE, {"kind": "account.signed_in"})
        return len(queries)

    assert counted(3) == counted(47) < 12
