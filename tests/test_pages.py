"""Every page renders, empty and full; no list asks the database more for more rows; forms keep what was typed."""

import re
import uuid

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from release_portal.access import actions as access
from release_portal.jobs import actions as jobs
from release_portal.jobs.models import Job
from release_portal.partners import actions as partners
from release_portal.releases import actions as releases
from release_portal.releases.models import Audience, Component

from . import factories

PUBLIC = ["/", "/agreement/", "/accounts/login/", "/accounts/signup/", "/accounts/password/reset/", "/api/v1/docs"]
PERSONAL = ["/organisations/", "/organisations/apply/", "/jobs/", "/jobs/new/", "/account/tokens/", "/accounts/email/"]
STAFF = ["/review/", "/review/grants/", "/review/book/"]
NORTHLAKE = "/organisations/university-of-northlake/"
OF_NORTHLAKE = [NORTHLAKE, f"{NORTHLAKE}members/", f"{NORTHLAKE}agreement/", f"{NORTHLAKE}requests/new/"]


def page(client: Client, path: str, status: int = 200) -> str:
    response = client.get(path, follow=True)
    assert response.status_code == status
    return response.content.decode()


# --- empty


@pytest.mark.parametrize("path", PUBLIC)
def test_page_for_a_stranger_renders(client, agreement_version, path):
    assert "</html>" in page(client, path)


@pytest.mark.parametrize("path", PERSONAL)
def test_page_of_a_person_without_an_organisation_renders_and_says_what_is_next(client_of, db, path):
    html = page(client_of(factories.UserFactory(name="Nils Berg")), path)
    main = html[html.index("<main") : html.index("</main>")]
    assert re.search(r"<(a|button)\b", main), "a page without a next step"


@pytest.mark.parametrize("path", [f"{path}?q=nothing-has-this-name" for path in STAFF])
def test_page_of_staff_without_rows_renders(client_of, rita, path):
    html = page(client_of(rita), path)
    assert "nothing-has-this-name" in html


@pytest.mark.parametrize("path", OF_NORTHLAKE)
def test_page_of_an_organisation_that_has_just_applied_renders(applied, client_of, ada, agreement_version, path):
    assert "University of Northlake" in page(client_of(ada), path)


def test_page_of_a_declined_organisation_says_why_and_how_to_apply_again(applied, client_of, ada, rita):
    partners.decline(by=rita, partner=applied, reason="Say more about the purpose.")
    html = page(client_of(ada), NORTHLAKE)
    assert "Say more about the purpose." in html
    assert "Apply again" in html


# --- full


@pytest.mark.parametrize("path", [*OF_NORTHLAKE, "/jobs/", "/jobs/new/", "/account/tokens/"])
def test_page_of_an_organisation_at_work_renders(job, client_of, ada, path):
    assert "Ada Lowell" in page(client_of(ada), path)


@pytest.mark.parametrize("ending", ["queued", "running", "finished", "failed", "cancelled", "stopped"])
def test_page_of_a_job_renders_in_every_state(order, job, grant, client_of, ben, ending):
    if ending == "queued":
        Job.objects.filter(pk=job.pk).update(status="queued")
    elif ending == "finished":
        jobs.receive_report(by=None, report=factories.report_on(order, ended=True, checkpoint="ab" * 32))
    elif ending == "failed":
        reported = factories.report_on(order, texts=1, ended=True, error="The weights are corrupt: install them again.")
        jobs.receive_report(by=None, report=reported)
    elif ending == "cancelled":
        jobs.cancel(by=ben, job=job)
    elif ending == "stopped":
        jobs.enforce_rule(by=None, at=grant.ends_at)
    job.refresh_from_db()
    assert job.status == ending
    html = page(client_of(ben), job.get_absolute_url())
    assert job.get_status_display() in html
    assert job.end_reason in html
    assert ("Cancel the job" in html) == job.is_live
    assert ("Download JSONL" in html) == bool(job.texts_done)


