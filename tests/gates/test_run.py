"""A run of a stage's policy: what it combines, what a waiver answers, and when its inputs have changed."""

from dataclasses import replace

import pytest

from release_portal.gates.policy import read_policy
from release_portal.gates.presets import preset
from release_portal.gates.records import Dissent, Incident, Kind, OtherStage, Records, Severity, Signoff, Waiver
from release_portal.gates.run import StageResult, evaluate

from .stage import FAIL, MOMENT, NOT_APPLICABLE, NOW, PASS, UNKNOWN, ago, evaluation, records

QUIET = {"dissents": (), "incidents": (), "waivers": ()}


def run(*checks: str, **facts) -> StageResult:
    lines = "\n".join(f"      - {each}" for each in checks)
    text = (
        "policy: p\nversion: 1\nroles: [legal]\nstages:\n"
        f"  - id: s2\n    release: {{weights/355M: open}}\n    checks:\n{lines}\n"
    )
    return evaluate(read_policy(text).stages[0], records(**(QUIET | facts)))


LEAK = "{check: leak_status}"
DISSENT = "{check: dissent_answered}"
NOT_RECORDED = "{check: panel_vote, quorum: 1}"
NO_WATCH = "{check: watch_conditions_clear}"
OPEN_LEAK = (Incident(id="i", kind="leak", size="124M", severity=Severity.HIGH, at=NOW, open=True),)


def waiver(key: str, **fields) -> Waiver:
    return Waiver(**({"id": "w", "key": key, "blocking": True, "valid": True, "expires_at": NOW + MOMENT} | fields))


def test_a_gate_passes_when_all_that_blocks_passes() -> None:
    result = run(LEAK, DISSENT)
    assert result.passes
    assert result.sentence == "The gate passes: 2 of 2 blocking requirements are met."
    assert [each.key for each in result.requirements] == ["leak_status", "dissent_answered"]


def test_one_that_fails_holds_it() -> None:
    result = run(LEAK, DISSENT, incidents=OPEN_LEAK)
    assert not result.passes
    assert result.result is FAIL
    assert result.sentence == "The gate does not pass: 1 of 2 blocking requirements are met."
    assert result.evidence == ("i",)


def test_unknown_holds_it_too() -> None:
    result = run(LEAK, NOT_RECORDED)
    assert result.result is UNKNOWN
    assert not result.passes


def test_advice_does_not_hold_it() -> None:
    result = run(LEAK, "{check: panel_vote, quorum: 1, blocking: false}")
    assert result.passes
    assert [each.result for each in result.requirements] == [PASS, UNKNOWN]


def test_a_gate_that_nothing_blocks_does_not_pass_by_itself() -> None:
    result = run("{check: leak_status, blocking: false}")
    assert not result.passes
    assert result.sentence == "No check of this gate blocks it, so it does not pass by itself."


def test_nor_does_one_where_nothing_that_blocks_applies() -> None:
    result = run(NO_WATCH, watch_conditions=())
    assert result.result is NOT_APPLICABLE
    assert not result.passes
    assert result.sentence == "No check that blocks this gate applies, so it does not pass by itself."


def test_what_does_not_apply_is_not_counted() -> None:
    result = run(NO_WATCH, LEAK, watch_conditions=())
    assert result.sentence == "The gate passes: 1 of 1 blocking requirements are met."


@pytest.mark.parametrize(
    ("combination", "expected"),
    [
        (f"all: [{LEAK}, {NOT_RECORDED}]", UNKNOWN),
        (f"any: [{LEAK}, {NOT_RECORDED}]", PASS),
        (f"not: {LEAK}", FAIL),
        (f"not: {NOT_RECORDED}", UNKNOWN),
        (f"at_least: {{k: 2, of: [{LEAK}, {DISSENT}, {NOT_RECORDED}]}}", PASS),
        (f"at_least: {{k: 3, of: [{LEAK}, {DISSENT}, {NOT_RECORDED}]}}", UNKNOWN),
        (f"at_least: {{k: 2, of: [{LEAK}, not: {DISSENT}]}}", FAIL),
    ],
)
def test_combinations_follow_the_logic(combination: str, expected) -> None:
    result = run(combination)
    assert result.result is expected
    assert all(outcome.sentence for outcome in result.requirements[0].node.outcomes())


