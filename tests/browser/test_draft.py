"""The draft of an application: saved while one types, there after a reload, gone once it is discarded."""

import pytest
from playwright.sync_api import expect

from .conftest import PASSWORD, sign_in

pytestmark = pytest.mark.browser


def test_draft_is_saved_while_one_types_and_is_gone_once_discarded(person, researcher):
    researcher.set_password(PASSWORD)
    researcher.save()
    page = person()
    sign_in(page, researcher.email)
    page.goto("/organisations/apply/")
    status, purpose = page.locator("#draft-status"), page.get_by_label("Research purpose")
    expect(status).to_have_text("")
    purpose.press_sequentially("To find out who reads")
    expect(status).to_contain_text("Draft saved")

    page.reload()
    expect(purpose).to_have_value("To find out who reads")
    page.get_by_role("button", name="Discard the draft").click()
    expect(page.get_by_text("Your draft was discarded.")).to_be_visible()
    expect(purpose).to_have_value("")
    expect(status).to_have_text("")
