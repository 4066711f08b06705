"""Security events stay whatever becomes of the request, say nothing secret, and never stand in its way."""

import json
import re
from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction
from django.test import Client
from django.urls import URLPattern, get_resolver

from release_portal.access.actions import suspend
from release_portal.audit.actions import note
from release_portal.audit.models import SecurityEvent
from release_portal.jobs.models import Job
from release_portal.lib.states import Refused
from release_portal.partners.actions import create_token, revoke_token
from release_portal.partners.watch import THINGS

from .. import factories

Kind = SecurityEvent.Kind
SECRETS = {"key", "uidb36"}  # parts of addresses that are never kept


def events_of(person) -> list[tuple[str, str]]:
    events = SecurityEvent.objects.filter(by=person).exclude(kind=Kind.SIGNED_IN).order_by("id")
    return list(events.values_list("kind", "sentence"))


@pytest.fixture
def texts(job) -> Job:
    factories.finished_texts(job, 2)
    return job


# --- downloads


@pytest.mark.parametrize("path", ["/jobs/{pk}/texts.jsonl", "/jobs/{pk}/texts.csv", "/jobs/{pk}/texts.spreadsheet.csv"])
def test_download_of_texts_is_noted(texts, ben, client_of, path):
    client_of(ben).get(path.format(pk=texts.pk))
    event = SecurityEvent.objects.latest("id")
    assert (event.kind, event.by, event.text) == (
        "texts.read",
        ben,
        "Texts of a job of GPT-2 124M, 2 texts were downloaded",
    )
    assert event.about == [f"jobs.job:{texts.pk}", f"partners.partner:{texts.partner_id}"]
    assert "and so on" not in json.dumps(event.detail) + event.sentence


def test_texts_read_by_api_are_noted_once_a_minute(texts, ben, api_of):
    client = api_of(ben)
    for _ in range(3):
        assert client.get(f"/api/v1/jobs/{texts.pk}/texts").status_code == 200
    event = SecurityEvent.objects.get(kind=Kind.TEXTS_READ)
    assert event.detail == {"address": "127.0.0.1", "door": "api", "form": "json"}


def test_texts_read_on_the_page_of_a_job_are_noted_once_a_minute(texts, ben, client_of):
    client = client_of(ben)
    for page in (1, 2, 1):
        assert client.get(f"/jobs/{texts.pk}/?page={page}").status_code == 200
    event = SecurityEvent.objects.get(kind=Kind.TEXTS_READ)
    assert (event.by, event.text) == (ben, "Texts of a job of GPT-2 124M, 2 texts were read on its page")
    assert event.detail == {"address": "127.0.0.1", "door": "page", "form": "page"}
    client.get(f"/jobs/{texts.pk}/texts.csv")
    forms = SecurityEvent.objects.filter(kind=Kind.TEXTS_READ).order_by("id").values_list("detail__form", flat=True)
    assert list(forms) == ["page", "csv"], "a download is noted although the page was read a moment ago"


def test_page_of_a_job_without_texts_is_not_noted(job, ben, rita, client_of):
    client_of(ben).get(f"/jobs/{job.pk}/")
    factories.finished_texts(job, 1)
    suspend(by=rita, subject=job.partner, reason_code="misuse", reason="It is looked into.")
    client_of(ben).get(f"/jobs/{job.pk}/")
    assert not SecurityEvent.objects.filter(kind=Kind.TEXTS_READ).exists()


def test_texts_that_are_held_are_noted_as_refused(texts, ben, rita, client_of):
    suspend(by=rita, subject=texts.partner, reason_code="misuse", reason="It is looked into.")
    client_of(ben).get(f"/jobs/{texts.pk}/texts.csv")
    assert [kind for kind, _ in events_of(ben)] == ["access.refused"]


# --- refusals


def test_door_of_anothers_things_is_noted(job, cleo, client_of, api_of):
    assert client_of(cleo).get(f"/jobs/{job.pk}/").status_code == 404
    assert api_of(cleo).get(f"/api/v1/jobs/{job.pk}").status_code == 404
    assert events_of(cleo) == [
        ("access.refused", f"Refused at GET /jobs/{job.pk}/: nothing there for this person"),
        ("access.refused", f"Refused at GET /api/v1/jobs/{job.pk}: nothing there for this person"),
    ]
    detail = SecurityEvent.objects.latest("id").detail
    assert (detail["status"], detail["door"], detail["things"]) == (404, "api", {"job_id": str(job.pk)})


def test_door_without_the_right_is_noted(northlake, ben, client_of):
    client_of(ben).post(f"/organisations/{northlake.slug}/members/", {"email": "x@y.example", "roles": ["viewer"]})
    assert events_of(ben) == [
        ("access.refused", f"Refused at POST /organisations/{northlake.slug}/members/: not allowed")
    ]


def test_act_that_was_done_too_often_is_noted_once_a_minute(northlake, ada, api_of, settings):
    settings.RATE_LIMITS = {"invite.person": "1/h"}
    client, path = api_of(ada), f"/api/v1/organisations/{northlake.slug}/invitations"
    for n in range(4):
        sent = {"email": f"nils-{n}@northlake.example", "roles": ["viewer"]}
        client.post(path, sent, content_type="application/json")
    refused = SecurityEvent.objects.filter(by=ada, kind=Kind.REFUSED)
    assert [event.sentence for event in refused] == [f"Refused at POST {path}: too often"]


