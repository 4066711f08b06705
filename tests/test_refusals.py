"""How the site answers what it does not do: where a refused page leads back to, what an error of the API is, and that
no address of somebody else becomes a link."""

import pytest
from django.urls import reverse

from release_portal.jobs.models import Job

FOREIGN = [
    "javascript:alert(1)",
    "JavaScript:alert(1)//127.0.0.1:8000/",
    "https://evil.example/",
    "//evil.example/",
    "http://127.0.0.1:8000@evil.example/",
    "http:///evil.example/",
    "data:text/html,x",
    "\\\\evil.example",
]


@pytest.fixture
def refused(client_of, ben, job):
    """Ben cancels a job twice; the second time is refused."""
    client = client_of(ben)
    client.post(reverse("jobs:cancel", args=[job.pk]))

    def page(**headers) -> str:
        response = client.post(reverse("jobs:cancel", args=[job.pk]), headers=headers)
        assert response.status_code == 409
        return response.content.decode()

    return page


@pytest.mark.parametrize("address", FOREIGN)
def test_refused_page_never_leads_to_another_site(refused, address):
    assert 'href="/">Go back' in refused(referer=address)


def test_refused_page_leads_back_to_where_the_person_was(refused, job, settings):
    address = f"{settings.BASE_URL}/jobs/{job.pk}/"
    assert f'href="{address}">Go back' in refused(referer=address)


@pytest.mark.parametrize("address", FOREIGN)
def test_sign_in_and_out_never_lead_to_another_site(client, client_of, ben, address):
    query = {"next": address}
    shown = client.get(reverse("account_login"), query).content.decode()
    assert f'href="{address}' not in shown
    ben.set_password("a long password of Ben")
    ben.save()
    details = {"login": ben.email, "password": "a long password of Ben"}
    response = client.post(reverse("account_login"), details | query)
    assert (response.status_code, response["location"]) == (302, reverse("access:home"))
    response = client_of(ben).post(reverse("account_logout"), query)
    assert (response.status_code, response["location"]) == (302, reverse("home"))


@pytest.mark.parametrize("address", ["//evil.example/", "javascript:alert(1)", "\r\nLocation: //evil.example"])
def test_desk_never_leads_to_another_site(client_of, rita, address):
    details = {"name": "Large", "query": address, "column": ["kind"]}
    for route in ("review:columns", "review:saved"):
        response = client_of(rita).post(reverse(route), details)
        assert response["location"].startswith(f"{reverse('review:desk')}?"), route


@pytest.mark.parametrize(
    "website", ["javascript:alert(1)", "data:text/html,x", "javascript://northlake.example/%0aalert(1)"]
)
def test_website_of_an_organisation_is_an_address_of_the_web(client_of, api_of, ada, application, website):
    details = application(website=website)
    assert client_of(ada).post(reverse("partners:apply"), details).status_code == 200
    answer = api_of(ada).post("/api/v1/organisations", details, content_type="application/json")
    assert (answer.status_code, answer.json()["field"]) == (422, "website")


# --- errors of the API


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/", 404),
        ("GET", "/api/v1/nothing", 404),
        ("DELETE", "/api/v1/jobs", 405),
        ("GET", "/api/v1/jobs/a%00b", 404),
        ("GET", "/api/v1/organisations/a%00b", 404),
    ],
)
def test_error_that_django_answers_is_a_problem_document(client, method, path, status):
    response = client.generic(method, path)
    assert (response.status_code, response["content-type"]) == (status, "application/problem+json")
    assert response.json()["status"] == status
    assert ("allow" in response) == (status == 405)


def test_error_that_nobody_foresaw_is_a_problem_document_without_what_was_sent(api_of, ben, monkeypatch):
    def failing(queryset, user):
        raise ValueError("the secret of Ben")

    client = api_of(ben)
    client.raise_request_exception = False
    monkeypatch.setattr(Job.objects, "visible_to", lambda user: failing(None, user))
    response = client.get("/api/v1/jobs?status=secret")
    assert (response.status_code, response["content-type"]) == (500, "application/problem+json")
    assert "secret" not in response.content.decode()


def test_host_that_is_not_the_sites_is_a_problem_document(client, settings):
    settings.ALLOWED_HOSTS = ["portal.example"]
    response = client.get("/api/v1/families")
    assert (response.status_code, response["content-type"]) == (400, "application/problem+json")


# --- pages of people


@pytest.mark.parametrize("route", ["jobs:list", "review:grants", "review:book", "review:desk"])
def test_search_with_a_null_character_finds_what_it_finds_without(client_of, mara, route):
    client = client_of(mara)
    shown = client.get(reverse(route), {"q": "North\0lake"})
    assert shown.status_code == 200
    assert 'value="Northlake"' in shown.content.decode()


def test_cookie_with_a_null_character_is_nobodys(client, db):
    response = client.get(reverse("jobs:list"), headers={"cookie": 'sessionid="aaaaaaaa\\000aaaaaaaaaaaaaaaaaaaaaa"'})
    assert response.status_code == 302


def test_request_in_another_charset_is_refused(client):
    response = client.get("/api/v1/families?q=%2B2AA-", headers={"content-type": "text/plain; charset=utf-7"})
    assert (response.status_code, response.json()["field"]) == (422, "Content-Type")
