"""The JSON door: every refusal is a problem document, and another organisation's things are not there."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from release_portal.access.actions import revoke_grant
from release_portal.jobs import actions as jobs
from release_portal.jobs.models import Job
from release_portal.partners.actions import revoke_token
from release_portal.partners.models import ApiToken

from . import factories

JOBS = "/api/v1/jobs"
BODY = {"size": "gpt2/124M", "prompts": ["one", "two"], "max_new_tokens": 10}


@pytest.fixture
def bens(api_of, ben):
    return api_of(ben)


def post(client, body, path=JOBS, **headers):
    content = body if isinstance(body, str) else json.dumps(body)
    return client.post(path, content, content_type="application/json", headers=headers)


def problem(response) -> dict:
    """The problem document of an answer; its status is the answer's own."""
    assert response["content-type"] == "application/problem+json"
    answer = response.json()
    assert answer["status"] == response.status_code
    assert answer["title"]
    assert answer["detail"]
    return answer


def test_submit_answers_with_the_job(bens, grant):
    response = post(bens, BODY | {"seed": 5, "samples": 2, "name": "Mine"})
    assert response.status_code == 201
    answer = response.json()
    job = Job.objects.get(pk=answer["id"])
    assert (answer["status"], answer["size"], answer["organisation"]) == (
        "queued",
        "gpt2/124M",
        "university-of-northlake",
    )
    assert (answer["prompts"], answer["texts"], answer["texts_done"], answer["seed"]) == (2, 4, 0, 5)
    assert (answer["submitted_by"], answer["name"], answer["url"]) == ("Ben Hart", "Mine", f"/jobs/{job.pk}/")
    assert answer["progress"].startswith("0 of 4 texts. No worker serves GPT-2 124M now")


@pytest.mark.parametrize(
    ("body", "field", "limit", "given", "detail"),
    [
        ({"prompts": []}, "prompts", None, None, "Type a prompt, or choose a file of prompts."),
        ({"prompts": [""]}, "prompts", None, 1, "Prompt 1 is empty."),
        ({"prompts": ["a" * 20_001]}, "prompts", 20_000, 20_001, "Prompt 1 has 20,001 characters; a prompt takes at"),
        ({"prompts": ["a"] * 50_001}, "prompts", 50_000, 50_001, "A job takes at most 50,000 prompts; this has 50,001"),
        ({"temperature": -1}, "temperature", [0, 2], -1, "Temperature is a number from 0 to 2; you gave “-1"),
        ({"temperature": "hot"}, "temperature", [0, 2], "hot", "Temperature is a number from 0 to 2; you gave “hot”."),
        ({"samples": "many"}, "samples", [1, 1000], "many", "Samples per prompt is a whole number from 1 to 1,000"),
        ({"samples": 1.5}, "samples", [1, 1000], 1.5, "Samples per prompt is a whole number from 1 to 1,000"),
        ({"size": "gpt2/9B"}, "size", None, "gpt2/9B", "There is no size “gpt2/9B”."),
        ({"size": "gpt2/355M"}, "size", None, "gpt2/355M", "GPT-2 355M has not been granted to University of"),
        ({"max_new_tokens": 1_024, "prompts": ["a"] * 100}, "quota", None, "gpt2/124M", "This needs up to 102,400"),
        ({"prompts": "one"}, "prompts", None, "one", "“prompts”: "),
        ({"prompts": ["a", 1]}, "prompts.1", None, 1, "“prompts.1”: "),
        ({"seed": None, "name": 5}, "name", None, 5, "“name”: "),
        ({"name": "a\x00b"}, "name", None, None, ""),
        ({"size": "a\x00b"}, "size", None, None, ""),
        ({"organisation": "a\x00b"}, "organisation", None, None, ""),
        ({"prompts": ["a\ud800b"]}, "prompts", None, None, ""),
        ({"stop": ["x"]}, "stop", None, None, "“stop” is not known here; did you mean “top_p”?"),
        ({"max_tokens": 5}, "max_tokens", None, None, "“max_tokens” is not known here; did you mean “max_new_tokens”?"),
        ({"n": 3}, "n", None, None, "“n” is not known here; known are size, organisation, samples, max_new_tokens,"),
    ],
)
def test_submit_what_is_not_accepted_says_field_limit_and_what_was_given(
    bens, grant, body, field, limit, given, detail
):
    response = post(bens, BODY | body)
    assert response.status_code == 422
    answer = problem(response)
    assert answer["field"].startswith(field)
    assert answer["detail"].startswith(detail)
    if limit is not None:
        assert answer["limit"] == limit
    if given is not None:
        assert answer["given"] == given
    assert not Job.objects.filter(grant=grant).exists()


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '"text"', "{}"])
def test_submit_what_is_no_job_is_not_accepted(bens, grant, body):
    response = post(bens, body)
    assert response.status_code in {400, 422}
    assert problem(response)


