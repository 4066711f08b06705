"""Chromium from the system's packages, and people who sit at it."""

import os
import shutil
import time
from collections.abc import Callable, Iterator

import pytest
from allauth.usersessions.models import UserSession
from django.test import Client
from playwright.sync_api import Browser, Page, expect, sync_playwright

from release_portal.demo.browser import mailed_link
from release_portal.demo.factors import code_of
from release_portal.partners.models import User

from .. import factories
from ..conftest import BACKEND, show_again
from ..faults.conftest import grant_of, organisation, researcher, rita_of_the_lab, submit
from ..live import Portal
from ..patience import PATIENCE

__all__ = ["grant_of", "organisation", "researcher", "rita_of_the_lab", "submit"]

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The first that is there; the shell draws the same pages with two thirds of the CPU time."""
CHROMIUM = next(filter(None, map(shutil.which, PROGRAMS)), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
]
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = (
    "1"  # Playwright runs a loop in this thread; the rows are made before it is used
)
PASSWORD = "a long enough pass phrase"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if CHROMIUM or os.environ.get("CI") == "true":
        return
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(
                pytest.mark.skip(
                    reason="Chromium is not installed; `apt-get install chromium-headless-shell` brings it."
                )
            )


expect.set_options(timeout=PATIENCE * 1000)


@pytest.fixture(scope="session")
def staff(portal: Portal) -> dict[str, str]:
    """The lab's people, with passwords; made by the operator's command."""
    people = {"rita@lab.example": ("Rita Moss", "reviewer"), "mara@lab.example": ("Mara Voss", "release-manager")}
    for email, (name, role) in people.items():
        portal.manage("appoint", email, "--name", name, "--role", role)
        user = User.objects.get(email=email)
        user.set_password(PASSWORD)
        user.save()
        user.emailaddress_set.update(verified=True)
        if not user.authenticator_set.exists():
            factories.give_factor(user)
    return dict.fromkeys(people, PASSWORD)


@pytest.fixture(scope="session")
def chromium(staff) -> Iterator[Browser]:
    assert CHROMIUM, "Chromium is needed where CI=true."
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser, portal: Portal) -> Iterator[Page]:
    context = chromium.new_context(base_url=portal.base_url)
    context.set_default_timeout(PATIENCE * 1000)
    yield context.new_page()
    context.close()


@pytest.fixture
def person(chromium: Browser, portal: Portal) -> Iterator[Callable[[], Page]]:
    """Somebody at a browser of their own. Fails where a page logs an error to its console."""
    contexts, errors = [], []

    def sit_down() -> Page:
        context = chromium.new_context(base_url=portal.base_url, viewport={"width": 1280, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE * 1000)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        return page

    yield sit_down
    for context in contexts:
        context.close()
    assert [error for error in errors if "status of 4" not in error] == []


def register(page: Page, portal: Portal, name: str, email: str) -> None:
    """Create an account and verify its address by the link in the mail."""
    page.goto("/")
    page.get_by_role("link", name="Create account").first.click()
    page.get_by_label("Full name").fill(name)
    page.get_by_label("E-mail address").fill(email)
    page.locator("input[name=password1]").fill(PASSWORD)
    page.locator("input[name=password2]").fill(PASSWORD)
    page.locator("main form button[type=submit]").click()
    page.wait_for_url("**/confirm-email/**")
    page.goto(mailed_link(portal.home / "mail", email, "/accounts/confirm-email/", seconds=PATIENCE))
    page.locator("main form button[type=submit]").click()


def sign_in(page: Page, email: str) -> None:
    """The person is signed in, without the pages that ask: `test_factors.py` goes through those."""
    client, user = Client(), User.objects.get(email=email)
    client.force_login(user, backend=BACKEND)
    show_again(client, user)
    session = {"name": "sessionid", "value": client.cookies["sessionid"].value, "domain": "127.0.0.1", "path": "/"}
    page.context.add_cookies([session])
    browser = (
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/141.0.0.0 Safari/537.36"
    )
    UserSession.objects.create(user=user, ip="2001:db8::7", session_key=session["value"], user_agent=browser)
    page.goto("/organisations/")


def set_up_factor(page: Page) -> str:
    """Set up an authenticator app where the site leads the person to it; returns the key."""
    page.get_by_role("link", name="Set up an app").click()
    key = page.locator("dd code").inner_text()
    page.get_by_label("Code").fill(code_of(key, time.time()))
    page.get_by_role("button", name="Set it up").click()
    page.get_by_role("link", name="I have kept them").click()
    return key