def test_what_is_open_or_unknown_or_anonymous_is_not_noted(northlake, ben, zoe, client_of):
    client_of(ben).get(f"/organisations/{northlake.slug}/")
    client_of(ben).get("/nothing/here/")
    zoe.get("/organisations/nobody/")
    zoe.get("/agreement/99/")
    assert events_of(ben) == []
    assert not SecurityEvent.objects.filter(by=None).exists()


def test_secret_in_an_address_is_never_kept(ben, client_of):
    client_of(ben).get("/invitations/the-secret-key/")
    client_of(ben).get("/accounts/confirm-email/the-secret-key/")
    events = SecurityEvent.objects.all()
    assert not any("the-secret-key" in f"{event.sentence} {event.detail}" for event in events)


# --- tokens


@pytest.fixture
def ask_with():
    def ask(secret: str) -> int:
        return Client(headers={"authorization": f"Bearer {secret}"}).get("/api/v1/me").status_code

    return ask


def test_token_that_was_revoked_is_noted_once_a_minute_with_its_owner(ben, ask_with):
    token, secret = create_token(by=ben, name="notebook")
    assert ask_with(secret) == 200
    revoke_token(by=ben, token=token)
    assert [ask_with(secret) for _ in range(3)] == [401] * 3
    event = SecurityEvent.objects.get(kind=Kind.SIGN_IN_FAILED)
    assert (event.by, event.text) == (None, "A sign-in with an API token of Ben Hart failed")
    assert event.about == [f"partners.user:{ben.pk}", f"partners.apitoken:{token.pk}"]
    assert event.detail == {"address": "127.0.0.1", "door": "api"}


def test_token_with_a_wrong_secret_is_noted_without_it(ben, ask_with):
    _, secret = create_token(by=ben, name="notebook")
    assert ask_with(secret[:-1] + ("a" if secret[-1] != "a" else "b")) == 401
    assert ask_with("a-password-that-was-pasted") == 401
    events = SecurityEvent.objects.filter(kind=Kind.SIGN_IN_FAILED).order_by("id")
    assert [event.text for event in events] == [
        "A sign-in with an API token of Ben Hart failed",
        "A sign-in with an API token that nobody has failed",
    ]
    kept = str(list(events.values()))
    assert "pasted" not in kept
    assert secret[3:15] not in kept
    assert secret[16:59] not in kept


def test_request_without_a_token_is_not_noted(zoe, db):
    assert zoe.get("/api/v1/me").status_code == 401
    assert not SecurityEvent.objects.exists()


def parts_of_addresses(patterns) -> set[str]:
    found = set()
    for pattern in patterns:
        found |= set(pattern.pattern.regex.groupindex)
        if not isinstance(pattern, URLPattern):
            found |= parts_of_addresses(pattern.url_patterns)
    return found


def test_every_part_of_an_address_is_a_thing_or_a_secret():
    assert parts_of_addresses(get_resolver().url_patterns) == THINGS | SECRETS


# --- its own transaction


def test_event_stays_where_the_request_fails(committed, client_of, monkeypatch):
    person, grant = factories.UserFactory(), factories.GrantFactory()
    factories.MembershipFactory(user=person, partner=grant.partner, roles=["researcher"])
    factories.AgreementFactory(partner=grant.partner, signed=True)
    (job,) = factories.jobs_of(grant, person, 1, status=Job.Status.CANCELLED)
    client = client_of(person)
    client.raise_request_exception = False

    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr("release_portal.jobs.views.lines_of", fail)
    assert client.get(f"/jobs/{job.pk}/texts.csv").status_code == 500
    assert [kind for kind, _ in events_of(person)] == ["texts.read"]


def test_event_is_not_lost_with_what_is_rolled_back(committed, caplog):
    """Inside a transaction it would go with it: that is refused, and logged."""
    person = factories.UserFactory()
    with pytest.raises(Refused), transaction.atomic():
        note(Kind.SIGNED_IN, "Signed in", by=person)
        raise Refused("No.")
    assert events_of(person) == []
    assert "kind account.signed_in was not noted" in caplog.text
    note(Kind.SIGNED_OUT, "Signed out", by=person)
    assert events_of(person) == [("account.signed_out", "Signed out")]


def test_event_that_cannot_be_written_stops_nothing(ben, texts, client_of, monkeypatch, caplog):
    def fail(**_):
        raise DatabaseError("The disk is full.")

    monkeypatch.setattr(SecurityEvent.objects, "create", fail)
    assert client_of(ben).get(f"/jobs/{texts.pk}/texts.csv").status_code == 200
    assert client_of(ben).get("/organisations/nobody/").status_code == 404
    assert re.search("kind texts.read was not noted", caplog.text)


def test_same_event_is_noted_again_once_the_time_is_over(ada, ben):
    for person in (ada, ada, ben):
        note(Kind.TEXTS_READ, "Texts were downloaded", by=person, every=timedelta(minutes=1))
    note(Kind.TEXTS_READ, "Texts were downloaded", by=ada, every=timedelta(0))
    assert (len(events_of(ada)), len(events_of(ben))) == (2, 1)
