"""The staff's pages, by clicks' worth of requests: what they say when somebody was faster, or may not decide."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from release_portal.access import actions as access
from release_portal.access.models import AccessRequest, Grant
from release_portal.partners import actions as partners
from release_portal.review.views.desk import promise_of

from .. import factories


@pytest.fixture
def desk(client_of, rita):
    return client_of(rita)


def body(response) -> str:
    return response.content.decode()


def granting(request, **other):
    """What a reviewer sends who grants the one item of a request."""
    terms = {"ends_on": factories.in_days(9).isoformat(), "token_quota": "5,000", "purposes": ["belief"]}
    terms |= {"reduction_reason": "We begin with less."} | other
    item = request.items.get()
    answer = {f"item_{item.pk}-{field}": value for field, value in ({"verdict": "approve"} | terms).items()}
    return {"decide": "apply", "seen": request.revision} | answer


def test_desk_lists_what_waits_and_no_longer_what_was_decided(desk, applied, southbank, cleo, size_124m, asking):
    asked = access.request_access(by=cleo, partner=southbank, **asking(size_124m))
    page = body(desk.get("/review/"))
    assert "University of Northlake" in page
    assert f"/review/requests/{asked.pk}/" in page
    desk.post("/review/organisations/university-of-northlake/", {"admit": "1"})
    desk.post(f"/review/requests/{asked.pk}/", granting(asked))
    page = body(desk.get("/review/"))
    assert "/review/organisations/university-of-northlake/" not in page
    assert f"/review/requests/{asked.pk}/" not in page


def test_desk_finds_by_words(desk, applied, access_request):
    assert f"/review/requests/{access_request.pk}/" in body(desk.get("/review/?q=northlake"))
    assert f"/review/requests/{access_request.pk}/" not in body(desk.get("/review/?q=southbank"))


def test_desk_asks_the_database_no_more_for_40_requests_than_for_3(desk, gpt2):
    def counted(number):
        for _ in range(number):
            factories.ItemFactory(size=gpt2.sizes.first(), request__partner=factories.PartnerFactory())
        with CaptureQueriesContext(connection) as queries:
            response = desk.get("/review/?tab=waiting")
        assert len(response.context["rows"]) >= min(number, 40)
        return len(queries)

    desk.get("/review/")
    assert counted(3) == counted(37)


@pytest.mark.parametrize(
    ("days", "word", "tone"),
    [
        (10, "10 days left", "off"),
        (9.999, "10 days left", "off"),
        (1, "1 day left", "wait"),
        (0.5, "less than a day left", "wait"),
        (-0.5, "less than a day late", "bad"),
        (-2.5, "2 days late", "bad"),
    ],
)
def test_promise_says_how_far_the_promised_day_is(days, word, tone):
    now = timezone.now()
    asked = AccessRequest(status="submitted", promised_at=now + timedelta(days=days))
    assert promise_of(asked, at=now) == {"word": word, "tone": tone}
    assert promise_of(AccessRequest(status="decided", promised_at=now), at=now) is None


def test_desk_sorts_by_a_column_and_says_so(desk, access_request, southbank, cleo, size_124m, asking):
    other = access.request_access(by=cleo, partner=southbank, **asking(size_124m))
    mine = (access_request.pk, other.pk)

    def shown(sort):
        rows = [row for row, *_ in desk.get("/review/", {"tab": "waiting", "sort": sort}).context["rows"]]
        return tuple(row.pk for row in rows if row.pk in mine)

    assert [shown(sort) for sort in ("", "sent", "nonsense", "-nonsense")] == [mine] * 4
    assert [shown(sort) for sort in ("-sent", "organisation", "-claim")] == [mine[::-1]] * 3
    page = body(desk.get("/review/?tab=waiting&sort=organisation"))
    assert '<th scope="col" aria-sort="ascending"><a href="?tab=waiting&amp;sort=-organisation">Request</a>' in page


def test_search_looks_at_every_request_unless_the_address_names_a_list(desk, access_request, rita):
    access.return_request(by=rita, request=access_request, reason_code="team", reason="Who?")
    link = f"/review/requests/{access_request.pk}/"
    assert link in body(desk.get("/review/?q=org:~northlake"))
    assert link not in body(desk.get("/review/?q=org:~northlake&tab=waiting"))


def test_admit_by_the_page_says_so(desk, applied):
    response = desk.post("/review/organisations/university-of-northlake/", {"admit": "1"}, follow=True)
    assert "University of Northlake was admitted." in body(response)


def test_decline_by_the_page_without_a_reason_keeps_the_page(desk, applied):
    response = desk.post("/review/organisations/university-of-northlake/", {"decline": "1", "reason": " "})
    assert response.status_code == 200
    assert "Say why. The applicant reads it." in body(response)
    applied.refresh_from_db()
    assert applied.status == "applied"


def test_decide_on_what_a_colleague_decided_says_who(desk, access_request, tom):
    factories.declined(access_request, by=tom, reason="Too vague.")
    response = desk.post(f"/review/requests/{access_request.pk}/", granting(access_request))
    assert "This request is already decided by Tom Reed on" in body(response)
    assert not Grant.objects.filter(request=access_request).exists()


def test_admit_whom_a_colleague_declined_says_who(desk, applied, tom):
    partners.decline(by=tom, partner=applied, reason="Too vague.")
    response = desk.post("/review/organisations/university-of-northlake/", {"admit": "1"})
    assert "This organisation is already declined by Tom Reed on" in body(response)


def test_decide_for_ones_own_organisation_is_refused_on_the_page(desk, access_request, rita):
    factories.MembershipFactory(user=rita, partner=access_request.partner, roles=["viewer"])
    response = desk.post(f"/review/requests/{access_request.pk}/", granting(access_request))
    assert "You belong to University of Northlake, so another person has to decide." in body(response)
    access_request.refresh_from_db()
    assert access_request.status == "submitted"


def test_grant_by_the_page_reads_tokens_with_separators(desk, access_request):
    response = desk.post(
        f"/review/requests/{access_request.pk}/", granting(access_request, token_quota="1,000,000"), follow=True
    )
    assert "GPT-2 124M was granted." in body(response)
    assert Grant.objects.get(request=access_request).token_quota == 1_000_000


@pytest.mark.parametrize(
    ("details", "sentence"),
    [
        ({"token_quota": "many"}, "A quota is a whole number of tokens; you gave “many”."),
        ({"token_quota": "0"}, "A quota has from 1 to 1,000,000,000,000 tokens; you gave 0."),
        ({"ends_on": "tomorrow"}, "Give a day of the calendar, such as 2027-05-31."),
        ({"ends_on": "2020-01-01"}, "Access ends after today and by"),
        ({"ends_on": "9999-12-31"}, "Access ends after today and by"),
    ],
)
def test_grant_by_the_page_with_bad_terms_says_what_is_wrong_and_keeps_what_was_typed(
    desk, access_request, details, sentence
):
    terms = granting(access_request, **details)
    response = desk.post(f"/review/requests/{access_request.pk}/", terms)
    assert response.status_code == 200
    assert sentence in body(response)
    typed = [value for field, value in terms.items() if field.endswith(("ends_on", "token_quota"))]
    assert all(f'value="{value}"' in body(response) for value in typed)


def test_request_page_offers_what_was_asked(desk, access_request):
    page = body(desk.get(f"/review/requests/{access_request.pk}/"))
    assert access_request.purpose in page
    assert f'value="{access_request.until_wanted.isoformat()}"' in page
    assert 'value="100000"' in page


def test_revoke_by_the_page_says_what_it_stops_and_does(client_of, mara, grant, job):
    client = client_of(mara)
    page = body(client.get(f"/review/grants/{grant.pk}/revoke/"))
    assert "Queued jobs" in page
    response = client.post(
        f"/review/grants/{grant.pk}/revoke/", {"reason_code": "key", "reason": "A key was shared."}, follow=True
    )
    assert "The grant of GPT-2 124M to University of Northlake was revoked." in body(response)
    again = client.post(f"/review/grants/{grant.pk}/revoke/", {"reason_code": "key", "reason": "A key was shared."})
    assert "This grant is already revoked by Mara Quill on" in body(again)


def test_revoke_by_the_page_without_a_reason_is_refused(client_of, mara, grant):
    response = client_of(mara).post(f"/review/grants/{grant.pk}/revoke/", {"reason_code": "key", "reason": ""})
    assert "Say why. The organisation reads it." in body(response)
    grant.refresh_from_db()
    assert grant.status == "active"


@pytest.mark.parametrize(
    ("website", "email", "tone"),
    [
        ("https://www.northlake.example", "ada@northlake.example", "is the domain of the web site"),
        ("https://lab.northlake.example", "ada@northlake.example", "is the domain of the web site"),
        ("https://northlake.example", "ada@mail.northlake.example", "is the domain of the web site"),
        ("https://northlake.example", "ada@notnorthlake.example", "is not the domain of the web site"),
        ("https://northlake.example", "ada@post.example", "is not the domain of the web site"),
    ],
)
def test_organisation_page_compares_mail_and_web_site(desk, application, website, email, tone):
    applicant = factories.UserFactory(email=email)
    partner = partners.apply(by=applicant, **application(website=website, contact_email=email))
    assert f"{email.split('@')[1]} {tone}" in body(desk.get(f"/review/organisations/{partner.slug}/"))


def test_book_finds_events_by_words(desk, northlake, southbank):
    page = body(desk.get("/review/book/?q=Southbank"))
    assert "Southbank Institute was admitted" in page
    assert "University of Northlake was admitted" not in page
