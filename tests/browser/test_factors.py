"""Second factors, by clicking: set up, used, lost, recovered; and a passkey."""

import signal
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from release_portal.demo.factors import code_of

from ..live import Portal, has_worker
from ..patience import until
from .conftest import PASSWORD, set_up_factor
from .test_sight import look

pytestmark = pytest.mark.browser


@pytest.fixture
def signatory(researcher, organisation):
    """Somebody who can bind an admitted organisation and has no factor any more, as before the first use."""
    researcher.set_password(PASSWORD)
    researcher.save()
    researcher.authenticator_set.all().delete()
    return researcher


def type_password(page: Page, email: str, site: str = "") -> None:
    page.goto(f"{site}/accounts/login/")
    page.locator("input[name=login]").fill(email)
    page.locator("input[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def type_code(page: Page, code: str) -> None:
    expect(page.get_by_role("heading", name="Show your second factor")).to_be_visible()
    page.get_by_label("Code").fill(code)
    page.get_by_role("button", name="Sign in", exact=True).click()


def test_set_up_use_lose_and_recover_a_factor(person, signatory):
    ada, again = person(), person()
    type_password(ada, signatory.email)
    expect(ada.get_by_text("Your roles need a second factor")).to_be_visible()
    ada.goto("/jobs/new/")
    expect(ada.get_by_role("heading", name="Second factor")).to_be_visible()
    ada.get_by_role("link", name="Set up an app").click()
    key = ada.locator("dd code").inner_text()
    ada.get_by_label("Code").fill("000000")
    ada.get_by_role("button", name="Set it up").click()
    expect(ada.get_by_role("alert")).to_contain_text("This code is not right")
    key = ada.locator("dd code").inner_text()
    ada.get_by_label("Code").fill(code_of(key, time.time()))
    ada.get_by_role("button", name="Set it up").click()
    codes = ada.locator(".codes code").all_inner_texts()
    assert len(codes) == 10
    ada.get_by_role("link", name="I have kept them").click()
    expect(ada.get_by_role("heading", level=1)).to_be_visible()

    type_password(again, signatory.email)
    type_code(again, "123456")
    expect(again.get_by_role("alert")).to_contain_text("This code is not right")
    type_code(again, codes[0])
    again.wait_for_url("**/organisations/**")
    again.goto("/accounts/factors/")
    expect(again.get_by_text("9 left")).to_be_visible()
    again.get_by_role("link", name="Remove the authenticator app").click()
    again.get_by_role("button", name="Remove it").click()
    expect(again.get_by_text("this is your last. Add another first.")).to_be_visible()


@pytest.fixture
def site(portal: Portal) -> Iterator[str]:
    """The portal at a name: browsers make no passkey for an address of numbers."""
    address = f"http://localhost:{portal.port}"
    portal.kill("web", signal.SIGTERM)
    portal.start("web", extra={"BASE_URL": address})
    until(lambda: has_worker(portal), what="the site to start at its name")
    yield address
    portal.kill("web", signal.SIGTERM)
    portal.start("web")
    until(lambda: has_worker(portal), what="the site to start again")


def test_sign_in_with_a_passkey(person, signatory, site):
    ada = person()
    cdp = ada.context.new_cdp_session(ada)
    cdp.send("WebAuthn.enable")
    details = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    cdp.send("WebAuthn.addVirtualAuthenticator", {"options": details | {"isUserVerified": True}})
    type_password(ada, signatory.email, site)
    ada.get_by_role("link", name="Add a passkey").click()
    ada.get_by_label("Name").fill("Laptop")
    ada.get_by_label("Passwordless").check()
    ada.get_by_role("button", name="Add it").click()
    expect(ada.get_by_role("heading", name="Recovery codes")).to_be_visible()
    ada.context.clear_cookies()
    ada.goto(f"{site}/accounts/login/")
    ada.get_by_role("button", name="Sign in with a passkey").click()
    ada.wait_for_url("**/organisations/**")
    ada.goto(f"{site}/accounts/factors/webauthn/")
    expect(ada.get_by_role("rowheader", name="Laptop")).to_be_visible()


def test_look_at_pages_of_factors(page, signatory):
    type_password(page, signatory.email)
    paths = ["/accounts/factors/", "/accounts/factors/totp/activate/", "/accounts/factors/webauthn/add/"]
    wrong = [wrong for path in paths for wrong in look(page, path, "factors")]
    page.goto("/organisations/")
    set_up_factor(page)
    paths = ["/accounts/factors/", "/accounts/factors/totp/deactivate/", "/accounts/factors/recovery-codes/generate/"]
    wrong += [wrong for path in paths for wrong in look(page, path, "factors")]
    assert wrong == []