def test_submit_after_the_grant_was_revoked_says_when_and_why(bens, grant, mara):
    revoke_grant(by=mara, grant=grant, reason_code="misuse", reason="A key was shared.")
    answer = problem(post(bens, BODY))
    assert answer["status"] == 422
    assert answer["detail"].startswith("The grant of GPT-2 124M was revoked on")


def test_submit_by_a_person_without_the_right_is_not_allowed(api_of, grant):
    viewer = factories.UserFactory()
    factories.MembershipFactory(user=viewer, partner=grant.partner, roles=["viewer"])
    assert problem(post(api_of(viewer), BODY))["status"] == 403


def test_submit_by_a_person_of_no_organisation_says_so(api_of, size_124m, rita):
    answer = problem(post(api_of(rita), BODY))
    assert answer["detail"] == "Name the organisation that the job is for; you belong to: none."


def test_submit_for_an_organisation_that_is_not_ones_own_finds_nothing(bens, southbank_grant):
    assert problem(post(bens, BODY | {"organisation": "southbank-institute"}))["status"] == 404


def test_submit_while_belonging_to_two_takes_the_one_with_the_grant(bens, ben, grant, southbank):
    factories.MembershipFactory(user=ben, partner=southbank, roles=["researcher"])
    assert post(bens, BODY).json()["organisation"] == "university-of-northlake"


def test_submit_while_two_grant_the_size_asks_for_the_organisation(bens, ben, grant, southbank_grant):
    factories.MembershipFactory(user=ben, partner=southbank_grant.partner, roles=["researcher"])
    answer = problem(post(bens, BODY))
    assert (answer["field"], answer["status"]) == ("organisation", 422)
    assert "southbank-institute" in answer["detail"]
    answer = post(bens, BODY | {"organisation": "southbank-institute"}).json()
    assert answer["organisation"] == "southbank-institute"


def test_submit_twice_with_one_key_is_one_job(bens, grant):
    first = post(bens, BODY, **{"Idempotency-Key": "once"}).json()
    second = post(bens, BODY, **{"Idempotency-Key": "once"})
    assert second.json()["id"] == first["id"]
    assert Job.objects.filter(grant=grant).count() == 1


def test_submit_with_an_overlong_key_is_not_accepted(bens, grant):
    assert problem(post(bens, BODY, **{"Idempotency-Key": "k" * 101}))["status"] == 422


# --- from a file


def upload(client, name, content, **settings):
    details = {"size": "gpt2/124M", "max_new_tokens": 10, "file": SimpleUploadedFile(name, content)} | settings
    return client.post(f"{JOBS}/from-file", details)


@pytest.mark.parametrize(
    ("name", "content"), [("a.txt", b"one\ntwo\n"), ("a.jsonl", b'{"prompt": "one"}\n{"prompt": "two"}')]
)
def test_submit_a_file_reads_its_prompts(bens, grant, name, content):
    response = upload(bens, name, content, samples=2, temperature="0.5")
    assert response.status_code == 201
    job = Job.objects.get(pk=response.json()["id"])
    assert list(job.prompts.order_by("index").values_list("text", flat=True)) == ["one", "two"]
    assert (job.samples, job.temperature) == (2, 0.5)


