"""The whole path of a new partner and the lab's reviewers: returned, corrected, granted less, appealed, renewed."""

import pytest
from playwright.sync_api import Page, expect

from .conftest import sign_in
from .test_sight import LONG, seen
from .test_story import admitted

pytestmark = pytest.mark.browser

INSTITUTE = "Institute of Reading"
SIZES = ("GPT-2 124M", "GPT-2 355M")


@pytest.fixture
def people(person) -> tuple[Page, Page, Page]:
    """Ada, who is new; Rita and Mara of the lab."""
    ada, rita, mara = person(), person(), person()
    sign_in(rita, "rita@lab.example")
    sign_in(mara, "mara@lab.example")
    return ada, rita, mara


def good(page: Page, name: str) -> None:
    """What the person sees fits the screen and axe finds nothing in it, at both widths and in both themes."""
    assert seen(page, name, f"path-{name}") == []
    page.set_viewport_size({"width": 1280, "height": 900})


def ask_for(page: Page, size: str, tokens: str) -> None:
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=size, exact=True))
    row.get_by_label("Hosted generation").check()
    row.get_by_label(f"Tokens of {size}").fill(tokens)


def open_request(page: Page, name: str) -> None:
    page.goto("/review/")
    page.get_by_role("link", name=name).click()


def item(page: Page, size: str):
    """The part of a reviewer's page that answers one item."""
    return page.locator("[data-answer]").filter(has=page.get_by_role("heading", name=size))


def decide(page: Page) -> None:
    page.get_by_role("button", name="Preview the mail").click()
    expect(page.get_by_text(f"The mail that goes to {INSTITUTE}")).to_be_visible()
    good(page, "preview")
    page.get_by_role("button", name="Apply").click()


def grant(page: Page, size: str, tokens: str) -> None:
    item(page, size).get_by_label("Grant", exact=True).check()
    item(page, size).get_by_label("Token quota").fill(tokens)
    item(page, size).get_by_label("Why less than was asked for").fill("The rest once these were read.")


def test_play_the_whole_path(people, portal):
    ada, rita, mara = people
    admitted(ada, rita, portal, INSTITUTE, "ada@reading.example")

    ada.goto("/organisations/")
    ada.get_by_role("link", name="Request access").first.click()
    ada.get_by_role("button", name="Send the request").click()
    expect(ada.get_by_role("alert")).to_contain_text("There is a problem")
    good(ada, "new-refused")
    for size in SIZES:
        ask_for(ada, size, "1,000,000")
    ada.get_by_label("Human belief and credibility").check()
    ada.get_by_label("What you will study").fill(LONG)
    ada.get_by_role("button", name="Save the draft").click()
    expect(ada.get_by_text("Your draft is saved.")).to_be_visible()
    good(ada, "draft")
    ada.goto("/organisations/")
    good(ada, "home-with-draft")
    ada.get_by_role("link", name=SIZES[0]).first.click()
    ada.get_by_role("link", name="Go on with the draft").click()
    expect(ada.get_by_label("What you will study")).to_have_value(LONG.strip())
    ada.get_by_role("button", name="Send the request").click()
    expect(ada.get_by_text("Waiting for a reviewer")).to_be_visible()
    good(ada, "waiting")

    open_request(rita, INSTITUTE)
    rita.get_by_label("What to change", exact=True).select_option(index=1)
    rita.get_by_label("What to change, in words").fill("Say who reads the texts.")
    rita.get_by_role("button", name="Return for changes").click()
    expect(rita.get_by_text("was returned for changes")).to_be_visible()

    ada.reload()
    expect(ada.get_by_text("Say who reads the texts.").first).to_be_visible()
    good(ada, "returned")
    ada.get_by_role("link", name="Correct the request").click()
    ada.get_by_label("Who will use it").fill("Twenty readers, all adults.")
    good(ada, "correcting")
    ada.get_by_role("button", name="Send it again").click()
    expect(ada.get_by_text("Waiting for a reviewer")).to_be_visible()

    open_request(rita, INSTITUTE)
    expect(rita.get_by_text("Twenty readers, all adults.").first).to_be_visible()
    good(rita, "corrected")
    grant(rita, SIZES[0], "50,000")
    item(rita, SIZES[1]).get_by_label("Decline", exact=True).check()
    rita.get_by_role("button", name="Preview the mail").click()
    expect(rita.get_by_role("alert")).to_contain_text("Say why, for the applicant to read")
    good(rita, "decision-refused")
    expect(item(rita, SIZES[0]).get_by_label("Token quota")).to_have_value("50,000")
    item(rita, SIZES[1]).locator("select[name$=-reason_code]").select_option(label="A smaller size serves the purpose")
    item(rita, SIZES[1]).locator("textarea[name$=-reason]").fill("Begin with 124M.")
    decide(rita)
    expect(rita.get_by_text("GPT-2 124M was granted")).to_be_visible()
    expect(rita.get_by_text("GPT-2 355M was declined")).to_be_visible()

    ada.reload()
    expect(ada.get_by_text("50,000 tokens").first).to_be_visible()
    expect(ada.get_by_text("Begin with 124M.").first).to_be_visible()
    good(ada, "decided")
    ada.get_by_role("button", name="Appeal the decision").click()
    ada.get_by_label("Why the decision should be another").fill("Our readers already tell 124M apart every time.")
    ada.get_by_role("row").filter(has_text=SIZES[0]).get_by_label("Hosted generation").uncheck()
    good(ada, "appealing")
    ada.get_by_role("button", name="Send the request").click()
    expect(ada.get_by_text("Waiting for a reviewer")).to_be_visible()

    open_request(mara, INSTITUTE)
    expect(mara.get_by_text("Our readers already tell 124M apart").first).to_be_visible()
    good(mara, "appeal")
    grant(mara, SIZES[1], "20,000")
    decide(mara)
    expect(mara.get_by_text("GPT-2 355M was granted")).to_be_visible()

    ada.goto("/organisations/")
    ada.get_by_role("link", name="GPT-2 124M").first.click()
    good(ada, "grant")
    ada.get_by_role("button", name="Renew the grant").click()
    expect(ada.get_by_label("What you will study")).to_have_value(LONG.strip())
    ada.get_by_role("button", name="Send the request").click()
    expect(ada.get_by_role("alert")).to_be_visible()
    ada.get_by_label("What was done so far").fill("We made 400 texts and twenty readers judged them.")
    ada.get_by_role("button", name="Send the request").click()
    expect(ada.get_by_text("Waiting for a reviewer")).to_be_visible()

    open_request(rita, INSTITUTE)
    grant(rita, SIZES[0], "60,000")
    decide(rita)
    expect(rita.get_by_text("GPT-2 124M was granted")).to_be_visible()
    ada.reload()
    expect(ada.get_by_text("60,000 tokens").first).to_be_visible()
    good(ada, "renewed")
    ada.goto("/organisations/")
    good(ada, "home")
