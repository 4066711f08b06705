"""The main journey, by clicking."""

import json
import re

import pytest
from playwright.sync_api import Page, expect

from .conftest import register, set_up_factor, sign_in

pytestmark = pytest.mark.browser


@pytest.fixture
def rita(person) -> Page:
    page = person()
    sign_in(page, "rita@lab.example")
    return page


def admitted(page: Page, rita: Page, portal, organisation: str, email: str) -> None:
    """Register, apply, be admitted, sign."""
    register(page, portal, "Ada Lindqvist", email)
    page.goto("/")
    page.get_by_role("link", name="Organisation").first.click()
    page.get_by_role("link", name="Apply for your organisation").click()
    page.get_by_label("Legal name").fill(organisation)
    page.get_by_label("Web site").fill("northlake.example")
    page.get_by_label("Country").select_option("SE")
    page.get_by_label("Research purpose").fill("To measure how well readers tell generated text apart.")
    page.get_by_label("Who will use which size, and why").fill("Two researchers, 124M, to make samples for readers.")
    page.get_by_label("I am authorised to sign").check()
    page.get_by_role("button", name="Send the application").click()
    expect(page.get_by_role("heading", name=organisation)).to_be_visible()
    expect(page.get_by_text("Admission by the lab")).to_be_visible()

    rita.goto("/review/")
    rita.get_by_role("link", name=organisation).click()
    rita.get_by_role("button", name=f"Admit {organisation}").click()
    expect(rita.get_by_text(f"{organisation} was admitted.")).to_be_visible()

    page.reload()
    expect(page.get_by_text("Your roles need a second factor")).to_be_visible()
    set_up_factor(page)
    page.get_by_role("link", name="Read and sign").click()
    page.get_by_label("Your full legal name").fill("Ada Lindqvist")
    page.get_by_role("button", name="Sign the agreement").click()
    expect(page.get_by_role("link", name="Your office is missing.")).to_be_visible()
    expect(page.get_by_label("Your full legal name")).to_have_value("Ada Lindqvist")
    page.get_by_label("Your office").fill("Director of Research")
    page.get_by_label("I am authorised to bind").check()
    page.get_by_label("I have read").check()
    page.get_by_role("button", name="Sign the agreement").click()
    expect(page.get_by_role("heading", name="The agreement you signed")).to_be_visible()


def request_size(page: Page, organisation: str, size: str) -> None:
    page.goto("/organisations/")
    page.get_by_role("link", name="Request access").first.click()
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=size, exact=True))
    row.get_by_label("Hosted generation").check()
    row.get_by_label(f"Tokens of {size}").fill("1,000,000")
    page.get_by_label("Human belief and credibility").check()
    page.get_by_label("What you will study").fill("To make samples that readers then judge.")
    page.get_by_role("button", name="Send the request").click()
    expect(page.get_by_text("Waiting for a reviewer")).to_be_visible()


def submit(page: Page, prompts: str, *, longest: str = "16", samples: str = "1") -> None:
    page.goto("/jobs/new/")
    page.locator("#id_prompts").fill(prompts)
    page.get_by_label("Each line is a prompt of its own").check()
    page.get_by_label("Longest text").fill(longest)
    page.get_by_label("Samples per prompt").fill(samples)
    page.get_by_role("button", name="Submit the job").click()
    page.wait_for_url(re.compile(r"/jobs/[0-9a-f-]{36}/"))