@pytest.mark.parametrize(
    ("name", "content", "given", "detail"),
    [
        ("a.jsonl", b'{"prompt": "one"}\n{\n', 2, "Line 2 of “a.jsonl” is not JSON."),
        ("a.txt", b"one\n\xff", 2, "“a.txt” is not UTF-8: line 2"),
        ("a.pdf", b"one", "a.pdf", "“a.pdf” is neither .txt"),
        ("a.txt", b"", "a.txt", "“a.txt” has no prompts."),
    ],
)
def test_submit_a_file_that_cannot_be_read_says_the_line(bens, grant, name, content, given, detail):
    answer = problem(upload(bens, name, content))
    assert (answer["status"], answer["field"], answer["given"]) == (422, "file", given)
    assert answer["detail"].startswith(detail)


def test_submit_a_file_with_a_temperature_that_is_none_says_so(bens, grant):
    answer = problem(upload(bens, "a.txt", b"one", temperature="hot"))
    assert (answer["field"], answer["given"]) == ("temperature", "hot")


def test_submit_without_the_file_says_so(bens, grant):
    answer = problem(bens.post(f"{JOBS}/from-file", {"size": "gpt2/124M"}))
    assert (answer["status"], answer["field"]) == (422, "file")


# --- reading


def test_list_shows_ones_own_newest_first(bens, submit, southbank_grant, cleo):
    jobs_ = [submit(), submit()]
    submit(by=cleo, partner=southbank_grant.partner)
    answer = bens.get(JOBS).json()
    assert [item["id"] for item in answer["items"]] == [str(job.pk) for job in reversed(jobs_)]
    assert answer["count"] == 2


def test_list_by_status(bens, submit, ben):
    queued, cancelled = submit(), submit()
    jobs.cancel(by=ben, job=cancelled)
    assert [item["id"] for item in bens.get(f"{JOBS}?status=cancelled").json()["items"]] == [str(cancelled.pk)]
    assert [item["id"] for item in bens.get(f"{JOBS}?status=queued").json()["items"]] == [str(queued.pk)]


def test_cancel_answers_with_the_job_as_it_is_now(bens, job):
    answer = bens.post(f"{JOBS}/{job.pk}/cancel").json()
    assert (answer["status"], answer["id"]) == ("cancelled", str(job.pk))
    assert problem(bens.post(f"{JOBS}/{job.pk}/cancel"))["detail"].startswith("This job is already cancelled")


def test_texts_are_read_page_by_page(bens, job):
    factories.finished_texts(job, 3)
    answer = bens.get(f"{JOBS}/{job.pk}/texts?limit=2&offset=2").json()
    assert answer["count"] == 3
    assert [item["prompt"] for item in answer["items"]] == ["Prompt 2"]


@pytest.mark.parametrize(
    ("field", "given", "limit", "detail"),
    [
        ("limit", 1_001, 1_000, "“limit” is at most 1,000; you gave 1001."),
        ("limit", 0, 1, "“limit” is at least 1; you gave 0."),
        ("offset", 10**30, 2**31 - 1, "“offset” is at most 2,147,483,647; you gave 1000000"),
        ("offset", -1, 0, "“offset” is at least 0; you gave -1."),
    ],
)
def test_page_beyond_its_limits_is_refused_with_the_limit(bens, field, given, limit, detail):
    answer = problem(bens.get(JOBS, {field: given}))
    assert (answer["status"], answer["field"], answer["limit"], answer["given"]) == (422, field, limit, str(given))
    assert answer["detail"].startswith(detail)


def test_every_list_of_the_api_has_the_same_largest_page(client):
    document = client.get("/api/v1/openapi.json").json()
    largest = {
        parameter["schema"].get("maximum")
        for methods in document["paths"].values()
        for operation in methods.values()
        for parameter in operation.get("parameters", [])
        if parameter["name"] == "limit"
    }
    assert largest == {1_000}


