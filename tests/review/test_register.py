"""The register by page and by API: what the release manager adds, edits, corrects and opens."""

from datetime import date

import pytest
from django.utils import timezone

from release_portal.releases import actions as releases
from release_portal.releases.ladder import ladder_of
from release_portal.releases.models import Audience, Component, Family, ModelSize

REGISTER = "/review/register/"
GPT2 = f"{REGISTER}families/gpt2/"
API = "/api/v1/review/families"
WRONG = {"on": "2019-08-20", "reason": "The parameters were counted wrongly."}


def body(response) -> str:
    return response.content.decode()


@pytest.fixture
def renamed(size_124m, mara) -> ModelSize:
    """124M, which is called 125M since 20 August 2019."""
    erratum = {"name": "125M", "on": date(2019, 8, 20), "reason": WRONG["reason"]}
    releases.correct_size(by=mara, size=size_124m, **erratum)
    return size_124m


def state_of(size: ModelSize, component: Component) -> str:
    opening = size.openings.holding(at=timezone.now()).get(component=component)
    return opening.audience


def test_release_manager_adds_a_family_and_its_first_size_by_the_pages(client_of, mara):
    client = client_of(mara)
    details = {"slug": "pico", "name": "Pico", "summary": "A family for a test."}
    page = client.post(f"{REGISTER}new/", details, follow=True)
    assert page.redirect_chain[-1][0] == f"{REGISTER}families/pico/add/"
    assert "Pico was added. Add its first size." in body(page)
    size = {"name": "10M", "parameters": "10,000,000", "context_tokens": "512"}
    page = client.post(f"{REGISTER}families/pico/add/", size, follow=True)
    assert "Pico 10M was added, closed in every component." in body(page)
    family = Family.objects.get(slug="pico")
    (rung,) = ladder_of(family, at=timezone.now())
    assert {part.state for part in rung.components} == {"closed"}
    assert (family.sizes.get().parameters, family.sizes.get().context_tokens) == (10**7, 512)
    assert "Pico" in body(client.get("/"))


def test_form_keeps_what_was_typed_beside_what_was_wrong(client_of, mara, gpt2):
    page = body(client_of(mara).post(f"{REGISTER}new/", {"slug": "GPT 2", "name": "Pico", "summary": "Kept words."}))
    assert "An address has small letters, digits and hyphens" in page
    assert "Kept words." in page
    taken = body(client_of(mara).post(f"{REGISTER}new/", {"slug": "gpt2", "name": "Pico", "summary": "S."}))
    assert "The address “gpt2” is another family" in taken
    words = {"name": "10M", "parameters": "ten million", "context_tokens": "512"}
    assert "This is a whole number; you gave “ten million”." in body(client_of(mara).post(f"{GPT2}add/", words))


def test_page_of_a_family_and_facts_of_a_size_are_edited(client_of, mara, gpt2, size_124m):
    client = client_of(mara)
    assert "Four sizes of one model." in body(client.get(f"{GPT2}edit/"))
    client.post(f"{GPT2}edit/", {"name": "GPT-2", "summary": "Other words.", "licence": "MIT"})
    assert "Other words." in body(client.get("/families/gpt2/"))
    client.post(f"{GPT2}sizes/124M/edit/", {"context_tokens": "2048", "hub_id": "lab/gpt2"})
    size_124m.refresh_from_db()
    assert (size_124m.context_tokens, size_124m.hub_id) == (2048, "lab/gpt2")


def test_erratum_by_the_page_is_public(client_of, client, mara, size_124m):
    details = {"name": "125M", "parameters": "125,000,000", **WRONG}
    page = client_of(mara).post(f"{GPT2}sizes/124M/correct/", details, follow=True)
    assert page.redirect_chain[-1][0] == f"{GPT2}sizes/125M/"
    assert "It is GPT-2 125M, 125 million parameters, from now on." in body(page)
    public = body(client.get("/families/gpt2/"))
    assert "Once called 124M" in public
    assert "Until 20 August 2019 it was called 124M and 124 million parameters were stated" in public
    assert "What was stated of GPT-2 125M was corrected" in public


