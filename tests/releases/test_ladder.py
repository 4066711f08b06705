from datetime import timedelta

import pytest
from django.utils import timezone

from release_portal.audit.models import Event
from release_portal.lib.states import Forbidden, Refused
from release_portal.releases import actions
from release_portal.releases.ladder import ALWAYS_SHOWN, family_components, ladder_of, rung_of
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


@pytest.mark.parametrize("component", ALWAYS_SHOWN)
def test_size_that_nobody_opened_is_closed(size, component):
    closed = part(size, component)
    assert (closed.state, closed.word, closed.reason) == ("closed", "Closed", "Not opened yet.")
    assert closed.sentence == component.sentence(Audience.CLOSED)


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
    actions.open_component(by=mara, of=size, component=component, audience=audience, reason="No harm was seen.")
    opened = part(size, component)
    assert (opened.state, opened.word, opened.reason) == (audience.value, word, "No harm was seen.")
    assert opened.sentence.startswith(sentence)


@pytest.mark.parametrize("component", Component)
def test_every_state_has_its_sentence(component):
    sentences = {component.sentence(audience) for audience in Audience}
    assert len(sentences) == len(Audience)
    assert all(sentence[0].isupper() and sentence.endswith(".") for sentence in sentences)
    assert component is Component.GENERATION or all(component.words.noun in sentence.lower() for sentence in sentences)


@pytest.mark.parametrize(
    ("component", "audience", "sentence"),
    [
        (Component.OUTPUTS, Audience.CLOSED, "The output samples stay with the lab."),
        (Component.DETECTOR, Audience.CLOSED, "The detector stays with the lab."),
        (Component.PAPER, Audience.OPEN, "The paper is public."),
        (Component.LOGPROBS, Audience.PARTNER, "Log-probabilities are with partner organisations."),
    ],
)
def test_sentence_agrees_with_its_noun(component, audience, sentence):
    assert component.sentence(audience) == sentence


def test_component_that_one_size_had_opened_is_said_of_each(gpt2, size_355m, mara):
    def shown():
        return {tuple(part.label for part in rung.components) for rung in ladder_of(gpt2, at=timezone.now())}

    assert shown() == {("Hosted generation", "Weights")}
    details = {"audience": Audience.OPEN, "reason": "Before the weights."}
    actions.open_component(by=mara, of=size_355m, component=Component.OUTPUTS, **details)
    assert shown() == {("Hosted generation", "Weights", "Output samples")}
    states = {rung.name: rung.components[2].state for rung in ladder_of(gpt2, at=timezone.now())}
    assert states == {"124M": "closed", "355M": "open", "774M": "closed", "1558M": "closed"}


def test_page_of_a_size_says_every_component(size):
    assert [part.component for part in rung_of(size, at=timezone.now()).components] == Component.of_sizes()


def test_family_has_components_of_its_own_once_they_were_opened(gpt2, mara):
    assert family_components(gpt2, at=timezone.now()) == []
    before = timezone.now()
    details = {"audience": Audience.OPEN, "reason": "It was published."}
    actions.open_component(by=mara, of=gpt2, component=Component.PAPER, **details)
    (paper,) = family_components(gpt2, at=timezone.now())
    assert (paper.label, paper.state, paper.reason) == ("Paper", "open", "It was published.")
    assert family_components(gpt2, at=before) == []


def test_component_of_a_family_is_not_of_a_size_nor_the_other_way_round(gpt2, size_124m, mara):
    details = {"by": mara, "audience": Audience.OPEN, "reason": "Now."}
    with pytest.raises(Refused, match="“Paper” is a component of a family, not of a size") as refused:
        actions.open_component(of=size_124m, component=Component.PAPER, **details)
    assert refused.value.field == "component"
    with pytest.raises(Refused, match="“Weights” is a component of a size, not of a family"):
        actions.open_component(of=gpt2, component=Component.WEIGHTS, **details)


@pytest.mark.parametrize("audience", [Audience.CLOSED, Audience.PARTNER, Audience.GATED])
def test_copy_that_everybody_may_have_cannot_be_called_back(size, mara, audience):
    details = {"by": mara, "of": size, "component": Component.WEIGHTS, "reason": "A step."}
    actions.open_component(audience=Audience.OPEN, **details)
    with pytest.raises(Refused, match="no copy can be called back") as refused:
        actions.open_component(audience=audience, **details)
    assert (refused.value.field, refused.value.given) == ("audience", audience.value)
    assert part(size, Component.WEIGHTS).state == "open"


def test_hosted_component_can_be_closed_again(size, mara):
    details = {"by": mara, "of": size, "component": Component.GENERATION, "reason": "A step."}
    for audience in (Audience.OPEN, Audience.CLOSED):
        actions.open_component(audience=audience, **details)
    assert part(size, Component.GENERATION).state == "closed"


def test_ladder_stands_as_it_stood_at_any_point_in_time(size, mara):
    now = timezone.now()
    steps = [(Audience.PARTNER, now - timedelta(days=30)), (Audience.OPEN, now - timedelta(days=10))]
    steps.append((Audience.CLOSED, now + timedelta(days=10)))
    for audience, at in steps:
        actions.open_component(
            by=mara, of=size, component=Component.GENERATION, audience=audience, reason="A step.", at=at
        )
    days = [-31, -30, -11, -10, 0, 9, 10]
    states = [part(size, Component.GENERATION, at=now + timedelta(days=day)).state for day in days]
    assert states == ["closed", "partner", "partner", "open", "open", "open", "closed"]
    assert part(size, Component.WEIGHTS).state == "closed", "the other component has a history of its own"


def test_opening_later_written_decides_between_two_of_one_moment(size, mara):
    at = timezone.now()
    for audience in (Audience.OPEN, Audience.PARTNER):
        actions.open_component(
            by=mara, of=size, component=Component.GENERATION, audience=audience, reason="A step.", at=at
        )
    assert part(size, Component.GENERATION, at=at).state == "partner"


def test_ladder_takes_the_same_queries_for_every_number_of_sizes(gpt2, size, django_assert_num_queries):
    for family, count in ((size.family, 1), (gpt2, 4)):
        with django_assert_num_queries(4):
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
        actions.open_component(by=mara, of=size, component=Component.WEIGHTS, audience=Audience.OPEN, reason="")
    assert refused.value.field == "reason"


@pytest.mark.parametrize("who", ["ada", "rita", "otto"])
def test_open_without_the_right_is_forbidden(size, who, request):
    by = request.getfixturevalue(who)
    with pytest.raises(Forbidden, match="“Open components of sizes” needs a role"):
        actions.open_component(by=by, of=size, component=Component.WEIGHTS, audience=Audience.OPEN, reason="Now.")


@pytest.mark.parametrize("path", ["gpt2/124M", "GPT2/124m"])
def test_size_is_named_as_in_the_api(size_124m, path):
    assert ModelSize.objects.named(path).get() == size_124m
    assert size_124m.path == "gpt2/124M"


@pytest.mark.parametrize("path", ["", "gpt2", "124M", "gpt2/", "gpt2/125M", "gpt2/124M/x"])
def test_name_of_no_size_finds_none(size_124m, path):
    assert not ModelSize.objects.named(path).exists()