def test_list_without_pages_is_one_that_cannot_grow(client):
    """The families of one lab, and what an organisation may use of their sizes: a few of each."""
    document = client.get("/api/v1/openapi.json").json()
    answers = {
        path: methods["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        for path, methods in document["paths"].items()
        if "get" in methods
    }
    without = {path for path, schema in answers.items() if schema.get("type") == "array"}
    assert without == {"/api/v1/families", "/api/v1/organisations/{slug}/access"}


def test_text_that_is_too_long_is_refused_with_the_limit_and_its_length(bens, grant):
    answer = problem(post(bens, BODY | {"name": "x" * 2**20}))
    assert (answer["status"], answer["field"], answer["limit"], answer["given"]) == (422, "name", 120, 2**20)
    assert answer["detail"] == "“name” has 1,048,576 characters; it takes at most 120."


def test_number_that_is_none_is_refused_in_json(api_of, mara, grant):
    body = {"organisation": grant.partner.slug, "size": "gpt2/124M", "weight": "nan"}
    answer = problem(post(api_of(mara), body, "/api/v1/fleet/weights"))
    assert (answer["field"], answer["given"]) == ("weight", "nan")


@pytest.mark.parametrize("path", ["", "/texts", "/cancel"])
def test_job_of_another_organisation_is_not_there(api_of, job, southbank, cleo, path):
    client = api_of(cleo)
    response = (client.post if path == "/cancel" else client.get)(f"{JOBS}/{job.pk}{path}")
    answer = problem(response)
    nothing = problem(client.get(f"{JOBS}/00000000-0000-4000-8000-000000000000"))
    assert answer == nothing, "what exists elsewhere must look like what does not exist"
    assert answer["status"] == 404


def test_job_id_that_is_none_is_not_accepted(bens):
    assert problem(bens.get(f"{JOBS}/42"))["status"] == 422


def test_me_tells_organisations_grants_and_what_is_left(bens, grant, submit):
    submit()
    answer = bens.get("/api/v1/me").json()
    assert (answer["name"], answer["email"]) == ("Ben Hart", "ben@northlake.example")
    assert answer["organisations"] == ["university-of-northlake"]
    (granted,) = answer["grants"]
    assert (granted["size"], granted["token_quota"], granted["tokens_left"]) == ("gpt2/124M", 100_000, 99_980)
    assert (granted["tokens_used"], granted["tokens_reserved"]) == (0, 20)


def test_families_are_public(client, gpt2):
    (found,) = [family for family in client.get("/api/v1/families").json() if family["slug"] == "gpt2"]
    assert [size["name"] for size in found["sizes"]] == ["124M", "355M", "774M", "1558M"]
    assert {part["label"] for part in found["sizes"][0]["components"]} == {"Hosted generation", "Weights"}


# --- who is asking


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer rp_guessed", "Basic YTpi", "Token x"])
def test_unknown_person_reads_how_to_be_known(client, job, header):
    headers = {"authorization": header} if header else {}
    response = client.get(JOBS, headers=headers)
    answer = problem(response)
    assert (answer["status"], "Make one on the Tokens page" in answer["detail"]) == (401, True)


def test_session_is_not_a_token(client_of, ben):
    """A page of another site could send a browser's cookies, never a token."""
    assert client_of(ben).get(JOBS).status_code == 401


def test_revoked_token_is_nobodys(bens, ben):
    assert bens.get(JOBS).status_code == 200
    revoke_token(by=ben, token=ApiToken.objects.get(user=ben))
    assert bens.get(JOBS).status_code == 401


def test_list_of_jobs_takes_the_same_queries_for_every_number(bens, grant, ben):
    factories.jobs_of(grant, ben, 2, status="running")
    bens.get(JOBS)  # notes the use of the token, once a minute
    with CaptureQueriesContext(connection) as few:
        bens.get(JOBS)
    factories.jobs_of(grant, ben, 10, status="running")
    factories.jobs_of(grant, ben, 2)
    with CaptureQueriesContext(connection) as many:
        assert bens.get(JOBS).json()["count"] == 14
    assert len(many) == len(few)


def test_openapi_describes_every_operation(client):
    answer = client.get("/api/v1/openapi.json").json()
    assert set(answer["paths"]) == {
        "/api/v1/fleet/workers",
        "/api/v1/fleet/workers/{name}/revoke",
        "/api/v1/families",
        "/api/v1/me",
        "/api/v1/jobs",
        "/api/v1/jobs/from-file",
        "/api/v1/jobs/{job_id}",
        "/api/v1/jobs/{job_id}/cancel",
        "/api/v1/jobs/{job_id}/texts",
        "/api/v1/organisations",
        "/api/v1/organisations/{slug}",
        "/api/v1/organisations/{slug}/correct",
        "/api/v1/organisations/{slug}/admit",
        "/api/v1/organisations/{slug}/return",
        "/api/v1/organisations/{slug}/decline",
        "/api/v1/organisations/{slug}/members",
        "/api/v1/organisations/{slug}/invitations",
        "/api/v1/organisations/{slug}/service-accounts",
        "/api/v1/organisations/{slug}/leave",
        "/api/v1/organisations/{slug}/close",
        "/api/v1/organisations/{slug}/access",
        "/api/v1/organisations/{slug}/findings",
        "/api/v1/organisations/{slug}/grants",
        "/api/v1/organisations/{slug}/grants/{pk}",
        "/api/v1/organisations/{slug}/grants/{pk}/amendment",
        "/api/v1/organisations/{slug}/grants/{pk}/renewal",
        "/api/v1/organisations/{slug}/requests",
        "/api/v1/organisations/{slug}/requests/{pk}",
        "/api/v1/organisations/{slug}/requests/{pk}/submit",
        "/api/v1/organisations/{slug}/requests/{pk}/withdraw",
        "/api/v1/organisations/{slug}/requests/{pk}/copy",
        "/api/v1/organisations/{slug}/requests/{pk}/appeal",
        "/api/v1/organisations/{slug}/requests/{pk}/remarks",
        "/api/v1/review/requests",
        "/api/v1/review/requests/{pk}",
        "/api/v1/review/requests/{pk}/claim",
        "/api/v1/review/requests/{pk}/release",
        "/api/v1/review/requests/{pk}/recuse",
        "/api/v1/review/requests/{pk}/return",
        "/api/v1/review/requests/{pk}/decisions",
        "/api/v1/review/requests/{pk}/remarks",
        "/api/v1/review/grants",
        "/api/v1/review/grants/{pk}/revoke",
        "/api/v1/review/access-at",
        "/api/v1/review/suspensions",
        "/api/v1/review/suspensions/{pk}",
        "/api/v1/review/suspensions/{pk}/confirm",
        "/api/v1/review/suspensions/{pk}/drop",
        "/api/v1/review/suspensions/{pk}/lift",
        "/api/v1/review/people",
        "/api/v1/review/people/{pk}",
        "/api/v1/review/people/{pk}/disable",
        "/api/v1/review/people/{pk}/enable",
        "/api/v1/review/people/{pk}/remove-factors",
        "/api/v1/review/rules",
        "/api/v1/review/families",
        "/api/v1/review/families/{slug}",
        "/api/v1/review/families/{slug}/sizes",
        "/api/v1/review/families/{slug}/sizes/{name}",
        "/api/v1/review/families/{slug}/sizes/{name}/errata",
        "/api/v1/review/families/{slug}/openings",
        "/api/v1/review/families/{slug}/artefacts",
        "/api/v1/review/artefacts/{pk}",
        "/api/v1/review/artefacts/{pk}/files",
        "/api/v1/review/licences",
        "/api/v1/review/findings",
        "/api/v1/review/findings/{pk}/accept",
        "/api/v1/fleet",
        "/api/v1/fleet/weights",
        "/api/v1/fleet/failures/{pk}/try",
    }
    names = [operation["operationId"] for path in answer["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))
    operations = [operation for path in answer["paths"].values() for operation in path.values()]
    assert all(operation["summary"] for operation in operations)


def test_openapi_page_loads_nothing_from_another_host(client):
    page = client.get("/api/v1/docs").content.decode()
    assert "openapi.json" in page
    assert "https://" not in page


def test_openapi_document_is_made_once(client, monkeypatch):
    first = client.get("/api/v1/openapi.json")
    monkeypatch.setattr("ninja.main.get_schema", lambda **_: pytest.fail("it was made again"))
    assert client.get("/api/v1/openapi.json").json() == first.json()
    assert len(first.json()["paths"]) > 50
