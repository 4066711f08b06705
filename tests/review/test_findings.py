"""The findings' pages: what waits, what was accepted, and by whom."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from release_portal.access import actions as access


@pytest.fixture
def report(ada, grant):
    def sent(title="Readers are fooled"):
        return access.report_finding(
            by=ada, partner=grant.partner, size=grant.size, title=title, text="By *all* of it."
        )

    return sent


def body(response) -> str:
    return response.content.decode()


def test_finding_waits_until_it_is_accepted_by_the_page(client_of, rita, report):
    finding, client = report(), client_of(rita)
    link = f"/review/findings/{finding.pk}/"
    assert link in body(client.get("/review/findings/"))
    assert "By *all* of it." in body(client.get(link))
    assert "The finding was accepted." in body(client.post(link, follow=True))
    finding.refresh_from_db()
    assert finding.accepted_by == rita
    assert link not in body(client.get("/review/findings/"))
    assert link in body(client.get("/review/findings/?state=all"))


def test_accept_what_a_colleague_accepted_says_who(client_of, rita, tom, report):
    finding = report()
    access.accept_finding(by=tom, finding=finding)
    response = client_of(rita).post(f"/review/findings/{finding.pk}/", follow=True)
    assert "Tom Reed already accepted this finding on" in body(response)


def test_findings_ask_the_database_no_more_for_more_rows(client_of, rita, report):
    client = client_of(rita)

    def counted(path):
        with CaptureQueriesContext(connection) as queries:
            client.get(path)
        return len(queries)

    report()
    paths = ("/review/findings/", "/review/findings/?state=all")
    before = [counted(path) for path in paths]
    for number in range(5):
        report(f"Finding {number}")
    assert [counted(path) for path in paths] == before
