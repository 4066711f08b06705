"""Every page as people see it: at 1280 and 390 pixels, dark and light, empty and filled, and by axe's rules.

SCREENSHOTS=folder keeps the pictures.
"""

import os
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from release_portal.access import actions as access
from release_portal.jobs.models import Job
from release_portal.partners.actions import invite
from release_portal.partners.models import Role
from release_portal.releases.models import ModelSize

from ..live import Portal, until
from .conftest import PASSWORD, sign_in

pytestmark = pytest.mark.browser

FOLDER = os.environ.get("SCREENSHOTS")

PUBLIC = [
    "/",
    "/families/gpt2/",
    "/families/gpt2/124M/",
    "/families/gpt2/1558M/",
    "/agreement/1/",
    "/accounts/login/",
    "/accounts/signup/",
    "/accounts/password/reset/",
    "/nothing-here/",
]
NEWCOMER = ["/organisations/", "/organisations/apply/", "/jobs/", "/jobs/new/", "/account/tokens/", "/accounts/email/"]


def look(page: Page, path: str, who: str) -> list[str]:
    """Look at one page in every way; returns what is wrong with it."""
    wrong = []
    for width, theme in [(1280, "light"), (390, "dark"), *([(1280, "dark"), (390, "light")] if FOLDER else [])]:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=theme)
        page.goto(path)
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            wrong.append(f"{path} at {width}: wider than the screen")
        found = Axe().run(page).response["violations"]
        wrong += [f"{path} at {width} {theme}: {each['id']} {each['nodes'][0]['html'][:120]}" for each in found]
        keep(page, f"{who}-{path.strip('/').replace('/', '-') or 'home'}-{width}-{theme}")
    return wrong


def keep(page: Page, name: str) -> None:
    if FOLDER:
        Path(FOLDER).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{FOLDER}/{name[:110]}.png", full_page=True)


@pytest.fixture
def page(chromium: Browser, portal: Portal):
    context = chromium.new_context(base_url=portal.base_url)
    yield context.new_page()
    context.close()


def test_look_at_public_pages(page):
    assert [wrong for path in PUBLIC for wrong in look(page, path, "zoe")] == []


def test_look_at_pages_of_newcomer(page, researcher):
    researcher.set_password(PASSWORD)
    researcher.save()
    sign_in(page, researcher.email)
    assert [wrong for path in NEWCOMER for wrong in look(page, path, "newcomer")] == []


def test_look_at_pages_of_member(page, portal, researcher, organisation, submit):
    organisation.legal_name = (
        f"The Very Long and Venerable {organisation.legal_name} for the Study of Generated Language and its Readers"
    )
    organisation.save()
    researcher.set_password(PASSWORD)
    researcher.save()
    job = submit(30, tokens=16)
    invite(
        by=researcher,
        partner=organisation,
        email="ben@northlake.example",
        roles=list(Role.objects.filter(pk="researcher")),
    )
    until(lambda: not Job.objects.live().filter(pk=job.pk).exists(), seconds=60, what="the job to end")
    sign_in(page, researcher.email)
    home = f"/organisations/{organisation.slug}"
    request = organisation.access_requests.get()
    paths = [
        f"{home}/",
        f"{home}/members/",
        f"{home}/agreement/",
        f"{home}/requests/new/",
        f"{home}/requests/{request.pk}/",
    ]
    paths += ["/jobs/", "/jobs/?q=nothing", "/jobs/new/", f"/jobs/{job.pk}/"]
    assert [wrong for path in paths for wrong in look(page, path, "member")] == []


def test_look_at_pages_of_reviewer(page, portal, researcher, organisation, submit):
    job = submit(2, tokens=8)
    asked = access.request_access(
        by=researcher,
        partner=organisation,
        size=ModelSize.objects.get(name="774M"),
        purpose="To see how a longer purpose looks on the page of a reviewer. " * 12,
        tokens_wanted=123_456_789,
        until_wanted=job.grant.ends_at.date(),
    )
    sign_in(page, "rita@lab.example")
    paths = [
        "/review/",
        "/review/?q=nothing",
        f"/review/organisations/{organisation.slug}/",
        f"/review/requests/{asked.pk}/",
    ]
    paths += ["/review/grants/", f"/review/grants/{job.grant_id}/revoke/", "/review/book/", "/review/book/?q=nothing"]
    assert [wrong for path in paths for wrong in look(page, path, "reviewer")] == []
