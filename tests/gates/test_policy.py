"""Policies as YAML and JSON: what reads, what is refused with its line, and that nothing is lost on the way."""

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from release_portal.gates.policy import (
    CheckUse,
    Combination,
    Node,
    Policy,
    PolicyError,
    Requirement,
    StagePolicy,
    from_json,
    read_policy,
    to_json,
    write_policy,
)
from release_portal.gates.presets import preset, preset_text, presets
from release_portal.lib.states import Refused
from release_portal.releases.models import Audience, Component

POLICY = """\
policy: small
version: 1
roles: [legal, security]
stages:
  - id: first
    release: {weights/124M: open}
    checks:
      - {check: leak_status}
  - id: second
    after: [first]
    release: {weights/355M: open, paper: open}
    partner_access: {weights/774M: partner}
    checks:
      - {check: min_days_in_stage, days: 60, stage: first, blocking: true}
      - any:
          - {check: leak_status}
          - not: {check: panel_vote, quorum: 3}
          - at_least: {k: 1, of: [{check: dissent_answered}, {check: data_summary}]}
        blocking: false
      - {check: signoffs, people: 1, roles: {legal: 1}}
    watch: [incident_severity>=high@355M, leak@any]
"""


def test_a_policy_is_read() -> None:
    policy = read_policy(POLICY)
    second = policy.stage("second")
    assert (policy.name, policy.version, policy.roles) == ("small", 1, ("legal", "security"))
    assert second.release == {"weights/355M": Audience.OPEN, "paper": Audience.OPEN}
    assert second.partner_access == {"weights/774M": Audience.PARTNER}
    assert second.checks[0] == Requirement(CheckUse("min_days_in_stage", {"days": 60, "stage": "first"}), True)
    assert second.named_stages() == {"first"}
    assert list(second.requirements()) == ["min_days_in_stage", "any", "signoffs"]
    assert second.watch == ("incident_severity>=high@355M", "leak@any")


def test_what_does_not_say_so_blocks() -> None:
    first = read_policy(POLICY).stage("first")
    assert first.checks[0].blocking


