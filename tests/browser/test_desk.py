"""The keys of the review desk: they move and open, and never answer. And how its pages look."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from release_portal.access import actions as access
from release_portal.access.models import AccessRequest, Right
from release_portal.partners.models import User
from release_portal.releases.models import ModelSize

from .conftest import sign_in
from .test_sight import LONG, look, seen

pytestmark = pytest.mark.browser


@pytest.fixture
def asked(portal, staff, researcher, organisation, submit) -> AccessRequest:
    """Two items of one request; the second is offered by another reviewer, as its size takes two."""
    job = submit(2, tokens=8)
    sizes = ModelSize.objects.filter(name__in=["355M", "774M"])
    request = access.request_access(
        by=researcher,
        partner=organisation,
        wanted=[access.Wanted(size, Right.GENERATION, 5_000) for size in sizes],
        purposes=["bias"],
        purpose=LONG,
        until_wanted=job.grant.ends_at.date(),
    )
    access.say(by=User.objects.get(email="mara@lab.example"), request=request, text="Who reads it?", internal=True)
    return request


def test_keys_move_and_open_and_never_answer(person, asked):
    rita = person()
    sign_in(rita, "rita@lab.example")
    rita.goto("/review/?q=state:waiting")
    rita.keyboard.press("j")
    expect(rita.locator("[data-desk] tbody th a").first).to_be_focused()
    rita.keyboard.press("?")
    expect(rita.get_by_role("dialog")).to_be_visible()
    rita.keyboard.press("Escape")
    rita.keyboard.press("/")
    expect(rita.get_by_role("searchbox")).to_be_focused()
    rita.keyboard.press("End")
    rita.keyboard.type("ajk?")
    expect(rita.get_by_role("searchbox")).to_have_value("state:waitingajk?")
    rita.get_by_role("link", name=str(asked)).focus()
    rita.keyboard.press("Enter")
    rita.wait_for_url(f"**/review/requests/{asked.pk}/**")
    grants = rita.locator("[data-answer] input[value=approve]")
    rita.keyboard.press("a")
    expect(grants.first).to_be_focused()
    rita.keyboard.press("a")
    expect(grants.nth(1)).to_be_focused()
    rita.keyboard.press("d")
    expect(rita.locator("[data-answer] input[value=decline]").nth(1)).to_be_focused()
    expect(rita.locator("[data-reason]").nth(1)).to_have_attribute("open", "")
    rita.keyboard.press("r")
    expect(rita.locator("[data-return] select")).to_be_focused()
    chosen = rita.locator("[data-answer] input:checked[name$=verdict]").evaluate_all(
        "all => all.map((one) => one.value)"
    )
    assert not any(chosen), "nothing is answered by a key"
    revision = asked.revision
    asked.refresh_from_db()
    assert (asked.status, asked.revision) == ("submitted", revision)


def test_look_at_the_desk_and_a_request(page, asked):
    sign_in(page, "rita@lab.example")
    paths = [
        "/review/?tab=waiting",
        "/review/?q=colour:blue",
        f"/review/requests/{asked.pk}/",
        "/review/findings/",
        "/review/rules/",
        "/review/reports/",
        "/review/reports/?from=2020-01-01&to=2019-01-01",
        "/review/grants/",
    ]
    wrong = [each for path in paths for each in look(page, path, "desk")]
    page.context.clear_cookies()
    sign_in(page, "mara@lab.example")
    assert wrong + look(page, "/review/rules/gpt2/355M/", "desk") == []


def test_choose_many_see_what_it_does_and_apply_it(page, asked):
    sign_in(page, "rita@lab.example")
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto("/review/?q=state:waiting")
    boxes = page.locator("input[name=request]")
    page.get_by_label("Choose all on this page").check()
    assert all(boxes.nth(number).is_checked() for number in range(boxes.count()))
    page.get_by_label("Choose all on this page").uncheck()
    page.get_by_label(f"Choose {asked}").check()
    page.get_by_role("button", name="Return for changes").click()
    page.get_by_label("In words").fill("Tell who reads the texts.")
    assert seen(page, "the reason of a batch", "desk-bulk") == []
    page.get_by_role("button", name="See what it does").click()
    expect(page.get_by_text("Nothing has happened yet.")).to_be_visible()
    assert look(page, urlsplit(page.url).path, "desk") == []
    page.get_by_role("button", name="Apply to 1").click()
    expect(page.get_by_text("1 of 1 done.")).to_be_visible()
    assert look(page, urlsplit(page.url).path, "desk-applied") == []
    asked.refresh_from_db()
    assert (asked.status, asked.return_reason) == ("returned", "Tell who reads the texts.")
