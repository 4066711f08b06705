"""The rules' pages: what is asked before each size, set with a reason, and its history."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from release_portal.access import actions as access
from release_portal.access.models import SizeRule


def body(response) -> str:
    return response.content.decode()


@pytest.fixture
def path(size_355m):
    return f"/review/rules/gpt2/{size_355m.name}/"


def test_set_a_rule_by_the_page_shows_it_in_words(client_of, mara, rita, size_124m, path):
    client = client_of(mara)
    details = {"approvals": "2", "roles": ["reviewer"], "veto_roles": ["release-manager"], "reason": "It is larger."}
    details |= {"after_size": size_124m.pk, "after_days": "60", "findings": "1"}
    assert "The rule of GPT-2 355M was set." in body(client.post(path, details, follow=True))
    page = body(client_of(rita).get("/review/rules/"))
    assert "GPT-2 124M: 60 days and 1 accepted finding" in page
    assert "It is larger." in page
    assert path not in page, "Rita reads rules and sets none"
    assert ">reviewer<" not in page, "roles by their titles"
    history = body(client.get(path))
    assert "It is larger." in history
    assert 'name="after_days" value="60"' in history


@pytest.mark.parametrize(
    ("details", "sentence"),
    [
        ({"reason": ""}, "Why it is so is missing."),
        ({"approvals": "6"}, "A rule asks for 1 to 5 approvals; you gave 6."),
        ({"after_days": "60"}, "Name the size on which days and findings are counted."),
        ({"roles": ["nonsense"]}, "nonsense"),
    ],
)
def test_set_a_rule_with_something_wrong_says_so_and_keeps_it(client_of, mara, path, size_355m, details, sentence):
    sent = {"approvals": "1", "after_days": "0", "findings": "0", "reason": "Because."} | details
    response = client_of(mara).post(path, sent)
    assert sentence in body(response)
    assert f'value="{sent["approvals"]}"' in body(response)
    assert not SizeRule.objects.filter(size=size_355m, reason="Because.").exists()


def test_largest_size_takes_two_by_any_rule(client_of, rita, gpt2):
    rows = {str(size): row for size, row in client_of(rita).get("/review/rules/").context["rows"]}
    assert (rows["GPT-2 1558M"]["approvals"], rows["GPT-2 774M"]["rule"].approvals) == (2, 1)


def test_newest_rule_is_shown_and_older_ones_stay_in_the_history(client_of, mara, size_355m, path):
    for approvals in (3, 2):
        access.set_rule(by=mara, size=size_355m, approvals=approvals, reason=f"It takes {approvals}.")
    client = client_of(mara)
    rows = {size.pk: row for size, row in client.get("/review/rules/").context["rows"]}
    assert rows[size_355m.pk]["approvals"] == 2
    reasons = [row["rule"].reason for row in client.get(path).context["history"]]
    assert reasons[:2] == ["It takes 2.", "It takes 3."]


def test_rules_page_asks_the_database_no_more_for_more_rules(client_of, mara, size_124m, size_355m):
    client = client_of(mara)

    def counted():
        with CaptureQueriesContext(connection) as queries:
            client.get("/review/rules/")
        return len(queries)

    access.set_rule(by=mara, size=size_355m, after_size=size_124m, reason="First.")
    before = counted()
    for _ in range(4):
        access.set_rule(by=mara, size=size_355m, after_size=size_124m, reason="Another.")
    assert counted() == before