WRONG = {
    "unknown check": (
        "check: leak_status",
        "check: leek_status",
        8,
        "“leek_status” is no check. Did you mean “leak_status”?",
    ),
    "unknown parameter": (
        "stage: first,",
        "stag: first,",
        14,
        "“stag” is no parameter of min_days_in_stage. Did you mean “stage”?",
    ),
    "a parameter missing": ("days: 60, ", "", 14, "min_days_in_stage needs “days”."),
    "wrong type": (
        "days: 60",
        "days: sixty",
        14,
        "“days” of min_days_in_stage should be a valid integer; given: “sixty”.",
    ),
    "a number as text": (
        "days: 60",
        "days: '60'",
        14,
        "“days” of min_days_in_stage should be a valid integer; given: “60”.",
    ),
    "out of range": (
        "days: 60",
        "days: -1",
        14,
        "“days” of min_days_in_stage should be greater than or equal to 0; given: -1.",
    ),
    "not a number": (
        "days: 60",
        "days: .nan",
        14,
        "“days” of min_days_in_stage should be a valid integer; given: nan.",
    ),
    "unknown choice": (
        "quorum: 3",
        "quorum: 3, majority: simpel",
        17,
        "“majority” of panel_vote should be 'simple', 'two_thirds' or 'unanimous'; given: “simpel”. "
        "Did you mean “simple”?",
    ),
    "a wrong number inside a map": (
        "roles: {legal: 1}",
        "roles: {legal: 0}",
        20,
        "“roles.legal” of signoffs should be greater than or equal to 1; given: 0.",
    ),
    "unknown key of a policy": (
        "version: 1",
        "version: 1\nverison: 2",
        3,
        "“verison” is no key of a policy. Did you mean “version”?",
    ),
    "unknown key of a stage": ("    watch:", "    wach:", 21, "“wach” is no key of a stage. Did you mean “watch”?"),
    "a key missing": ("version: 1\n", "", 1, "“version” is missing in a policy."),
    "a key twice": ("version: 1", "version: 1\nversion: 2", 3, "“version” is there twice in a policy."),
    "a parameter twice": ("days: 60", "days: 60, days: 61", 14, "“days” is there twice in a check."),
    "a stage that is not there": (
        "after: [first]",
        "after: [frist]",
        9,
        "The stage “second” names “frist”, which is no stage. Did you mean “first”?",
    ),
    "a check of a stage that is not there": (
        "stage: first",
        "stage: frist",
        9,
        "The stage “second” names “frist”, which is no stage. Did you mean “first”?",
    ),
    "a cycle": (
        "    release: {weights/124M",
        "    after: [second]\n    release: {weights/124M",
        5,
        "These stages wait for each other: first, second, first.",
    ),
    "a stage after itself": ("stage: first", "stage: second", 9, "These stages wait for each other: second, second."),
    "a stage twice": ("id: second", "id: first", 9, "The stage “first” is there 2 times."),
    "unknown component": ("weights/355M", "wieghts/355M", 11, "“wieghts” is no component. Did you mean “weights”?"),
    "no size": ("weights/355M", "weights/", 11, "“weights/” names no size after the stroke."),
    "unknown level": ("weights/355M: open", "weights/355M: opne", 11, "“opne” is no level. Did you mean “open”?"),
    "nothing opened": ("release: {weights/124M: open}", "release: {}", 6, "“release” names at least one component."),
    "no checks": ("      - {check: leak_status}\n  - id", "      []\n  - id", 8, "“checks” has at least one check."),
    "unknown role": (
        "roles: {legal: 1}",
        "roles: {leagl: 1}",
        9,
        "The stage “second” names “leagl”, which is no role of this policy. Did you mean “legal”?",
    ),
    "unknown watch": ("leak@any", "leek@any", 21, "“leek” cannot be watched. Did you mean “leak”?"),
    "watch without a size": (
        "leak@any",
        "leak",
        21,
        "A watch condition is such as incident_severity>=high@774M; given: leak.",
    ),
    "watch of an unknown severity": (">=high@", ">=hihg@", 21, "“hihg” is no severity. Did you mean “high”?"),
    "watch without a severity": (
        "incident_severity>=high@",
        "incident_severity@",
        21,
        "“incident_severity” needs a severity: incident_severity@355M.",
    ),
    "a leak of a severity": ("leak@any", "leak>=high@any", 21, "“leak” needs no severity: leak>=high@any."),
    "too many of": ("k: 1", "k: 3", 18, "“k” is at most the number of checks in “of”, 2; given: 3."),
    "fewer than one of": ("k: 1", "k: 0", 18, "“k” is a whole number of 1 or more; given: 0."),
    "none of": (
        "of: [{check: dissent_answered}, {check: data_summary}]",
        "of: []",
        18,
        "“at_least” has at least one check.",
    ),
    "unknown key of a combinator": ("k: 1,", "k: 1, n: 2,", 18, "“n” is no key of at_least."),
    "a combinator with a parameter": ("blocking: false", "days: 3", 15, "“days” is no key of “any”."),
    "neither check nor combinator": (
        "check: dissent_answered",
        "chekc: dissent_answered",
        18,
        "Each requirement has one of check, all, any, at_least and not. Did you mean “check”?",
    ),
    "blocking within a combinator": (
        "- {check: leak_status}\n          - not",
        "- {check: leak_status, blocking: true}\n          - not",
        16,
        "“blocking” stands beside the outermost check or combinator only.",
    ),
    "blocking that is no truth": ("blocking: true", "blocking: 1", 14, "“blocking” is true or false; given: 1."),
    "an anchor": ("roles: [legal", "roles: &a [legal", 3, "Anchors and aliases are not used in a policy: “a”."),
    "a tag": (
        "version: 1",
        "version: !!python/name:os.system 1",
        2,
        "Tags are not used in a policy: “tag:yaml.org,2002:python/name:os.system”.",
    ),
    "a date that is none": (
        "version: 1",
        "version: 1\nlocked_at: 2019-02-31",
        3,
        "“locked_at” is a day such as 2019-02-10; given: 2019-02-31.",
    ),
    "a name of two lines": (
        "policy: small",
        'policy: "a\\nb"',
        1,
        "“policy” is a text of one line, 1 to 80 characters; given: a\nb.",
    ),
    "a version that is a text": (
        "version: 1",
        "version: one",
        2,
        "“version” is a whole number of 1 or more; given: one.",
    ),
    "a list that is none": ("roles: [legal, security]", "roles: legal", 3, "“roles” is a list."),
    "a map that is none": (
        "release: {weights/124M: open}",
        "release: open",
        6,
        "Here release is a map of keys and values.",
    ),
    "a number too large": ("version: 1", "version: 9007199254740993", 2, "“9007199254740993” cannot be read."),
    "a number far too large": ("version: 1", "version: 0x" + "f" * 5000, 2, f"“0x{'f' * 78}…” cannot be read."),
    "a number that cannot be read": ("version: 1", "version: 0b_", 2, "“0b_” cannot be read."),
    "no YAML": ("version: 1", "version: [1", 3, "This is not YAML: expected ',' or ']', but got ':'."),
}


