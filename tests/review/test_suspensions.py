"""Suspending by page: the effect before the reason, the second person, and who could use what at a time."""

from datetime import timedelta

import pytest
from django.utils import timezone

from release_portal.access import actions as access
from release_portal.access.models import Suspension

from .. import factories

WHY = {"reason_code": "risk", "reason": "A leak was reported."}


def body(response) -> str:
    return response.content.decode()


def test_suspend_shows_what_it_reaches_before_it_stops_anything(job, rita, client_of):
    address = f"/review/suspend/?organisation={job.partner.slug}"
    page = body(client_of(rita).get(address))
    assert "<dt>Queued jobs</dt><dd>1," in page
    assert "<dt>People who can submit</dt><dd>2</dd>" in page
    assert "Suspend now" in page
    assert not Suspension.objects.filter(by=rita).exists()
    answer = client_of(rita).post(address, WHY)
    made = Suspension.objects.get(by=rita)
    assert answer["location"] == made.get_absolute_url()
    assert made.status == "active"


def test_suspend_everything_asks_for_the_word_and_keeps_what_was_typed(grant, rita, tom, client_of):
    address = "/review/suspend/"
    page = body(client_of(rita).post(address, WHY | {"typed": "all"}))
    assert "Type “everything”; you typed “all”." in page
    assert "A leak was reported." in page
    assert not Suspension.objects.filter(by=rita).exists()
    client_of(rita).post(address, WHY | {"typed": "everything"})
    made = Suspension.objects.get(by=rita)
    assert made.status == "proposed"
    assert "Confirm: suspend now" not in body(client_of(rita).get(made.get_absolute_url()))
    client_of(tom).post(made.get_absolute_url(), {"confirm": "1"})
    made.refresh_from_db()
    assert (made.status, made.confirmed_by) == ("active", tom)


@pytest.mark.parametrize("query", ["organisation=unknown", "size=gpt2/9M", "size=gpt2", "grant=0", "grant=x"])
def test_suspend_what_is_not_there_is_not_found(gpt2, rita, client_of, query):
    assert client_of(rita).get(f"/review/suspend/?{query}").status_code == 404


def test_suspension_tells_the_organisation_on_its_home(grant, ada, rita, client_of):
    access.suspend(by=rita, subject=grant.partner, **WHY)
    page = body(client_of(ada).get(grant.partner.get_absolute_url()))
    assert "Suspended" in page
    assert "A leak was reported." in page


def test_access_at_answers_for_the_past(grant, rita, client_of):
    page = client_of(rita)
    today = timezone.now() + timedelta(minutes=1)
    listed = body(page.get("/review/access/", {"at": f"{today:%Y-%m-%dT%H:%M}", "size": grant.size_id}))
    assert "University of Northlake" in listed
    then = body(page.get("/review/access/", {"at": "2019-02-14T12:00", "size": grant.size_id}))
    assert "Nobody could use it then." in then
    assert "University of Northlake" not in then
    assert "Give a day and a time" in body(page.get("/review/access/", {"at": "soon"}))


def test_suspend_page_takes_as_many_queries_for_many_grants(gpt2, rita, client_of, django_assert_max_num_queries):
    size = gpt2.sizes.get(name="355M")
    for _ in range(20):
        factories.GrantFactory(size=size)
    page = client_of(rita)
    with django_assert_max_num_queries(14):
        page.get("/review/suspend/?size=gpt2/355M")