@pytest.mark.parametrize("path", ["/families/gpt2/124M/", "/families/gpt2/124m/", f"{GPT2}sizes/124M/"])
def test_page_under_an_earlier_name_says_so_and_goes_on(client_of, mara, renamed, path):
    page = client_of(mara).get(path, follow=True)
    assert page.redirect_chain[-1][0] == path.replace("124M", "125M").replace("124m", "125M")
    assert "is called gpt2/125M since 20 August 2019." in body(page)


def test_page_under_another_spelling_goes_on_and_says_nothing(client, size_124m):
    page = client.get("/families/gpt2/124m/", follow=True)
    assert page.redirect_chain[-1][0] == "/families/gpt2/124M/"
    assert "is called" not in body(page)


def test_api_under_an_earlier_name_says_so_in_a_header_and_goes_on(api_of, mara, renamed):
    found = api_of(mara).get("/api/v1/review/access-at", {"size": "gpt2/124M"})
    assert (found.status_code, found["Portal-Notice"]) == (
        200,
        "gpt2/124M is called gpt2/125M since 20 August 2019.",
    )
    assert "Portal-Notice" not in api_of(mara).get("/api/v1/review/access-at", {"size": "gpt2/125M"})
    assert api_of(mara).get("/api/v1/review/access-at", {"size": "gpt2/126M"}).status_code == 422


def test_job_under_an_earlier_name_is_of_the_size(api_of, ben, mara, grant, quiet):
    releases.correct_size(by=mara, size=grant.size, name="125M", on=date(2019, 8, 20), reason=WRONG["reason"])
    details = {"size": "gpt2/124M", "prompts": ["Once"], "max_new_tokens": 5}
    answer = api_of(ben).post("/api/v1/jobs", details, content_type="application/json")
    assert (answer.status_code, answer.json()["size"]) == (201, "gpt2/125M")
    assert answer["Portal-Notice"] == "gpt2/124M is called gpt2/125M since 20 August 2019."


@pytest.mark.parametrize("words", ["size:124M", "size:gpt2/124m", "124M", "size:125M"])
def test_desk_finds_requests_by_every_name_of_a_size(client_of, rita, access_request, mara, words):
    releases.correct_size(
        by=mara, size=access_request.items.get().size, name="125M", on=date(2019, 8, 20), reason="So."
    )
    shown = client_of(rita).get("/review/", {"q": words}).context["rows"]
    assert access_request in [request for request, *_ in shown]


@pytest.mark.parametrize("component", [Component.GENERATION, Component.LOGPROBS, Component.WEIGHTS])
def test_component_is_opened_by_the_page_with_its_reason(client_of, mara, size_355m, component):
    details = {"audience": "gated", "reason": "Two studies found no harm."}
    page = client_of(mara).post(f"{GPT2}sizes/355M/open/{component}/", details, follow=True)
    assert component.sentence(Audience.GATED) in body(page)
    assert state_of(size_355m, component) == "gated"
    assert "Two studies found no harm." in body(client_of(mara).get("/families/gpt2/355M/"))


@pytest.mark.parametrize("typed", ["", "355m", "GPT-2 355M"])
def test_copy_for_everybody_takes_the_name_typed_on_purpose(client_of, mara, size_355m, typed):
    address, details = f"{GPT2}sizes/355M/open/weights/", {"audience": "open", "reason": "No harm was seen."}
    assert "Type “355M”" in body(client_of(mara).post(address, details | {"typed": typed}))
    assert not size_355m.openings.filter(component="weights").exists()
    client_of(mara).post(address, details | {"typed": "355M"})
    assert state_of(size_355m, Component.WEIGHTS) == "open"


def test_page_of_a_hosted_component_shows_whom_closing_it_would_stop(client_of, mara, job, grant):
    response = client_of(mara).get(f"{GPT2}sizes/124M/open/generation/")
    blast, page = response.context["blast"], body(response)
    assert (blast.organisations, blast.queued, blast.tokens_left) == (1, 1, 100_000 - job.tokens_reserved)
    assert "Whom closing it would stop" in page
    assert "nothing here can call it back" not in page
    assert "nothing here can call it back" in body(client_of(mara).get(f"{GPT2}sizes/124M/open/weights/"))


