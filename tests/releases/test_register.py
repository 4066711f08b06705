"""Families and sizes: added, edited, and corrected; a name that was corrected goes on to lead to its size."""

from datetime import date, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from release_portal.audit.models import Event
from release_portal.lib.states import Forbidden, Refused
from release_portal.releases import actions
from release_portal.releases.models import Erratum, Family, ModelSize

FAMILY = {"slug": "pico", "name": "Pico", "summary": "A family for a test."}
SIZE = {"name": "10M", "parameters": 10**7, "context_tokens": 512}
ANNOUNCED = date(2019, 8, 20)
WRONG = "The parameters were counted wrongly."


@pytest.fixture
def pico(mara) -> Family:
    return actions.add_family(by=mara, **FAMILY)


@pytest.fixture
def ten(pico, mara) -> ModelSize:
    return actions.add_size(by=mara, family=pico, **SIZE)


@pytest.fixture
def renamed(ten, mara) -> ModelSize:
    """10M, which is called 12M and has 12 million parameters."""
    actions.correct_size(by=mara, size=ten, name="12M", parameters=12 * 10**6, on=ANNOUNCED, reason=WRONG)
    return ten


def test_family_is_added_with_its_texts_on_one_line(mara):
    texts = FAMILY | {"name": " Pi\nco ", "description": "Line one.\n\nLine two.\n"}
    family = actions.add_family(by=mara, **texts)
    family.refresh_from_db()
    assert (family.name, family.description, family.licence) == ("Pi co", "Line one.\n\nLine two.", "")


@pytest.mark.parametrize("slug", ["", "Pico", "pi co", "-pico", "pico-", "pi--co", "pico/x", "π"])
def test_add_family_at_no_address_is_refused(mara, slug):
    with pytest.raises(Refused, match="small letters, digits and hyphens") as refused:
        actions.add_family(by=mara, **FAMILY | {"slug": slug})
    assert (refused.value.field, refused.value.given) == ("slug", slug)


def test_add_family_at_the_address_of_another_is_refused(pico, mara):
    with pytest.raises(Refused, match="“pico” is another family's") as refused:
        actions.add_family(by=mara, **FAMILY)
    assert refused.value.field == "slug"


@pytest.mark.parametrize(
    ("field", "text", "sentence"),
    [
        ("name", " ", "Name is missing"),
        ("summary", "", "Summary is missing"),
        ("name", "x" * 81, "at most 80 characters; this has 81"),
        ("summary", "x" * 301, "at most 300 characters; this has 301"),
        ("licence", "x" * 81, "at most 80 characters; this has 81"),
        ("description", "x" * 20_001, "at most 20,000 characters; this has 20,001"),
    ],
)
def test_texts_of_a_family_have_their_limits_when_added_and_when_edited(pico, mara, field, text, sentence):
    texts = {"name": "Pico", "summary": "Short.", "description": "", "licence": ""} | {field: text}
    with pytest.raises(Refused, match=sentence) as added:
        actions.add_family(by=mara, slug="other", **texts)
    with pytest.raises(Refused, match=sentence) as edited:
        actions.edit_family(by=mara, family=pico, **texts)
    assert {added.value.field, edited.value.field} == {field}


def test_edit_family_changes_its_page_and_not_its_address(pico, mara):
    texts = {"name": "Pico 2", "summary": "Other.", "description": "Long.", "licence": "MIT"}
    actions.edit_family(by=mara, family=pico, **texts)
    pico.refresh_from_db()
    assert {field: getattr(pico, field) for field in texts} == texts
    assert pico.slug == "pico"


@pytest.mark.parametrize("name", ["", "10 M", "10M/x", "-10M", "10M.", "1" * 21, "10Μ"])
def test_add_size_with_no_name_is_refused(pico, mara, name):
    with pytest.raises(Refused, match="1 to 20 letters and digits") as refused:
        actions.add_size(by=mara, family=pico, **SIZE | {"name": name})
    assert (refused.value.field, refused.value.limit) == ("name", 20)


@pytest.mark.parametrize("name", ["10M", "10m"])
def test_add_size_with_the_name_of_another_is_refused(ten, pico, mara, name):
    with pytest.raises(Refused, match=f"“{name}” is a name of Pico 10M, or was one"):
        actions.add_size(by=mara, family=pico, **SIZE | {"name": name})


@pytest.mark.parametrize(
    ("field", "number", "limit"),
    [("parameters", 0, 10**15), ("parameters", 10**15 + 1, 10**15), ("context_tokens", 0, 10**8)],
)
def test_numbers_of_a_size_have_their_limits(pico, mara, field, number, limit):
    with pytest.raises(Refused) as refused:
        actions.add_size(by=mara, family=pico, **SIZE | {field: number})
    assert (refused.value.field, refused.value.limit, refused.value.given) == (field, limit, number)


def test_edit_size_changes_its_facts(ten, mara):
    actions.edit_size(by=mara, size=ten, context_tokens=2048, hub_id="lab/pico")
    ten.refresh_from_db()
    assert (ten.context_tokens, ten.hub_id) == (2048, "lab/pico")


def test_correct_size_says_what_was_wrong_until_when(renamed):
    renamed.refresh_from_db()
    assert (renamed.name, renamed.parameters) == ("12M", 12 * 10**6)
    erratum = renamed.errata.get()
    assert (erratum.name_was, erratum.parameters_was, erratum.on) == ("10M", 10**7, ANNOUNCED)
    assert erratum.sentence == (
        "Until 20 August 2019 it was called 10M and 10 million parameters were stated: "
        "The parameters were counted wrongly."
    )
    assert Event.objects.public().about(renamed).filter(kind="size.corrected").exists()


