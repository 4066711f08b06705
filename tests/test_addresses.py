"""Where links lead and where requests come from: never where a client says so in a header."""

import re
from ipaddress import ip_network

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse

from agreements.models import Signature
from release_portal.audit.models import SecurityEvent
from release_portal.lib.network import network_of
from release_portal.middleware import AddressMiddleware
from release_portal.partners import actions
from release_portal.partners.models import Letter, Role

from .partners.test_rates import GOOD

FORGED = [
    {"HTTP_HOST": "localhost:6666"},
    {"HTTP_HOST": "testserver", "HTTP_X_FORWARDED_HOST": "evil.example"},
    {"HTTP_HOST": "127.0.0.1:6666", "HTTP_X_FORWARDED_PORT": "7777", "HTTP_X_FORWARDED_PROTO": "https"},
    {"HTTP_HOST": "testserver", "HTTP_FORWARDED": "host=evil.example;proto=https"},
]


def links_of(letter: Letter) -> set[str]:
    return set(re.findall(r"https?://[^/\s\"<]+", f"{letter.subject} {letter.body} {letter.html}"))


def sent_by(act: str, client: Client, forged: dict) -> None:
    """Has the portal write a letter, by a request with forged headers."""
    password = {"password1": GOOD, "password2": GOOD}
    if act == "sign up":
        client.post("/accounts/signup/", {"email": "new@x.example", "name": "Nils"} | password, **forged)
    elif act == "sign up again":
        client.post("/accounts/signup/", {"email": "ada@northlake.example", "name": "Nils"} | password, **forged)
    elif act == "reset":
        client.post("/accounts/password/reset/", {"email": "ada@northlake.example"}, **forged)
    elif act == "reset of nobody":
        client.post("/accounts/password/reset/", {"email": "nobody@x.example"}, **forged)
    elif act == "change of address":
        client.post("/accounts/email/", {"email": "other@x.example", "action_add": ""}, **forged)
    else:
        details = {"email": "dora@x.example", "roles": ["viewer"]}
        client.post("/organisations/university-of-northlake/members/", details, **forged)


@pytest.mark.parametrize("forged", FORGED)
@pytest.mark.parametrize(
    "act", ["sign up", "sign up again", "reset", "reset of nobody", "change of address", "invitation"]
)
def test_letter_links_to_this_site_whatever_the_headers_say(settings, northlake, ada, client_of, act, forged):
    Letter.objects.all().delete()
    sent_by(act, client_of(ada) if act in {"change of address", "invitation"} else Client(), forged)
    letter = Letter.objects.latest("id")
    assert links_of(letter) == {settings.BASE_URL}
    assert "6666" not in letter.body
    assert "evil" not in letter.body


@pytest.mark.parametrize("forged", FORGED)
def test_page_and_redirect_name_this_site_whatever_the_headers_say(settings, gpt2, forged):
    page = Client().get(reverse("releases:size", args=["gpt2", "124M"]), **forged)
    assert settings.BASE_URL in page.content.decode()
    for answer in (page, Client().get("/accounts/email/", **forged)):
        assert "6666" not in f"{answer.content.decode()} {answer.headers}"
        assert "evil" not in f"{answer.content.decode()} {answer.headers}"


def test_host_that_is_not_allowed_is_refused():
    assert Client().get("/", HTTP_HOST="evil.example").status_code == 400
    answer = Client().get("/api/v1/me", HTTP_HOST="evil.example")
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "testserver"])
def test_form_is_taken_at_each_allowed_host(ada, host):
    client = Client(enforce_csrf_checks=True)
    page = client.get("/accounts/password/reset/", HTTP_HOST=host)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.content.decode())[1]
    details = {"email": ada.email, "csrfmiddlewaretoken": token}
    sent = {"HTTP_HOST": host, "HTTP_ORIGIN": f"http://{host}"}
    assert client.post("/accounts/password/reset/", details, **sent).status_code == 302
    foreign = sent | {"HTTP_ORIGIN": "http://evil.example"}
    assert client.post("/accounts/password/reset/", details, **foreign).status_code == 403


# --- where a request comes from


@pytest.fixture
def seen():
    """The address that the site sees, and whether it takes the request for one over TLS."""

    def by(peer: str, **headers: str) -> tuple[str, bool]:
        seen_as = []
        AddressMiddleware(lambda request: seen_as.append((request.META["REMOTE_ADDR"], request.is_secure())))(
            RequestFactory().get("/", REMOTE_ADDR=peer, **headers)
        )
        return seen_as[0]

    return by


FORWARDED = {"HTTP_X_FORWARDED_FOR": "198.51.100.1, 203.0.113.5, 10.0.0.2", "HTTP_X_FORWARDED_PROTO": "https"}


def test_forwarded_headers_of_anybody_are_not_believed(settings, seen):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert seen("203.0.113.9", **FORWARDED) == ("203.0.113.9", False)
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/8")]
    assert seen("203.0.113.9", **FORWARDED) == ("203.0.113.9", False)


@pytest.mark.parametrize(
    ("forwarded_for", "address"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("198.51.100.1, 203.0.113.5", "203.0.113.5"),  # the first was written by the client
        ("198.51.100.1, 203.0.113.5, 10.0.0.2", "203.0.113.5"),  # through two proxies of ours
        ("10.9.9.9, 203.0.113.5", "203.0.113.5"),
        ("2001:db8::1", "2001:db8::1"),
        ("not an address", "10.0.0.1"),
        ("203.0.113.5, not an address", "10.0.0.1"),
        ("", "10.0.0.1"),
    ],
)
def test_address_behind_a_proxy_is_the_last_that_is_not_of_a_proxy(settings, seen, forwarded_for, address):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/8")]
    details = {"HTTP_X_FORWARDED_FOR": forwarded_for, "HTTP_X_FORWARDED_PROTO": "https"}
    assert seen("10.0.0.1", **details) == (address, True)
    assert seen("::ffff:10.0.0.1", **details)[0] in (address, "::ffff:10.0.0.1")


@pytest.mark.parametrize("is_behind", [True, False])
def test_event_signature_and_limit_see_the_same_address(
    settings, admitted, ada, client_of, signing, agreement_version, is_behind
):
    settings.TRUSTED_PROXIES = [ip_network("127.0.0.1/32")] if is_behind else []
    settings.RATE_LIMITS = {"invite.network": "1/h"}
    address = "203.0.113.5" if is_behind else "127.0.0.1"
    headers = {"HTTP_X_FORWARDED_FOR": "198.51.100.1, 203.0.113.5", "REMOTE_ADDR": "127.0.0.1"}
    client = client_of(ada)
    details = {name: value for name, value in signing(agreement_version).items() if name not in {"version", "origin"}}
    client.post(f"/organisations/{admitted.slug}/agreement/", details, **headers)
    assert Signature.objects.get().address == address
    client.post("/accounts/logout/", **headers)
    assert SecurityEvent.objects.latest("id").detail["address"] == address
    actions.invite(by=ada, partner=admitted, email="dora@x.example", roles=list(Role.objects.filter(code="viewer")))


def test_network_is_half_of_an_ipv6_address():
    assert network_of("203.0.113.5") == "203.0.113.5"
    assert network_of("2001:db8:1:2:3:4:5:6") == network_of("2001:db8:1:2::1") == "2001:db8:1:2::/64"
    assert network_of("::ffff:203.0.113.5") == "::ffff:203.0.113.5"
    assert network_of("") == ""