def test_component_of_a_family_is_opened_at_the_family(client_of, client, mara, gpt2):
    details = {"audience": "open", "reason": "It was published.", "typed": "GPT-2"}
    client_of(mara).post(f"{GPT2}open/paper/", details)
    assert "What belongs to all sizes" in body(client.get("/families/gpt2/"))
    families = client.get("/api/v1/families").json()
    (paper,) = next(one for one in families if one["slug"] == "gpt2")["components"]
    assert (paper["label"], paper["sentence"]) == ("Paper", "The paper is public.")


@pytest.mark.parametrize(
    "path", [f"{GPT2}open/weights/", f"{GPT2}open/nothing/", f"{GPT2}sizes/124M/open/paper/", f"{GPT2}sizes/9B/"]
)
def test_what_is_no_component_of_it_is_not_there(client_of, mara, gpt2, path):
    assert client_of(mara).get(path).status_code == 404


def test_auditor_and_reviewer_read_the_register_and_are_offered_nothing(client_of, otto, rita, gpt2):
    for by in (otto, rita):
        for path in (REGISTER, GPT2, f"{GPT2}sizes/124M/"):
            page = body(client_of(by).get(path))
            assert "124M" in page
            for word in ("Add a", "Edit the", "Correct its", "Change<span"):
                assert word not in page


def test_register_by_api(api_of, mara):
    api = api_of(mara)
    details = {"slug": "pico", "name": "Pico", "summary": "A family for a test."}
    assert api.post(API, details, "application/json").json() == details | {"description": "", "licence": ""}
    edited = api.put(f"{API}/pico", {"name": "Pico", "summary": "Other."}, "application/json")
    assert edited.json()["summary"] == "Other."
    size = {"name": "10M", "parameters": 10**7, "context_tokens": 512}
    assert api.post(f"{API}/pico/sizes", size, "application/json").json()["size"] == "pico/10M"
    facts = api.put(f"{API}/pico/sizes/10M", {"context_tokens": 1024, "hub_id": "lab/pico"}, "application/json")
    assert (facts.json()["context_tokens"], facts.json()["hub_id"]) == (1024, "lab/pico")
    erratum = api.post(f"{API}/pico/sizes/10M/errata", {"name": "12M", **WRONG}, "application/json")
    assert erratum.json()["sentence"].startswith("Until 20 August 2019 it was called 10M")
    opening = {"component": "generation", "audience": "partner", "reason": "For partners.", "size": "12M"}
    assert api.post(f"{API}/pico/openings", opening, "application/json").json()["size"] == "pico/12M"
    paper = {"component": "paper", "audience": "open", "reason": "Published.", "typed": "Pico"}
    assert api.post(f"{API}/pico/openings", paper, "application/json").status_code == 201
    listed = api.get(f"{API}/pico/openings").json()["items"]
    assert [(one["size"], one["component"], one["audience"]) for one in listed] == [
        (None, "paper", "open"),
        ("pico/12M", "generation", "partner"),
    ]


def test_copy_for_everybody_by_api_takes_the_name_too(api_of, mara, size_355m):
    details = {"component": "weights", "audience": "open", "reason": "No harm was seen.", "size": "355M"}
    refused = api_of(mara).post(f"{API}/gpt2/openings", details, "application/json")
    assert (refused.status_code, refused.json()["field"], refused.json()["limit"]) == (422, "typed", "355M")
    made = api_of(mara).post(f"{API}/gpt2/openings", details | {"typed": "355M"}, "application/json")
    assert made.status_code == 201


def test_openings_take_the_same_queries_for_two_and_for_twelve(api_of, mara, size_355m, django_assert_max_num_queries):
    api = api_of(mara)
    details = {"by": mara, "of": size_355m, "component": Component.GENERATION, "reason": "A step."}
    for number in range(12):
        releases.open_component(audience=list(Audience)[number % 4], **details)
    with django_assert_max_num_queries(12):
        assert len(api.get(f"{API}/gpt2/openings").json()["items"]) >= 12