def test_play_main_journey(person, rita, portal, tmp_path):
    zoe, ada = person(), person()
    zoe.goto("/")
    for size in ("124M", "355M", "774M", "1558M"):
        expect(zoe.get_by_role("rowheader", name=size)).to_be_visible()
    expect(zoe.get_by_text("Weights not installed").first).to_be_visible()
    zoe.get_by_role("link", name="API").first.click()
    expect(zoe.get_by_text("/api/v1/jobs/from-file")).to_be_visible()

    admitted(ada, rita, portal, "University of Northlake", "ada@northlake.example")

    request_size(ada, "University of Northlake", "GPT-2 1558M")
    rita.goto("/review/")
    rita.get_by_role("link", name="GPT-2 1558M for University of Northlake").click()
    rita.get_by_label("Decline", exact=True).check()
    rita.get_by_role("button", name="Preview the mail").click()
    expect(rita.get_by_role("alert")).to_contain_text("Choose a reason from the list.")
    rita.locator("select[name$=-reason_code]").first.select_option(label="A smaller size serves the purpose")
    rita.locator("textarea[name$=-reason]").first.fill("Begin with 124M.")
    rita.get_by_role("button", name="Preview the mail").click()
    expect(rita.get_by_text("The mail that goes to University of Northlake")).to_be_visible()
    rita.get_by_role("button", name="Apply").click()
    ada.reload()
    expect(ada.get_by_text("Begin with 124M.")).to_be_visible()

    request_size(ada, "University of Northlake", "GPT-2 124M")
    rita.goto("/review/")
    rita.get_by_role("link", name="GPT-2 124M for University of Northlake").click()
    rita.get_by_label("Grant", exact=True).check()
    rita.get_by_label("Token quota").fill("100,000")
    rita.get_by_label("Why less than was asked for").fill("The rest once these were read.")
    rita.get_by_role("button", name="Preview the mail").click()
    rita.get_by_role("button", name="Apply").click()
    expect(rita.get_by_text("GPT-2 124M was granted")).to_be_visible()

    submit(ada, "Once upon a time\nIn the beginning", samples="2")
    expect(ada.get_by_text("Finished", exact=True)).to_be_visible()
    expect(ada.get_by_role("heading", name="Prompt 2, sample 2")).to_be_visible()
    with ada.expect_download() as download:
        ada.get_by_role("link", name="Download JSONL").click()
    rows = [json.loads(line) for line in download.value.path().read_text().splitlines()]
    assert [row["prompt"] for row in rows] == ["Once upon a time"] * 2 + ["In the beginning"] * 2
    assert {row["finish_reason"] for row in rows} <= {"length", "stop"}  # a text may be empty: it may end at once
    with ada.expect_download() as download:
        ada.get_by_role("link", name="Download CSV").click()
    assert download.value.path().read_text().startswith("prompt_number,sample,prompt,text")

    submit(ada, "\n".join(f"Prompt {number}" for number in range(400)), longest="96")
    expect(ada.get_by_role("status").filter(has_text="tokens/s").first).to_be_visible()
    ada.get_by_role("button", name="Cancel the job").click()
    expect(ada.get_by_text("Cancelled", exact=True)).to_be_visible()

    ada.goto("/jobs/new/")
    broken = tmp_path / "prompts.jsonl"
    broken.write_text('{"prompt": "one"}\n{"prompt": "two"}\nthree\n')
    ada.get_by_label("Or a file of prompts").set_input_files(broken)
    ada.get_by_label("Temperature").fill("hot")
    ada.get_by_label("Name of the job").fill("Kept")
    ada.get_by_role("button", name="Submit the job").click()
    expect(ada.get_by_role("alert")).to_contain_text("Temperature is a number from 0 to 2; you gave “hot”.")
    expect(ada.get_by_label("Name of the job")).to_have_value("Kept")
    ada.get_by_label("Temperature").fill("0.7")
    ada.get_by_label("Or a file of prompts").set_input_files(broken)
    ada.get_by_role("button", name="Submit the job").click()
    expect(ada.get_by_role("alert")).to_contain_text("Line 3 of “prompts.jsonl” is not JSON.")

    submit(ada, "\n".join(f"Prompt {number}" for number in range(400)), longest="96")
    expect(ada.get_by_role("status").filter(has_text="tokens/s").first).to_be_visible()
    rita.goto("/review/grants/?q=Northlake")
    rita.get_by_role("link", name="Revoke GPT-2 124M").click()
    expect(rita.get_by_text("stopped within seconds")).to_be_visible()
    rita.get_by_label("Reason").select_option(label="The organisation asked for it")
    rita.get_by_label("In words").fill("The study ended.")
    rita.get_by_role("button", name="Revoke the grant").click()
    expect(ada.get_by_text("Stopped", exact=True)).to_be_visible()
    expect(ada.get_by_text("The study ended.").first).to_be_visible()

    rita.goto("/review/book/?q=Northlake")
    expect(rita.get_by_text("access.revoked")).to_be_visible()
    expect(rita.get_by_text("agreement.signed")).to_be_visible()