@pytest.mark.parametrize("why", WRONG)
def test_a_problem_names_its_line_and_the_nearest_word(why: str) -> None:
    old, new, line, sentence = WRONG[why]
    assert old in POLICY
    with pytest.raises(PolicyError) as refused:
        read_policy(POLICY.replace(old, new, 1))
    assert (line, sentence) in [(each.line, each.sentence) for each in refused.value.problems]


def test_all_problems_are_said_at_once_in_their_order() -> None:
    wrong = POLICY.replace("leak_status}\n  - id", "leek_status}\n  - id").replace("days: 60", "days: -1")
    with pytest.raises(PolicyError) as refused:
        read_policy(wrong.replace("weights/774M: partner", "weights/774M: partners"))
    assert [each.line for each in refused.value.problems] == [8, 12, 14]
    assert refused.value.sentence.startswith("Line 8: “leek_status” is no check.")
    assert refused.value.status == 422


@pytest.mark.parametrize("text", ["", "~", "[]", "7", "a: *b", "\x00", "- " * 30 + "1", "{" * 200_000, "--- 1\n--- 2"])
def test_what_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(PolicyError):
        read_policy(text)


def test_a_policy_of_200_000_bytes_is_read_and_one_byte_more_is_refused() -> None:
    full = POLICY + "#" * (200_000 - len(POLICY))
    assert read_policy(full) == read_policy(POLICY)
    with pytest.raises(PolicyError, match="at most 200,000 bytes; this has 200,001"):
        read_policy(full + "#")


@pytest.mark.parametrize(("length", "reads"), [(80, True), (81, False)])
def test_a_name_has_at_most_80_characters(length: int, reads: bool) -> None:
    text = POLICY.replace("policy: small", "policy: " + "a" * length)
    if reads:
        assert len(read_policy(text).name) == length
    else:
        with pytest.raises(PolicyError, match="1 to 80 characters"):
            read_policy(text)


def test_a_number_has_at_most_53_bits() -> None:
    assert read_policy(POLICY.replace("version: 1", f"version: {2**53}")).version == 2**53


def nested(depth: int) -> str:
    """A check within that number of combinators."""
    return "{not: " * depth + "{check: leak_status}" + "}" * depth


def test_nesting_is_read_to_a_depth_of_20_and_no_deeper() -> None:
    def deep(depth: int) -> str:
        return POLICY.replace("- {check: leak_status}\n  - id", f"- {nested(depth)}\n  - id")

    assert read_policy(deep(15)) == from_json(to_json(read_policy(deep(15))))
    with pytest.raises(PolicyError, match="nested at most 20 deep"):
        read_policy(deep(16))
    with pytest.raises(PolicyError, match="nested at most 20 deep"):
        from_json(yaml.safe_load(deep(16)))


@given(st.text(max_size=60))
def test_no_text_breaks_the_reading(text: str) -> None:
    with pytest.raises(PolicyError):
        read_policy(text)


@given(st.integers(0, len(POLICY) - 1), st.sampled_from("{}[]:,-&*!|>'\"%@`#~ \n\tx0é"))
def test_no_other_letter_breaks_the_reading(place: int, letter: str) -> None:
    try:
        read_policy(POLICY[:place] + letter + POLICY[place + 1 :])
    except PolicyError as refused:
        assert all(each.line >= 1 and each.sentence for each in refused.problems)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.dictionaries(st.sampled_from(["policy", "version", "stages", "roles", "id", "checks", "check"]), inside)
    ),
    max_leaves=12,
)


@given(PLAIN)
def test_no_document_of_the_form_breaks_the_reading(document: object) -> None:
    with pytest.raises(PolicyError):
        from_json(document)


