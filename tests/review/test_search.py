"""The typed search of the desk, and what reviewers keep there."""

from datetime import timedelta

import pytest
from django.utils import timezone

from release_portal.access import actions as access
from release_portal.access.models import AccessRequest
from release_portal.lib.states import Refused
from release_portal.partners.models import Partner
from release_portal.review.search import search


@pytest.fixture
def asked(access_request, ada, southbank, cleo, rita, size_355m, asking):
    """Northlake waits with 124M for 20 days, claimed by Rita; Southbank was returned 355M."""
    study = "We rate texts by their risk: high, middle or low, and compare them with what readers say."
    other = access.request_access(by=cleo, partner=southbank, **asking(size_355m, purpose=study))
    access.return_request(by=rita, request=other, reason_code="team", reason="Who?")
    access.claim_request(by=rita, request=access_request)
    then = timezone.now() - timedelta(days=20)
    promised = then + timedelta(days=10)
    AccessRequest.objects.filter(pk=access_request.pk).update(submitted_at=then, promised_at=promised)
    return {"northlake": access_request.pk, "southbank": other.pk}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", {"northlake", "southbank"}),
        ("size:124m", {"northlake"}),
        ("size:gpt2/355M", {"southbank"}),
        ("state:waiting", {"northlake"}),
        ("state:returned", {"southbank"}),
        ("state:late", {"northlake"}),
        ("org:~north", {"northlake"}),
        ("org:southbank-institute", {"southbank"}),
        ('org:"Southbank Institute"', {"southbank"}),
        ("age>14d", {"northlake"}),
        ("age<2w", {"southbank"}),
        ("right:weights", set()),
        ("kind:new size:124M age>14d", {"northlake"}),
        ("claimed:me", {"northlake"}),
        ('"risk: high"', {"southbank"}),
        ('"age>14d"', set()),
        ('kind:new "risk: high" state:returned', {"southbank"}),
        ("claimed:nobody", {"southbank"}),
        ("by:~ada", {"northlake"}),
        ("Southbank", {"southbank"}),
        ("state:waiting org:~southbank", set()),
    ],
)
def test_search_finds(asked, rita, words, found):
    meaning = search(words, by=rita, at=timezone.now())
    rows = AccessRequest.objects.filter(meaning, pk__in=asked.values()).values_list("pk", flat=True)
    assert set(rows) == {asked[name] for name in found}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("colour:blue", "“colour:blue” is not understood. Search by size:, state:"),
        ("state:odd", "state is one of waiting, returned, decided, withdrawn, any, late"),
        ("size:", "“size:” names nothing. Write what you look for after it"),
        ("org:~", "“org:~” names nothing."),
        ("age>soon", "Write age>14d, in hours (h), days (d) or weeks (w)."),
        ('org:"North', "A quotation mark is opened and not closed."),
    ],
)
def test_search_that_is_not_understood_says_what_is_possible_and_keeps_it(asked, rita, client_of, words, sentence):
    with pytest.raises(Refused) as refused:
        search(words, by=rita, at=timezone.now())
    assert sentence in refused.value.sentence
    response = client_of(rita).get("/review/", {"q": words})
    assert response.context["problem"] == refused.value.sentence
    assert response.context["q"] == words


def test_apostrophe_is_a_letter_of_a_name(asked, rita):
    northlake = AccessRequest.objects.get(pk=asked["northlake"]).partner
    Partner.objects.filter(pk=northlake.pk).update(legal_name="King's College", folded_name="king's college")
    for words in ("King's", "org:~king's", 'org:"King\'s College"'):
        assert AccessRequest.objects.filter(search(words, by=rita, at=timezone.now())).get().pk == asked["northlake"]


def test_desk_leaves_out_what_is_not_for_this_reviewer(asked, rita, tom, client_of):
    def waiting(person):
        return [request.pk for request, *_ in client_of(person).get("/review/").context["rows"]]

    assert asked["northlake"] in waiting(rita)
    assert asked["northlake"] not in waiting(tom), "claimed by Rita"
    access.recuse(by=rita, request=AccessRequest.objects.get(pk=asked["northlake"]), reason="I advise them.")
    assert asked["northlake"] not in waiting(rita)
    assert asked["northlake"] in waiting(tom)


def test_kept_search_and_columns_are_there_the_next_time_and_for_oneself_alone(asked, rita, tom, client_of):
    client = client_of(rita)
    client.post("/review/saved/", {"name": "Late ones", "query": "q=state:late"})
    client.post("/review/columns/", {"column": ["sender", "nonsense"]})
    page = client.get("/review/").context
    assert ([str(one) for one in page["saved"]], page["columns"]) == (["Late ones"], ["sender"])
    assert not client_of(tom).get("/review/").context["saved"]
    kept = rita.saved_searches.get()
    assert client_of(tom).post("/review/saved/", {"forget": kept.pk}).status_code == 404
    client.post("/review/saved/", {"forget": kept.pk})
    assert not rita.saved_searches.exists()


@pytest.mark.parametrize(
    ("word", "finds"),
    [
        ("readers", True),
        ("reader", True),
        ("READ", True),
        ("eaders", False),
        ("it's", False),
        ("!", False),
        ("\\", False),
    ],
)
def test_word_finds_the_beginning_of_a_word_of_the_study(rita, access_request, word, finds):
    AccessRequest.objects.filter(pk=access_request.pk).update(purpose="Whether readers believe it.")
    found = AccessRequest.objects.filter(search(f'"{word}"', by=rita, at=timezone.now()))
    assert found.exists() == finds