def test_correct_the_number_alone_keeps_the_name(ten, mara):
    erratum = actions.correct_size(by=mara, size=ten, parameters=11 * 10**6, on=ANNOUNCED, reason=WRONG)
    assert (ten.name, erratum.name_was, erratum.parameters_was) == ("10M", "", 10**7)


@pytest.mark.parametrize("path", ["pico/12M", "pico/10M", "PICO/10m"])
def test_every_name_of_a_size_leads_to_it(renamed, path):
    assert ModelSize.objects.named(path).get() == renamed
    assert ModelSize.objects.by_path([path]) == {path: renamed}


def test_names_of_many_sizes_take_two_queries(renamed, gpt2, django_assert_num_queries):
    with django_assert_num_queries(2):
        found = ModelSize.objects.by_path(["pico/10M", "gpt2/124M", "gpt2/1558M", "gpt2/125M", "nothing", ""])
    assert {path: str(size) for path, size in found.items()} == {
        "pico/10M": "Pico 12M",
        "gpt2/124M": "GPT-2 124M",
        "gpt2/1558M": "GPT-2 1558M",
    }


def test_size_without_an_earlier_name_is_not_called_nothing(ten, mara):
    actions.correct_size(by=mara, size=ten, parameters=11 * 10**6, on=ANNOUNCED, reason=WRONG)
    assert not ModelSize.objects.called("").exists()


def test_earlier_name_is_no_name_for_another_size(renamed, pico, mara):
    with pytest.raises(Refused, match="“10m” is a name of Pico 12M, or was one"):
        actions.add_size(by=mara, family=pico, **SIZE | {"name": "10m"})
    with pytest.raises(Refused, match="“10M” is a name of Pico 12M, or was one"):
        actions.correct_size(by=mara, size=renamed, name="10M", on=ANNOUNCED, reason=WRONG)


def test_earlier_name_in_one_family_is_free_in_another(renamed, gpt2, mara):
    assert str(actions.add_size(by=mara, family=gpt2, **SIZE)) == "GPT-2 10M"


@pytest.mark.parametrize(
    ("details", "field", "sentence"),
    [
        ({}, "name", "That is what is stated of Pico 10M already"),
        ({"name": "10M", "parameters": 10**7}, "name", "That is what is stated of Pico 10M already"),
        ({"name": "12M", "reason": " "}, "reason", "Say what was wrong"),
        ({"name": "12M", "reason": "x" * 301}, "reason", "at most 300 characters; this has 301"),
        ({"name": "1 M"}, "name", "1 to 20 letters and digits"),
        ({"parameters": 0}, "parameters", "you gave 0"),
    ],
)
def test_correct_size_without_a_correction_is_refused(ten, mara, details, field, sentence):
    with pytest.raises(Refused, match=sentence) as refused:
        actions.correct_size(by=mara, size=ten, **{"on": ANNOUNCED, "reason": WRONG} | details)
    assert refused.value.field == field
    assert not ten.errata.exists()


def test_erratum_of_tomorrow_is_refused(ten, mara):
    tomorrow = timezone.now().date() + timedelta(days=1)
    with pytest.raises(Refused, match="a day that has come") as refused:
        actions.correct_size(by=mara, size=ten, name="12M", on=tomorrow, reason=WRONG)
    assert (refused.value.field, refused.value.given) == ("on", tomorrow)


def test_second_erratum_keeps_the_first(renamed, mara):
    actions.correct_size(by=mara, size=renamed, name="13M", on=date(2019, 11, 5), reason=WRONG)
    assert renamed.errata.count() == 2
    for name in ("10M", "12M", "13M"):
        assert ModelSize.objects.named(f"pico/{name}").get() == renamed


@pytest.mark.parametrize("who", ["ada", "rita", "otto"])
@pytest.mark.parametrize(
    "verb",
    [
        lambda by, size: actions.add_family(by=by, **FAMILY | {"slug": "other"}),
        lambda by, size: actions.edit_family(
            by=by, family=size.family, name="A", summary="B", description="", licence=""
        ),
        lambda by, size: actions.add_size(by=by, family=size.family, **SIZE | {"name": "20M"}),
        lambda by, size: actions.edit_size(by=by, size=size, context_tokens=1, hub_id=""),
        lambda by, size: actions.correct_size(by=by, size=size, name="12M", on=ANNOUNCED, reason=WRONG),
    ],
    ids=["add_family", "edit_family", "add_size", "edit_size", "correct_size"],
)
def test_register_is_kept_by_those_with_the_right(ten, who, verb, request):
    with pytest.raises(Forbidden, match="“Add, edit and correct families and sizes” needs a role"):
        verb(request.getfixturevalue(who), ten)


def test_database_refuses_to_change_or_delete_an_erratum(renamed):
    erratum = renamed.errata.get()
    with pytest.raises(Exception, match="permission denied|only grows"), transaction.atomic():
        Erratum.objects.filter(pk=erratum.pk).update(reason="Other.")
    with pytest.raises(Exception, match="permission denied|only grows"), transaction.atomic():
        Erratum.objects.filter(pk=erratum.pk).delete()


def test_database_refuses_an_erratum_that_corrects_nothing(ten):
    details = {"family": ten.family, "on": ANNOUNCED, "reason": WRONG, "at": timezone.now()}
    with pytest.raises(IntegrityError, match="erratum_corrects_something"), transaction.atomic():
        Erratum.objects.create(size=ten, **details)
