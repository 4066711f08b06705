"""The fleet's page and its JSON: what is there, what waits, who gets a letter."""

from datetime import timedelta
from importlib import import_module

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from release_portal.audit.models import Event, Failure
from release_portal.jobs import actions as jobs
from release_portal.jobs.accounts import NO_ACCOUNT, address_for
from release_portal.jobs.models import Outage, Share, Worker
from release_portal.jobs.window import note_drop

from .. import factories

PAGE = "/review/fleet/"


def body(response) -> str:
    return response.content.decode()


@pytest.fixture(autouse=True)
def _nobody_yet(quiet):
    Outage.objects.going_on().delete()
    Failure.objects.all().delete()
    Worker.objects.all().delete()


@pytest.fixture
def nadia(db):
    return factories.UserFactory(name="Nadia Berg", email="nadia@lab.example", lab_roles=["operator"])


def test_see_fleet_with_nothing_there_says_how_to_start_a_worker(client_of, mara):
    page = body(client_of(mara).get(PAGE))
    assert "0 workers, 0 tokens/s. No size has work." in page
    assert "Enrol one" in page
    assert "Nothing waits." in page


def test_see_fleet_with_a_worker_tells_what_it_serves_and_holds(client_of, nadia, gpt2):
    factories.beat("worker-9", loaded=("gpt2/124M",))
    page = body(client_of(nadia).get(PAGE))
    assert "1 worker, 0 tokens/s." in page
    for words in ("worker-9", "float32", "GPT-2 124M (in memory)"):
        assert words in page
    assert "Not there now" not in page


def test_see_fleet_with_a_size_on_the_plain_path_says_that_it_is_slow(client_of, api_of, nadia, gpt2):
    factories.beat("worker-9", loaded=("gpt2/124M",), plain=("gpt2/124M",))
    page = body(client_of(nadia).get(PAGE))
    assert "in memory; slow, for the engine’s own attention does not serve this family" in page
    factories.beat("worker-9", loaded=("gpt2/124M",))
    assert "slow, for" not in body(client_of(nadia).get(PAGE))


def test_see_fleet_after_a_worker_left_tells_so(client_of, nadia):
    factories.beat("worker-9", leaving=True)
    page = body(client_of(nadia).get(PAGE))
    assert "Not there now" in page
    assert "it left" in page


def test_see_fleet_in_an_outage_says_what_to_do(client_of, nadia, job):
    at = timezone.now() - timedelta(minutes=4)
    Outage.objects.create(size=job.size, began_at=at)
    page = body(client_of(nadia).get(PAGE))
    assert "GPT-2 124M has had work and no worker for 4 minutes</strong>: 2 texts wait. Start a worker" in page
    assert "University of Northlake" in page
    assert "Set the weight" not in page, "an operator sets none"


def test_see_fleet_is_in_the_navigation_of_those_who_may(client_of, mara, rita, nadia):
    link = f'<a href="{PAGE}"'
    assert [link in body(client_of(who).get("/")) for who in (mara, nadia, rita)] == [True, True, False]


def test_set_weight_by_the_page_is_kept(client_of, mara, job):
    share = Share.objects.get(partner=job.partner, size=job.size)
    client = client_of(mara)
    page = f"{PAGE}shares/{share.pk}/"
    assert f'href="{page}"' in body(client.get(PAGE))
    assert 'name="weight" value="1"' in body(client.get(page))
    assert "Weight is a number from 0.1 to 100; you gave “200”." in body(client.post(page, {"weight": "200"}))
    answer = client.post(page, {"weight": "2.5"}, follow=True)
    assert "The weight of University of Northlake at GPT-2 124M is 2.5." in body(answer)
    share.refresh_from_db()
    assert share.weight == 2.5


def test_fleet_by_api_tells_the_same(api_of, mara, order):
    Outage.objects.create(size=order.size, began_at=timezone.now())
    answer = api_of(mara).get("/api/v1/fleet").json()
    assert [worker["name"] for worker in answer["workers"]] == ["worker-1"]
    assert [(queue["size"], queue["with_workers"]) for queue in answer["queues"]] == [("gpt2/124M", 2)]
    assert [(outage["size"], outage["texts"]) for outage in answer["outages"]] == [("gpt2/124M", 2)]
    assert [(share["weight"], share["percent"]) for share in answer["shares"]] == [(1, None)]
    assert (answer["gone"], answer["given_up"]) == ([], [])