def test_page_of_a_waiting_job_asks_again_and_is_fetched_again_at_its_end(job, client_of, ben):
    client = client_of(ben)
    response = client.get(f"{job.get_absolute_url()}progress/")
    assert "0 of 2 texts" in response.content.decode()
    assert "HX-Refresh" not in response
    jobs.cancel(by=ben, job=job)
    assert client.get(f"{job.get_absolute_url()}progress/")["HX-Refresh"] == "true"


def test_waiting_page_takes_badge_timeline_downloads_and_new_texts_from_its_progress(job, worker, client_of, ben):
    client, address = client_of(ben), f"{job.get_absolute_url()}progress/"
    assert 'name="seen" value="0"' in page(client, job.get_absolute_url())
    jobs.dispatch(by=None)
    jobs.receive_report(by=None, report=factories.report_on(factories.orders_of(job).get(), texts=1))

    html = page(client, f"{address}?seen=0")
    assert "Running" in html
    assert re.search(r"A job of [^<]* started", html)
    for part in ("status", "happened", "downloads", "texts"):
        assert f'id="{part}"' in html
    assert 'name="seen" value="1"' in html
    assert "Download JSONL" in html
    assert 'class="completion"' in html

    html = page(client, f"{address}?seen=1")
    assert 'id="status"' in html
    assert 'id="texts"' not in html


def test_item_of_a_returned_request_says_that_it_was_returned(access_request, ada, rita, client_of):
    access.return_request(by=rita, request=access_request, reason_code="team", reason="Who reads?")
    html = page(client_of(ada), access_request.get_absolute_url())
    assert "Returned for changes" in html
    assert "Not submitted yet" not in html


def test_typed_prompt_beside_a_file_is_not_dropped(grant, client_of, ben):
    details = {
        "grant": grant.pk,
        "prompts": "Once upon",
        "samples": 1,
        "max_new_tokens": 8,
        "temperature": 1,
        "top_k": 40,
    }
    details |= {"top_p": 1, "idempotency_key": "k", "file": SimpleUploadedFile("a.txt", b"Twice")}
    html = client_of(ben).post("/jobs/new/", details).content.decode()
    assert "A prompt is typed and a file chosen; a job takes one of the two." in html
    assert "Once upon" in html
    assert not Job.objects.exists()


def test_page_of_a_size_says_who_may_have_what_and_why(client, size_124m, mara):
    releases.open_component(
        by=mara, of=size_124m, component=Component.WEIGHTS, audience=Audience.OPEN, reason="No harm was seen."
    )
    html = page(client, "/families/gpt2/124M/")
    assert "The weights are public." in html
    assert "No harm was seen." in html
    assert "Weights of GPT-2 124M became “open”" in html


def test_public_pages_tell_nothing_of_who_asks_and_gets(client, grant):
    for path in ("/", "/families/gpt2/", "/families/gpt2/124M/"):
        html = page(client, path)
        assert "Northlake" not in html
        assert "Ada" not in html


# --- forms


