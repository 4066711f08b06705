"""An address that lets in all who have it stands in no line of the log, on whichever route, however it is answered."""

import logging
from collections.abc import Iterator

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.test import AsyncClient, Client
from django.urls import URLPattern, get_resolver, reverse

from release_portal.lib.logs import Discreet
from release_portal.partners import actions as partners
from release_portal.partners.models import Letter, Role
from release_portal.partners.watch import THINGS

pytestmark = pytest.mark.usefixtures("db")

KEY = "Zk3y-of-somebody_else-0123456789"
VALUES = {"key": KEY, "uidb36": "1a"}


def routes_with_a_secret(patterns, spaces=()) -> Iterator[str]:
    """Addresses of all routes that have anything but the name of a thing in them, filled in with a key."""
    for pattern in patterns:
        if not isinstance(pattern, URLPattern):
            space = [pattern.namespace] if pattern.namespace else []
            yield from routes_with_a_secret(pattern.url_patterns, [*spaces, *space])
        elif secret := set(pattern.pattern.regex.groupindex) - THINGS:
            yield reverse(":".join([*spaces, pattern.name]), kwargs={name: VALUES[name] for name in secret})


ADDRESSES = list(routes_with_a_secret(get_resolver().url_patterns))


@pytest.fixture
def written(caplog):
    """What is logged, as the site's processes write it."""
    formatter = caplog.handler.formatter  # the handler is of all tests
    caplog.handler.setFormatter(Discreet(settings.LOGGING["formatters"]["plain"]["format"]))
    caplog.set_level(logging.INFO)
    yield caplog
    caplog.handler.setFormatter(formatter)


@pytest.fixture
def client_that_is_checked(ada) -> Client:
    """It sends no token against forgery."""
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.force_login(ada, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def test_routes_with_a_secret_are_there():
    assert len(ADDRESSES) == 3


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("end", ["", "more/", "?next=/"])
@pytest.mark.parametrize("method", ["get", "post", "put"])
def test_address_with_a_key_is_logged_without_it(client_that_is_checked, written, address, end, method):
    getattr(client_that_is_checked, method)(f"{address}{end}")
    assert KEY not in written.text


def test_error_of_the_site_is_logged_without_the_key(client_that_is_checked, written, monkeypatch):
    def broken(**_):
        raise ZeroDivisionError(f"at /invitations/{KEY}/")

    monkeypatch.setattr(partners, "open_invitation", broken)
    client_that_is_checked.get(reverse("partners:accept", args=[KEY]))
    assert "ZeroDivisionError" in written.text
    assert KEY not in written.text


def test_address_with_a_key_is_logged_without_it_by_the_asynchronous_site(written):
    async_to_sync(AsyncClient().put)(f"/invitations/{KEY}/more/")
    assert KEY not in written.text
    assert "Not Found" in written.text


def test_invitation_that_the_wrong_person_opens_keeps_its_key(northlake, ada, cleo, client_of, written):
    roles = list(Role.objects.filter(code="viewer"))
    partners.invite(by=ada, partner=northlake, email="new@northlake.example", roles=roles)
    address = Letter.objects.latest("id").url.removeprefix(settings.BASE_URL)
    assert client_of(cleo).get(address).status_code == 409
    assert "/invitations/…" in written.text
    assert address.split("/")[2] not in written.text


def test_number_of_an_invitation_is_logged_as_it_is(client_that_is_checked, written):
    client_that_is_checked.post("/organisations/nowhere/invitations/17/resend/")
    assert "/organisations/nowhere/invitations/17/resend/" in written.text