@pytest.mark.parametrize("check", [LEAK, NOT_RECORDED])
def test_a_waiver_answers_what_fails_or_is_unknown(check: str) -> None:
    key = check[1:-1].split(",")[0].removeprefix("check: ")
    result = run(check, DISSENT, incidents=OPEN_LEAK, waivers=(waiver(key),))
    assert result.passes
    assert result.sentence == "The gate passes: 2 of 2 blocking requirements are met, 1 of them by a waiver."
    assert [each.key for each in result.waived] == [key]
    assert result.waived[0].result in {FAIL, UNKNOWN}


@pytest.mark.parametrize(
    "fields",
    [{"expires_at": NOW}, {"valid": False}, {"key": "dissent_answered"}, {"blocking": False}],
    ids=["expired in this moment", "not valid", "of another requirement", "of what only advises"],
)
def test_a_waiver_that_does_not_hold_changes_nothing(fields) -> None:
    result = run(LEAK, incidents=OPEN_LEAK, waivers=(waiver(**({"key": "leak_status"} | fields)),))
    assert not result.passes
    assert not result.waived


def test_advice_is_not_waived() -> None:
    advice = "{check: leak_status, blocking: false}"
    assert not run(advice, DISSENT, incidents=OPEN_LEAK, waivers=(waiver("leak_status"),)).waived


def test_what_passes_is_not_waived() -> None:
    assert not run(LEAK, waivers=(waiver("leak_status"),)).waived


def test_the_second_of_the_same_check_has_a_key_of_its_own() -> None:
    twice = "{check: min_days_in_stage, days: 60}", "{check: min_days_in_stage, days: 600}"
    result = run(*twice, waivers=(waiver("min_days_in_stage-2"),))
    assert [each.key for each in result.requirements] == ["min_days_in_stage", "min_days_in_stage-2"]
    assert result.passes


def test_a_combination_is_waived_as_a_whole() -> None:
    assert run(f"all: [{LEAK}, {NOT_RECORDED}]", waivers=(waiver("all"),)).passes


def test_waivers_are_counted_and_their_limit_is_never_waived() -> None:
    limit = "{check: waivers_max, max: 1}"
    one = (waiver("leak_status"),)
    assert run(LEAK, limit, incidents=OPEN_LEAK, waivers=one).passes
    two = (*one, waiver("waivers_max", id="v"))
    assert not run(LEAK, limit, incidents=OPEN_LEAK, waivers=two).passes
    hidden = f"any: [{limit}]"
    assert not run(LEAK, hidden, incidents=OPEN_LEAK, waivers=(*one, waiver("any", id="v"))).passes


def test_the_digest_does_not_depend_on_the_order_of_the_facts() -> None:
    dissents = tuple(Dissent(id=str(number), answered=True) for number in range(3))
    assert records(dissents=dissents).digest() == records(dissents=dissents[::-1]).digest()


@pytest.mark.parametrize(
    "change",
    [
        {"dissents": (Dissent(id="1", answered=False),)},
        {"dissents": ()},
        {"evaluations": (evaluation(Kind.BIAS, 0.2),)},
        {"evaluations": (evaluation(Kind.BIAS, 0.1, at=ago(10) + MOMENT),)},
        {"stages": (OtherStage(name="s1", released_at=None),)},
        {"waivers": (waiver("leak_status"),)},
        {"sizes": ()},
    ],
)
def test_any_input_that_changes_changes_the_digest(change) -> None:
    facts = {"dissents": (Dissent(id="1", answered=True),), "evaluations": (evaluation(Kind.BIAS, 0.1),)}
    before = records(**facts)
    assert replace(before, **change).digest() != before.digest()


def test_a_signature_and_the_clock_are_no_inputs_so_that_the_next_may_sign() -> None:
    before: Records = records()
    rita = Signoff(id="1", person="rita", roles=("legal",), run_id="run-1", at=NOW)
    assert replace(before, signoffs=(rita,), at=NOW + MOMENT, run_id="run-2").digest() == before.digest()


def test_the_policy_of_2019_without_evidence_holds_with_reasons() -> None:
    result = evaluate(preset("example").stage("s4-1558M"), records())
    assert not result.passes
    assert all(outcome.sentence for each in result.requirements for outcome in each.node.outcomes())