def test_form_with_a_mistake_keeps_what_was_typed_and_says_it_beside_the_field(grant, client_of, ben):
    typed = {"grant": grant.pk, "prompts": "Once upon a time", "samples": "3", "max_new_tokens": "7", "top_k": "5"}
    typed |= {"temperature": "hot", "top_p": "0.9", "name": "Kept", "idempotency_key": "k"}
    html = client_of(ben).post("/jobs/new/", typed).content.decode()
    assert html.count("Temperature is a number from 0 to 2; you gave “hot”.") >= 2, "in the summary and at the field"
    assert "Once upon a time" in html
    for value in ("hot", "7", "0.9", "Kept", "k"):
        assert f'value="{value}"' in html
    assert not Job.objects.filter(grant=grant).exists()


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"prompts": ""}, "Type a prompt, or choose a file of prompts."),
        ({"prompts": "a" * 20_001}, "Prompt 1 has 20,001 characters; a prompt takes at most 20,000."),
        ({"prompts": "a\n" * 50_001, "one_per_line": "on"}, "A job takes at most 50,000 prompts; this has 50,001."),
        ({"temperature": "-1"}, "Temperature is a number from 0 to 2; you gave “-1”."),
        ({"seed": "x"}, "Seed is a whole number from 0 to 9,223,372,036,854,775,807; you gave “x”."),
        ({"max_new_tokens": "1024", "samples": "1000"}, "This needs up to 1,024,000 tokens and 100,000 are left"),
        ({"grant": "999999999"}, "Select a valid choice."),
        ({"idempotency_key": "k" * 101}, ""),
    ],
)
def test_job_that_cannot_be_taken_is_refused_on_the_page(grant, client_of, ben, typed, sentence):
    sent = {"grant": grant.pk, "prompts": "Once", "samples": "1", "max_new_tokens": "7", "top_k": "5", "top_p": "1"}
    response = client_of(ben).post("/jobs/new/", sent | {"temperature": "1", "idempotency_key": "k"} | typed)
    assert response.status_code == 200
    assert sentence in response.content.decode()
    assert not Job.objects.filter(grant=grant).exists()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.txt", b"one\n\xff", "“a.txt” is not UTF-8: line 2 has a byte"),
        ("a.jsonl", b'{"prompt": "one"}\nx', "Line 2 of “a.jsonl” is not JSON."),
        ("a.pdf", b"x", "“a.pdf” is neither .txt"),
    ],
)
def test_file_that_cannot_be_read_is_refused_on_the_page(grant, client_of, ben, name, content, sentence):
    sent = {"grant": grant.pk, "samples": "1", "max_new_tokens": "7", "top_k": "5", "top_p": "1", "temperature": "1"}
    sent |= {"idempotency_key": "k", "file": SimpleUploadedFile(name, content)}
    assert sentence in client_of(ben).post("/jobs/new/", sent).content.decode()


def test_double_click_on_the_page_is_one_job(grant, client_of, ben):
    sent = {"grant": grant.pk, "prompts": "Once", "samples": "1", "max_new_tokens": "7", "top_k": "5", "top_p": "1"}
    sent |= {"temperature": "1", "idempotency_key": "the form's own"}
    first, second = (client_of(ben).post("/jobs/new/", sent) for _ in range(2))
    assert first["location"] == second["location"] == Job.objects.get(grant=grant).get_absolute_url()


def test_refusal_by_a_verb_is_a_page_with_the_sentence(job, client_of, ben):
    client = client_of(ben)
    client.post(f"{job.get_absolute_url()}cancel/")
    response = client.post(f"{job.get_absolute_url()}cancel/")
    assert response.status_code == 409
    assert "This job is already cancelled" in response.content.decode()


def test_form_from_another_site_is_refused(job, ben, client_of):
    client = Client(enforce_csrf_checks=True)
    client.cookies = client_of(ben).cookies
    assert client.post(f"{job.get_absolute_url()}cancel/").status_code == 403
    job.refresh_from_db()
    assert job.is_live


# --- every page


