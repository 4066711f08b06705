"""The lab's reports: the figures of a period from the book, what waits now, and the same by CSV."""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from release_portal.access import actions as access
from release_portal.jobs import actions as jobs
from release_portal.lib.owner import as_owner
from release_portal.review.reports import Period, in_words, report_of

from .. import factories

pytestmark = pytest.mark.django_db(databases=["default", "owner"])

LATER = timedelta(days=120)  # later than anything that another test left in the book


@pytest.fixture(autouse=True)
def _as_the_owner(db) -> Iterator[None]:
    """Only the owner of the tables may write events of another time."""
    with as_owner():
        yield


@pytest.fixture
def clock(monkeypatch):
    """Noon of a day to come, moved by days or hours."""

    class Clock:
        at = datetime.combine(timezone.now().date() + LATER, datetime.min.time(), tzinfo=UTC) + timedelta(hours=12)

        def __call__(self, **passed):
            self.at += timedelta(**passed)
            return self.at

    clock = Clock()
    monkeypatch.setattr(timezone, "now", lambda: clock.at)
    return clock


@pytest.fixture
def asks(ada, northlake, asking):
    def send(*sizes, **fields):
        return access.request_access(by=ada, partner=northlake, **asking(*sizes, **fields))

    return send


def body(response) -> str:
    return response.content.decode()


def figures(lines, size, step=""):
    """The plain numbers of a line by their measure."""
    line = next(line for line in lines if (line.size, line.step) == (str(size), step))
    return {figure.measure: figure.number for figure in line.figures}


def report_at(clock, days=60):
    today = clock.at.date()
    return report_of(Period(today - timedelta(days=days), today), at=clock.at)


def returned(request, *, by):
    access.return_request(by=by, request=request, reason_code="unclear", reason="Say who reads the texts.")


@pytest.fixture
def story(quiet, clock, asks, ada, ben, rita, size_124m, size_355m):
    """Three requests at known times; the size of 124M in two of them."""
    first = asks(size_124m)
    clock(days=2)
    access.claim_request(by=rita, request=first)
    clock(days=1)
    returned(first, by=rita)
    clock(hours=6)
    access.submit_request(by=ada, request=first)
    clock(hours=18)
    grant = factories.granted(first, by=rita, token_quota=50_000)
    clock(days=5)
    jobs.submit(by=ben, partner=grant.partner, size=size_124m, prompts=["One"], max_new_tokens=10, seed=7)
    clock(hours=1)
    jobs.submit(by=ben, partner=grant.partner, size=size_124m, prompts=["Two"], max_new_tokens=10, seed=7)
    access.revoke_grant(by=_mara(), grant=grant, reason_code="requested", reason="The study is over.")
    second = asks(size_124m, size_355m)
    clock(days=1)
    factories.declined(second, by=rita, code="need")
    third = asks(size_355m)
    clock(hours=12)
    access.withdraw_request(by=ada, request=third)
    return clock


def _mara():
    return factories.UserFactory(lab_roles=["release-manager"])


def test_report_counts_what_was_sent_and_decided(story, size_124m, size_355m):
    decisions = report_at(story).decisions
    assert figures(decisions, size_124m) == {
        "Requests sent": 2,
        "Items granted": 1,
        "Granted less than asked": 1,
        "Items declined": 1,
        "Requests withdrawn": 0,
        "Approved": 0.5,
    }
    assert figures(decisions, size_355m) == {
        "Requests sent": 2,
        "Items granted": 0,
        "Granted less than asked": 0,
        "Items declined": 1,
        "Requests withdrawn": 1,
        "Approved": 0,
    }
    everything = figures(decisions, "All together")
    assert (everything["Requests sent"], everything["Items declined"], everything["Approved"]) == (3, 2, 0.3333)
    assert [line.size for line in decisions] == ["GPT-2 124M", "GPT-2 355M", "All together"]


def test_report_measures_each_step_by_the_book(story, size_124m, size_355m):
    steps = report_at(story).steps
    # the first request was claimed after 2 days and decided after 4; the second declined after 1
    assert figures(steps, size_124m, "Sent to first answer") == {"Number": 2, "Median": 1.5, "90th percentile": 1.9}
    assert figures(steps, size_124m, "Sent to decided") == {"Number": 2, "Median": 2.5, "90th percentile": 3.7}
    assert figures(steps, size_355m, "Sent to decided") == {"Number": 1, "Median": 1, "90th percentile": 1}
    assert figures(steps, "All together", "Sent to decided") == {"Number": 3, "Median": 1, "90th percentile": 3.4}
    assert figures(steps, size_124m, "Returned to sent again")["Median"] == 0.25
    assert figures(steps, size_124m, "Granted to first use") == {"Number": 1, "Median": 5, "90th percentile": 5}


def test_report_counts_reasons_to_decline(story, size_124m):
    declines = report_at(story).declines
    reason = "A smaller size serves the purpose"
    assert figures(declines, size_124m, reason) == {"Items declined": 1}
    assert figures(declines, "All together", reason) == {"Items declined": 2}


def test_report_leaves_out_what_another_period_has(story, size_124m):
    sent = story.at.date() - timedelta(days=2)  # the second was sent then, and declined a day later
    report = report_of(Period(sent, sent), at=story.at)
    assert figures(report.decisions, "All together")["Requests sent"] == 1
    assert figures(report.decisions, size_124m)["Items declined"] == 0
    assert figures(report.steps, size_124m, "Granted to first use")["Number"] == 1
    assert "Sent to decided" not in {line.step for line in report.steps}


def test_report_does_not_count_what_was_granted_as_it_was_asked_as_less(clock, asks, rita, size_124m):
    factories.granted(asks(size_124m), by=rita)
    assert figures(report_at(clock).decisions, size_124m)["Granted less than asked"] == 0