def test_see_fleet_and_ask_by_api_which_texts_were_given_up(client_of, api_of, mara, job):
    text = factories.finished_texts(job, 1)[0]
    text.finish_reason, text.error = "failed", "It was tried 3 times."
    text.save()
    (found,) = api_of(mara).get("/api/v1/fleet").json()["given_up"]
    assert (found["job"], found["index"], found["error"]) == (str(job.pk), 2, "It was tried 3 times.")
    assert "It was tried 3 times." in body(client_of(mara).get(PAGE))


def test_set_weight_by_api_is_kept_or_refused_with_its_limits(api_of, mara, northlake, size_124m):
    api, details = api_of(mara), {"organisation": northlake.slug, "size": "gpt2/124M"}

    def send(weight):
        return api.post("/api/v1/fleet/weights", details | {"weight": weight}, content_type="application/json")

    assert send(3).json() == {"size": "gpt2/124M", "organisation": northlake.slug, "weight": 3}
    answer = send(0)
    assert answer.status_code == 422
    assert (answer.json()["limit"], answer.json()["field"]) == ([0.1, 100], "weight")


def test_fleet_asks_the_database_no_more_for_more_of_everything(client_of, mara, job, ben):
    client = client_of(mara)

    def counted() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get(PAGE).status_code == 200
        return len(queries)

    def add(number: int) -> None:
        """A worker, a size with a job and an outage, and an organisation at work with it."""
        size = factories.SizeFactory(family=job.size.family, name=f"{number}X")
        factories.beat(f"worker-{number}", size=size.path)
        factories.beat(f"gone-{number}", size=size.path, leaving=True)
        partner = factories.PartnerFactory()
        Share.objects.create(size=size, partner=partner)
        (other,) = factories.jobs_of(job.grant, ben, 1)
        other.partner, other.size = partner, size
        other.save()
        text = factories.finished_texts(other, 1)[0]
        text.finish_reason = "failed"
        text.save()
        Outage.objects.create(size=size, began_at=timezone.now())
        factories.FailureFactory()

    add(1)
    before = counted()
    for number in range(2, 21):
        add(number)
    assert counted() == before


def test_enroll_shows_the_environment_once_and_keeps_it_out_of_caches(client_of, nadia):
    answer = client_of(nadia).post("/review/fleet/workers/", {"name": "anna"})
    anna = Worker.objects.get(name="anna")
    for words in ("WORKER_NAME=anna", f"WORKER_KEY={anna.key}", "REDIS_URL=unix://worker-anna:"):
        assert words in body(answer)
    assert answer["cache-control"] == "private, no-store"
    assert anna.key not in body(client_of(nadia).get("/review/fleet/workers/"))
    assert anna.key not in body(client_of(nadia).get(PAGE))


@pytest.mark.parametrize("there", [False, True])
def test_enroll_says_where_the_broker_has_no_account_yet(client_of, nadia, monkeypatch, there):
    monkeypatch.setattr(import_module("release_portal.review.views.fleet"), "has_account", lambda worker: there)
    page = body(client_of(nadia).post("/review/fleet/workers/", {"name": "anna"})).replace("&#x27;", "'")
    assert (NO_ACCOUNT in page) is not there


def test_enroll_under_a_name_that_is_taken_keeps_what_was_typed(client_of, nadia):
    factories.beat("anna")
    page = body(client_of(nadia).post("/review/fleet/workers/", {"name": "anna"}))
    assert "A worker named anna is enrolled already. Revoke it first, or choose another name." in page
    assert 'value="anna"' in page


def test_revoke_says_first_what_it_does(client_of, nadia, order):
    page = body(client_of(nadia).get(f"/review/fleet/workers/{order.worker.pk}/revoke/"))
    assert "1, with 2 texts: another worker gets them, and this is no attempt" in page
    assert "gpt2/124M" in page