@pytest.mark.parametrize("document", [object(), {"policy": {1, 2}}, {"policy": [object()]}, {"version": 16**5000}])
def test_what_is_not_plain_is_refused(document: object) -> None:
    with pytest.raises(PolicyError):
        from_json(document)


def test_a_document_too_deep_is_refused_before_it_is_walked() -> None:
    document: list[object] = []
    for _ in range(100_000):
        document = [document]
    with pytest.raises(PolicyError, match="nested at most 20 deep"):
        from_json(document)


def test_problems_of_the_form_have_no_line() -> None:
    document = to_json(read_policy(POLICY))
    document["stages"][1]["checks"][0]["days"] = -1
    with pytest.raises(PolicyError) as refused:
        from_json(document)
    assert [(each.line, each.word) for each in refused.value.problems] == [(0, "days")]


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12)
USES = st.one_of(
    st.builds(lambda days: CheckUse("min_days_in_stage", {"days": days}), st.integers(0, 10**6)),
    st.builds(lambda least: CheckUse("forward_transfer", {"min": least}), st.floats(0, 1)),
    st.builds(lambda names: CheckUse("affected_parties_notified", {"classes": names}), st.lists(NAMES, min_size=1)),
    st.builds(lambda day: CheckUse("not_before", {"date": day.isoformat()}), st.dates()),
    st.builds(lambda limit: CheckUse("waivers_max", {"max": 1, "max_blocking": limit}), st.none() | st.integers(0, 9)),
    st.just(CheckUse("leak_status")),
)


def combined(inside: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(inside, min_size=1, max_size=3).map(tuple)
    return st.one_of(
        st.builds(lambda of: Combination("all", of), several),
        st.builds(lambda of: Combination("any", of), several),
        st.builds(lambda of: Combination("at_least", of, len(of)), several),
        st.builds(lambda of: Combination("not", (of,)), inside),
    )


REQUIREMENTS = st.builds(Requirement, st.recursive(USES, combined, max_leaves=4), st.booleans())
LEVELS = st.dictionaries(
    st.builds(lambda component, size: f"{component}/{size}", st.sampled_from(Component.values), NAMES),
    st.sampled_from(Audience),
    min_size=1,
    max_size=3,
)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    ids = draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    stages = tuple(
        StagePolicy(
            id=id_,
            release=draw(LEVELS),
            checks=tuple(draw(st.lists(REQUIREMENTS, min_size=1, max_size=3))),
            after=tuple(ids[:number]),
            partner_access=draw(st.just({}) | LEVELS),
            watch=tuple(draw(st.lists(st.sampled_from(["leak@any", "finding_severity>=low@355M"])))),
        )
        for number, id_ in enumerate(ids)
    )
    locked = draw(st.just("") | st.dates().map(str))
    roles = tuple(draw(st.lists(NAMES, max_size=2)))
    return Policy(draw(NAMES), draw(st.integers(1, 99)), roles, stages, locked)


@settings(max_examples=12)
@given(policies())
def test_a_policy_reads_back_as_it_was_written(policy: Policy) -> None:
    text = write_policy(policy)
    assert read_policy(text) == policy
    assert write_policy(read_policy(text)) == text
    assert from_json(json.loads(json.dumps(to_json(policy)))) == policy


@pytest.mark.parametrize("name", presets())
def test_every_preset_reads_without_a_problem_and_back(name: str) -> None:
    policy = preset(name)
    assert policy.stages
    assert read_policy(write_policy(policy)) == policy == from_json(to_json(policy))


def test_the_presets_are_these() -> None:
    assert presets() == ["example", "no-waivers", "publication-norms"]
    with pytest.raises(Refused, match="There is no preset “strict”"):
        preset("strict")


def test_the_preset_without_waivers_differs_in_that_alone() -> None:
    example, strict = preset("example"), preset("no-waivers")
    assert example.stages[:3] == strict.stages[:3]
    differing = [
        (one, other)
        for one, other in zip(example.stages[3].checks, strict.stages[3].checks, strict=True)
        if one != other
    ]
    assert [(one.node.parameters["max"], other.node.parameters["max"]) for one, other in differing] == [(3, 0)]


def test_the_preset_of_publication_norms_says_which_recommendation_each_check_serves() -> None:
    text = preset_text("publication-norms")
    assert all(f"# {number}. " in text for number in range(1, 7))