def test_report_counts_fewer_purposes_and_an_earlier_end_as_less(clock, asks, rita, size_124m, size_355m):
    factories.granted(asks(size_124m), by=rita, purposes=("belief",))
    factories.granted(asks(size_355m), by=rita, ends_on=factories.in_days(9))
    decisions = report_at(clock).decisions
    assert figures(decisions, size_124m)["Granted less than asked"] == 1
    assert figures(decisions, size_355m)["Granted less than asked"] == 1


def test_escalation_by_the_portal_is_no_answer(clock, asks, size_124m):
    asks(size_124m)
    clock(days=11)
    assert access.escalate_requests(by=None, at=clock.at)
    assert report_at(clock).steps == []


def test_report_tells_what_waits_and_how_long(clock, asks, ada, rita, client_of):
    sizes = factories.SizeFactory.create_batch(4)
    waiting, claimed, second, back = (asks(size) for size in sizes)
    clock(days=3)
    access.set_rule(by=_mara(), size=sizes[2], approvals=2, after_days=0, findings=0, reason="It is large.")
    factories.approved(second.items.get(), by=rita)
    returned(back, by=rita)
    clock(days=8)
    access.claim_request(by=rita, request=claimed)
    report = report_at(clock)
    found = {line.size: (line.step, *(figure.number for figure in line.figures)) for line in report.waiting}
    assert found[str(sizes[0])] == ("Waiting for review", 1, 11, 11)
    assert found[str(sizes[1])] == ("Claimed by a reviewer", 1, 11, 11)
    assert found[str(sizes[2])] == ("Waiting for a second reviewer", 1, 8, 8)
    assert found[str(sizes[3])] == ("Returned to the applicant", 1, 8, 8)
    late = {line.size: line.figures[0] for line in report.late}
    assert [late[str(size)].number for size in sizes[:3]] == [1, 1, 1]
    assert str(sizes[3]) not in late
    listed = client_of(rita).get(late[str(sizes[0])].url)
    assert [asked for asked, *_ in listed.context["rows"]] == [waiting]


def test_csv_has_the_numbers_of_the_page(story, rita, client_of):
    page = client_of(rita).get("/review/reports/")
    shown = [
        [section, line.size, f"{line.step}: {figure.measure}" if line.step else figure.measure, figure.value]
        for section, lines in page.context["report"].sections.items()
        for line in lines
        for figure in line.figures
    ]
    answer = client_of(rita).get("/review/reports.csv")
    head, *rows = csv.reader(body(answer).splitlines())
    assert head == ["section", "size", "measure", "value", "number"]
    assert [row[:4] for row in rows] == shown
    assert ["Decisions", "GPT-2 124M", "Approved", "50% (1 of 2)", "0.5"] in rows
    assert ["Steps", "GPT-2 124M", "Returned to sent again: Median", "6.0 hours", "0.25"] in rows
    assert all(value in body(page) for *_, value, _ in rows)
    today = story.at.date()
    assert answer["content-type"] == "text/csv; charset=utf-8"
    assert f'filename="reviews-{today - timedelta(days=89)}-to-{today}.csv"' in answer["content-disposition"]


def test_csv_escapes_what_a_spreadsheet_would_count(clock, asks, rita, client_of):
    family = factories.FamilyFactory(name="=1+1")
    factories.granted(asks(factories.SizeFactory(family=family, name="9M")), by=rita)
    answer = body(client_of(rita).get("/review/reports.csv"))
    assert ",'=1+1 9M," in answer
    assert ",=1+1" not in answer


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"from": "soon"}, "Give a day of the calendar, such as 2027-05-31."),
        ({"from": ""}, "From (UTC) is missing."),
        ({"to": "9999-12-31"}, "A report ends by today, "),
        ({"from": "2019-05-02", "to": "2019-05-01"}, "you gave 2 May 2019, and 1 May 2019 as the last day."),
    ],
)
def test_reports_say_what_is_wrong_with_the_days_and_keep_them(rita, client_of, typed, sentence):
    page = body(client_of(rita).get("/review/reports/", typed))
    assert sentence in page
    assert all(f'value="{day}"' in page for day in typed.values() if day)
    assert "Download as CSV" not in page
    answer = client_of(rita).get("/review/reports.csv", typed, follow=True)
    assert sentence in body(answer)


def test_reports_of_a_period_without_anything_offer_a_longer_one(rita, client_of):
    page = body(client_of(rita).get("/review/reports/?from=2019-02-14&to=2019-02-15"))
    assert "Nothing was sent or decided in this period." in page
    assert "Show the last 365 days" in page
    assert "How long each step took" not in page


def test_reports_ask_the_database_no_more_for_12_requests_than_for_1(clock, ada, rita, asking, client_of):
    def counted(number):
        for size in factories.SizeFactory.create_batch(number):
            partner = factories.PartnerFactory()
            factories.MembershipFactory(user=ada, partner=partner, roles=["investigator"])
            asked = access.request_access(by=ada, partner=partner, **asking(size))
            factories.declined(asked, by=rita)
        with CaptureQueriesContext(connection) as queries:
            page = client.get("/review/reports/")
        assert len(page.context["report"].decisions) > number
        return len(queries)

    client = client_of(rita)
    client.get("/review/reports/")
    assert counted(1) == counted(11)


@pytest.mark.parametrize(
    ("days", "words"),
    [(3, "3.0 days"), (1, "1.0 days"), (0.25, "6.0 hours"), (1 / 96, "15 min"), (1200, "1,200.0 days")],
)
def test_span_is_said_in_days_and_under_a_day_in_less(days, words):
    assert in_words(days) == words