def test_revoke_needs_a_reason_and_then_the_fleet_says_so(client_of, nadia, worker):
    address = f"/review/fleet/workers/{worker.pk}/revoke/"
    assert "Say why. Those who look after the workers read it." in body(client_of(nadia).post(address, {"reason": ""}))
    page = body(client_of(nadia).post(address, {"reason": "Its machine was stolen."}, follow=True))
    assert "The key of worker worker-1 is revoked. It stops now." in page
    assert "its key was revoked" in page


def test_fleet_says_what_a_worker_reported_that_cannot_be_and_what_was_dropped(client_of, nadia, worker):
    now = timezone.now()
    jobs.flag(by=None, name=worker.name, flaw="a text with 11 tokens; 10 were asked for", at=now)
    note_drop("it was read before", at=now)
    page = body(client_of(nadia).get(PAGE))
    assert "Worker worker-1 reported 1 time what cannot be" in page
    assert "a text with 11 tokens; 10 were asked for. Such a text fails and is not charged." in page
    assert "It was read before" in page


def test_enroll_and_revoke_through_the_api(api_of, nadia):
    client = api_of(nadia)
    answer = client.post("/api/v1/fleet/workers", {"name": "anna"}, content_type="application/json")
    anna = Worker.objects.get(name="anna")
    assert answer.status_code == 201
    assert answer.json() == {"name": "anna", "key": anna.key, "redis_url": address_for(anna)}
    gone = client.post("/api/v1/fleet/workers/anna/revoke", {"reason": "Stolen."}, content_type="application/json")
    assert gone.status_code == 204
    anna.refresh_from_db()
    assert anna.revoke_reason == "Stolen."
    again = client.post("/api/v1/fleet/workers/anna/revoke", {"reason": "Stolen."}, content_type="application/json")
    assert (again.status_code, again.json()["detail"]) == (409, "The key of worker anna is revoked already.")
    assert client.get("/api/v1/fleet").json()["gone"][0]["revoked_at"]


# --- what keeps failing


def test_see_fleet_where_nothing_fails_says_so(client_of, nadia):
    page = body(client_of(nadia).get(PAGE))
    assert "Nothing: every mail, grant, request and order is done at its time." in page
    assert "Try now" not in page


def test_see_fleet_tells_what_fails_and_why(client_of, nadia):
    failure = factories.FailureFactory()
    page = body(client_of(nadia).get(PAGE))
    assert "1 thing keeps failing</a>. The others go on." in page
    for words in (failure.name, "Ending a grant", "Try now", failure.error, '<td class="number" data-label="Tries">3'):
        assert words in page


def test_see_fleet_with_many_failures_shows_the_most_tried(client_of, nadia):
    for attempts in range(1, 26):
        factories.FailureFactory(name=f"Thing {attempts}.", attempts=attempts)
    page = body(client_of(nadia).get(PAGE))
    assert "25 things, most tried first; the first 20 are shown." in page
    assert ("Thing 25." in page, "Thing 5." in page) == (True, False)


def test_fleet_by_api_tells_what_fails(api_of, nadia):
    failure = factories.FailureFactory()
    answer = api_of(nadia).get("/api/v1/fleet").json()
    (one,) = answer["failing"]
    assert (answer["failing_number"], one["id"], one["thing"], one["act"], one["attempts"], one["error"]) == (
        1, failure.pk, failure.name, "Ending a grant", 3, failure.error,
    )  # fmt: skip


@pytest.mark.parametrize("door", ["page", "api"])
def test_try_now_wakes_the_task_at_once(client_of, api_of, nadia, wire, door):
    failure = factories.FailureFactory(task="jobs.dispatch:rule")
    with wire:
        if door == "page":
            answer = client_of(nadia).post(f"{PAGE}failures/{failure.pk}/try/", follow=True)
            assert f"{failure.name} is tried again now." in body(answer)
        else:
            answer = api_of(nadia).post(f"/api/v1/fleet/failures/{failure.pk}/try")
            assert answer.json()["id"] == failure.pk
    assert wire.names == ["jobs.dispatch"]
    before, after = failure.next_try_at, Failure.objects.get().next_try_at
    assert after < before
    assert Event.objects.about(failure).get().kind == "failure.retried"


def test_try_now_of_what_was_done_meanwhile_says_so(client_of, nadia):
    answer = client_of(nadia).post(f"{PAGE}failures/0/try/", follow=True)
    assert "It was done meanwhile." in body(answer)