@pytest.mark.parametrize("path", ["/", *OF_NORTHLAKE, "/jobs/", "/jobs/new/"])
def test_page_loads_nothing_from_another_host(grant, client_of, ada, path):
    response = client_of(ada).get(path)
    html = response.content.decode()
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=[\"'](?:https?:)?//", html)
    policy = response["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


@pytest.mark.parametrize("path", ["/families/none/", "/jobs/00000000-0000-4000-8000-000000000000/", "/nowhere/"])
def test_page_that_is_not_there_says_so_kindly(client_of, ada, northlake, path):
    html = page(client_of(ada), path, status=404)
    assert "There is no page here" in html
    assert "Go to the models" in html


def test_text_of_people_is_shown_as_text(grant, submit, client_of, ada):
    job = submit(["<script>alert(1)</script>"], name="<b>bold</b>")
    factories.finished_texts(job, 1)
    html = page(client_of(ada), job.get_absolute_url())
    assert "<b>bold</b>" not in html
    assert "<script>alert" not in html


def test_health_says_database_broker_and_workers(client, worker):
    answer = client.get("/health/").json()
    assert (answer["database"], answer["broker"]) == ("up", "up")
    assert answer["workers"] >= 1


# --- the number of queries


def queries(client: Client, path: str) -> int:
    client.get(path)  # what is loaded once and kept
    with CaptureQueriesContext(connection) as asked:
        assert client.get(path).status_code == 200
    return len(asked)


def more_grants(grant, count):
    """Further sizes, each with a grant, a request that waits and one that was declined."""
    for _ in range(count):
        size = factories.SizeFactory(family=grant.size.family)
        factories.GrantFactory(partner=grant.partner, size=size)
        factories.ItemFactory(partner=grant.partner, size=size)
        decided = {"decided_by": grant.granted_by, "decided_at": timezone.now()}
        request = factories.AccessRequestFactory(partner=grant.partner, status="decided", **decided)
        declined = {"status": "declined", "reason_code": "purpose", "reason": "Too vague."} | decided
        factories.ItemFactory(request=request, partner=grant.partner, size=size, **declined)
        factories.EventFactory(about=[f"partners.partner:{grant.partner_id}"])


def more_jobs(grant, count):
    for status in Job.Status.values:
        factories.jobs_of(grant, factories.UserFactory(), count, status=status)


def more_organisations(grant, count):
    for _ in range(count):
        applicant = factories.UserFactory()
        undecided = {"status": "applied", "decided_by": None, "decided_at": None, "applied_by": applicant}
        partner = factories.PartnerFactory(**undecided)
        factories.MembershipFactory(partner=partner)
        factories.ItemFactory(partner=partner)


def more_members(grant, count):
    for _ in range(count):
        factories.MembershipFactory(partner=grant.partner, roles=["viewer", "researcher"])
        partners.invite(
            by=grant.partner.applied_by,
            partner=grant.partner,
            email=f"{uuid.uuid4().hex}@northlake.example",
            roles=list(grant.partner.memberships.first().roles.all()),
        )


def more_events(grant, count):
    factories.EventFactory.create_batch(count)


def more_texts(grant, count):
    job = Job.objects.filter(grant=grant).earliest("submitted_at")
    factories.finished_texts(job, count)
    for _ in range(count):
        factories.EventFactory(about=[f"jobs.job:{job.pk}"])


def more_tokens(grant, count):
    for number in range(count):
        partners.create_token(by=grant.partner.applied_by, name=f"Token {number}")


def more_sizes(grant, count):
    for _ in range(count):
        size = factories.SizeFactory(family=grant.size.family)
        releases.note_weights(by=None, size=size, manifest_sha256=f"{size.pk:064x}", worker="worker-1")


LISTS = [
    ("ada", NORTHLAKE, more_grants),
    ("ada", f"{NORTHLAKE}members/", more_members),
    ("ada", f"{NORTHLAKE}requests/new/", more_sizes),
    ("ada", f"{NORTHLAKE}agreement/", more_members),
    ("ada", "/jobs/", more_jobs),
    ("ada", "/jobs/new/", more_grants),
    ("ada", "job", more_texts),
    ("ada", "/account/tokens/", more_tokens),
    ("ada", "/families/gpt2/", more_sizes),
    ("rita", "/review/", more_organisations),
    ("rita", "/review/grants/", more_grants),
    ("rita", "/review/register/families/gpt2/", more_sizes),
    ("rita", "/review/book/", more_events),
    ("rita", "/review/organisations/university-of-northlake/", more_grants),
    ("rita", "/review/organisations/university-of-northlake/", more_members),
    ("rita", "request", more_grants),
    ("rita", "revoke", more_jobs),
]


@pytest.mark.parametrize(("who", "path", "more"), LISTS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_page_takes_the_same_queries_for_two_rows_and_for_twelve(job, grant, client_of, request, who, path, more):
    client = client_of(request.getfixturevalue(who))
    named = {
        "job": job.get_absolute_url(),
        "request": f"/review/requests/{grant.request_id}/",
        "revoke": f"/review/grants/{grant.pk}/revoke/",
    }
    path = named.get(path, path)
    more(grant, 2)
    few = queries(client, path)
    more(grant, 10)
    assert queries(client, path) == few
    assert few < 40
