"""Parts of pages that htmx asks for: an answer that is another page is not put into the part."""

import pytest

PART = {"HX-Request": "true", "HX-Current-URL": "http://127.0.0.1:8000/jobs/1/?page=2"}


@pytest.mark.parametrize("path", ["/review/fleet/", "/jobs/7f1d0a52-6f1c-4d1e-9d0a-1a2b3c4d5e6f/progress/"])
def test_part_asked_for_after_signing_out_leads_to_the_sign_in_page_and_back(client, db, path):
    answer = client.get(path, headers=PART)
    assert answer["HX-Redirect"] == "/accounts/login/?next=%2Fjobs%2F1%2F%3Fpage%3D2"
    assert not answer.content


@pytest.mark.parametrize(("here", "back"), [("", "%2F"), ("https://evil.example/jobs/", "%2Fjobs%2F")])
def test_way_back_is_on_this_site(client, db, here, back):
    answer = client.get("/review/fleet/", headers=PART | {"HX-Current-URL": here})
    assert answer["HX-Redirect"] == f"/accounts/login/?next={back}"


def test_page_that_no_part_asked_for_is_redirected_as_ever(client, db):
    answer = client.get("/review/fleet/")
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/login/?next=/review/fleet/")


def test_next_page_of_a_list_keeps_the_whole_search(rf):
    from django.core.paginator import Paginator
    from django.template.loader import render_to_string

    request = rf.get("/jobs/", {"q": "R&D", "status": "queued", "page": "2", "seen": "4"})
    page = Paginator(range(30), 10).get_page(2)

    html = render_to_string("components/pagination.html", {"page": page, "things": "jobs"}, request)

    assert 'href="?q=R%26D&amp;status=queued&amp;page=1"' in html
    assert 'href="?q=R%26D&amp;status=queued&amp;page=3"' in html
