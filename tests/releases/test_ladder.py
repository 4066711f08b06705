from datetime import timedelta

import pytest
from django.utils import timezone

from release_portal.audit.models import Event
from release_portal.lib.states import Forbidden, Refused
from release_portal.releases import actions
from release_portal.releases.ladder import SENTENCES, ladder_of
from release_portal.releases.models import Artefact, Audience, Component, ModelSize

from .. import factories


@pytest.fixture
def size(db) -> ModelSize:
    """A size that nobody has heard of, in a family of its own."""
    return factories.SizeFactory(name="774M", parameters=774 * 10**6)


def rung(size, *, at=None):
    (only,) = ladder_of(size.family, at=at or timezone.now())
    return only


def part(size, component, *, at=None):
    return next(part for part in rung(size, at=at).components if part.label == component.label)


def test_ladder_lists_sizes_smallest_first(gpt2):
    ladder = ladder_of(gpt2, at=timezone.now())
    assert [rung.name for rung in ladder] == ["124M", "355M", "774M", "1558M"]
    assert [rung.parameters for rung in ladder] == [
        "124 million parameters",
        "355 million parameters",
        "774 million parameters",
        "1.558 billion parameters",
    ]


@pytest.mark.parametrize("component", Component)
def test_size_that_nobody_opened_is_closed(size, component):
    closed = part(size, component)
    assert (closed.state, closed.word, closed.reason) == ("closed", "Closed", "Not opened yet.")
    assert closed.sentence == SENTENCES[component, Audience.CLOSED]


@pytest.mark.parametrize(
    ("component", "audience", "word", "sentence"),
    [
        (Component.GENERATION, Audience.PARTNER, "With partners", "Partner organisations with a grant can generate"),
        (Component.GENERATION, Audience.OPEN, "Open", "Everyone can generate with it."),
        (Component.WEIGHTS, Audience.GATED, "On request", "Anyone who asks and is granted access gets the weights."),
        (Component.WEIGHTS, Audience.OPEN, "Open", "The weights are public."),
    ],
)
def test_opening_is_said_in_words(size, mara, component, audience, word, sentence):
    actions.open_component(by=mara, size=size, component=component, audience=audience, reason="No harm was seen.")
    opened = part(size, component)
    assert (opened.state, opened.word, opened.reason) == (audience.value, word, "No harm was seen.")
    assert opened.sentence.startswith(sentence)


def test_every_state_has_its_sentence():
    assert set(SENTENCES) == {(component, audience) for component in Component for audience in Audience}


def test_ladder_stands_as_it_stood_at_any_point_in_time(size, mara):
    now = timezone.now()
    steps = [(Audience.PARTNER, now - timedelta(days=30)), (Audience.OPEN, now - timedelta(days=10))]
    steps.append((Audience.CLOSED, now + timedelta(days=10)))
    for audience, at in steps:
        actions.open_component(
            by=mara, size=size, component=Component.WEIGHTS, audience=audience, reason="A step.", at=at
        )
    days = [-31, -30, -11, -10, 0, 9, 10]
    states = [part(size, Component.WEIGHTS, at=now + timedelta(days=day)).state for day in days]
    assert states == ["closed", "partner", "partner", "open", "open", "open", "closed"]
    assert part(size, Component.GENERATION).state == "closed", "the other component has a history of its own"


def test_opening_later_written_decides_between_two_of_one_moment(size, mara):
    at = timezone.now()
    for audience in (Audience.OPEN, Audience.PARTNER):
        actions.open_component(
            by=mara, size=size, component=Component.WEIGHTS, audience=audience, reason="A step.", at=at
        )
    assert part(size, Component.WEIGHTS, at=at).state == "partner"


def test_ladder_takes_the_same_queries_for_every_number_of_sizes(gpt2, size, django_assert_num_queries):
    for family, count in ((size.family, 1), (gpt2, 4)):
        with django_assert_num_queries(2):
            assert len(ladder_of(family, at=timezone.now())) == count


def test_size_without_weights_says_so_until_a_worker_holds_them(size):
    assert rung(size).weights == "Weights not installed"
    actions.note_weights(by=None, size=size, manifest_sha256="ab" * 32, worker="worker-1")
    assert rung(size).weights == ""


def test_note_weights_twice_keeps_who_held_them_first(size):
    for worker in ("worker-1", "worker-2"):
        actions.note_weights(by=None, size=size, manifest_sha256="ab" * 32, worker=worker)
    assert Artefact.objects.get(size=size).first_seen_on == "worker-1"
    assert Event.objects.about(size).filter(kind="weights.found").count() == 1


def test_open_without_a_reason_is_refused(size, mara):
    with pytest.raises(Refused, match="Say why") as refused:
        actions.open_component(by=mara, size=size, component=Component.WEIGHTS, audience=Audience.OPEN, reason="")
    assert refused.value.field == "reason"


@pytest.mark.parametrize("who", ["ada", "rita", "otto"])
def test_open_without_the_right_is_forbidden(size, who, request):
    by = request.getfixturevalue(who)
    with pytest.raises(Forbidden, match="“Open components of sizes” needs a role"):
        actions.open_component(by=by, size=size, component=Component.WEIGHTS, audience=Audience.OPEN, reason="Now.")


@pytest.mark.parametrize("path", ["gpt2/124M", "GPT2/124m"])
def test_size_is_named_as_in_the_api(size_124m, path):
    assert ModelSize.objects.named(path).get() == size_124m
    assert size_124m.path == "gpt2/124M"


@pytest.mark.parametrize("path", ["", "gpt2", "124M", "gpt2/", "gpt2/125M", "gpt2/124M/x"])
def test_name_of_no_size_finds_none(size_124m, path):
    assert not ModelSize.objects.named(path).exists()


def test_add_family_and_size_twice_returns_them_as_they_are(gpt2, size_124m):
    family = actions.add_family(by=None, slug="gpt2", name="Other", summary="Other")
    size = actions.add_size(by=None, family=family, name="124M", parameters=1, context_tokens=1)
    assert (family.name, size.parameters) == (gpt2.name, size_124m.parameters)
