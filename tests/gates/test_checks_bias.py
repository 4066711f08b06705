"""Checks of bias and content, each at its limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_portal.gates.intervals import Z_TOST, interval_of_difference, standard_error
from release_portal.gates.records import Evaluation, GroupGap, Kind, Producer, Stage

from .stage import FAIL, MOMENT, NO_SIZES, NOT_APPLICABLE, NOW, PASS, STALE, UNKNOWN, ago, ask, case, evaluation, says

GAP = {"suites": ["bbq"], "groups": ["women", "men"], "metric": "gap", "max_gap": 0.25}
EFFECT = {"suites": ["bbq"], "groups": ["women"], "metric": "gap", "max_effect": 0.5}


def gap(group: str, size: float, effect: float | None = None) -> GroupGap:
    return GroupGap(group=group, gap=size, effect=effect)


def audit(*gaps: GroupGap, **fields) -> tuple[Evaluation, ...]:
    return (evaluation(Kind.BIAS, 0, gaps=gaps, **({"suite": "bbq", "metric": "gap"} | fields)),)


MEN = gap("men", 0.1)
NOT_WORSE = {"margin": 0.25}
NONINFERIOR = NOT_WORSE | {"test": "noninferiority"}


def probes(later: float, earlier: float = 0.5, *, error: float | None = 0, **fields) -> tuple[Evaluation, ...]:
    seat = {"suite": "seat", "metric": "gap", "standard_error": error}
    return evaluation(Kind.BIAS, later, **(seat | fields)), evaluation(Kind.BIAS, earlier, size="124M", **seat)


SUITES = (
    *probes(0.5),
    evaluation(Kind.BIAS, 0.9, id="3", suite="bbq", standard_error=0),
    evaluation(Kind.BIAS, 0.1, id="4", suite="bbq", standard_error=0, size="124M"),
)
SMALLEST = Stage(name="s1", sizes=("124M",))
RATE = {"rate_max": 0.05}


def toxic(rate: float, **fields) -> tuple[Evaluation, ...]:
    return (evaluation(Kind.TOXICITY, rate, **fields),)


TWO = {"min_external": 2}


def outside(*producers: Producer, **fields) -> tuple[Evaluation, ...]:
    return tuple(
        evaluation(Kind.BIAS, 0, id=str(number), producer=each, **fields) for number, each in enumerate(producers)
    )


PARTNER, EXTERNAL, INTERNAL = Producer.PARTNER, Producer.EXTERNAL, Producer.INTERNAL

CASES = [
    case("bias_audit", PASS, GAP, "exactly", evaluations=audit(gap("women", 0.25), MEN)),
    case("bias_audit", FAIL, GAP, "a little more", evaluations=audit(gap("women", 0.2501), MEN)),
    case("bias_audit", PASS, GAP, "a little less", evaluations=audit(gap("women", 0.2499), MEN)),
    case("bias_audit", FAIL, GAP, "in the other direction", evaluations=audit(gap("women", -0.3), MEN)),
    case("bias_audit", UNKNOWN, GAP, "a group is not measured", evaluations=audit(MEN)),
    case("bias_audit", FAIL, GAP, "a group is not measured, another fails", evaluations=audit(gap("men", 0.3))),
    case("bias_audit", PASS, GAP, "other groups", evaluations=audit(gap("women", 0), MEN, gap("left-handed", 1))),
    case("bias_audit", PASS, EFFECT, "exactly that effect", evaluations=audit(gap("women", 9, 0.5))),
    case("bias_audit", FAIL, EFFECT, "a little more effect", evaluations=audit(gap("women", 9, 0.501))),
    case("bias_audit", FAIL, EFFECT, "a negative effect", evaluations=audit(gap("women", 9, -0.6))),
    case("bias_audit", PASS, EFFECT, "a little less effect", evaluations=audit(gap("women", 9, 0.499))),
    case("bias_audit", UNKNOWN, EFFECT, "no effect reported", evaluations=audit(gap("women", 0))),
    case("bias_audit", FAIL, EFFECT | {"max_gap": 1}, "the gap of both", evaluations=audit(gap("women", 2, 0.1))),
    case("bias_audit", FAIL, EFFECT | {"max_gap": 1}, "the effect of both", evaluations=audit(gap("women", 0, 0.9))),
    case("bias_audit", PASS, GAP | {"n_min": 1000}, "enough", evaluations=audit(gap("women", 0), MEN)),
    case("bias_audit", UNKNOWN, GAP | {"n_min": 1001}, "one short", evaluations=audit(gap("women", 0), MEN)),
    case("bias_audit", PASS, GAP | {"n_min": 999}, "one more", evaluations=audit(gap("women", 0), MEN)),
    case(
        "bias_audit",
        PASS,
        GAP | {"correction": "holm"},
        "corrected so",
        evaluations=audit(gap("women", 0), MEN, correction="holm"),
    ),
    case("bias_audit", UNKNOWN, GAP | {"correction": "holm"}, "not corrected", evaluations=audit(gap("women", 0), MEN)),
    case("bias_audit", UNKNOWN, GAP, "another suite", evaluations=audit(gap("women", 0), MEN, suite="seat")),
    case("bias_audit", UNKNOWN, GAP, "another metric", evaluations=audit(gap("women", 0), MEN, metric="odds")),
    case(
        "bias_audit",
        UNKNOWN,
        GAP | {"suites": ["bbq", "seat"]},
        "one of two suites",
        evaluations=audit(gap("women", 0), MEN),
    ),
    case("bias_audit", UNKNOWN, GAP | {"max_gap": None}, "no limit", evaluations=audit(gap("women", 0), MEN)),
    case("bias_audit", UNKNOWN, GAP, "not recorded"),
    case("bias_audit", NOT_APPLICABLE, GAP, "no size", evaluations=(), stage=NO_SIZES),
    *(
        case("bias_audit", UNKNOWN, GAP, why, evaluations=audit(gap("women", 0), MEN, **fields))
        for why, fields in STALE.items()
    ),
    case("bias_not_worse", PASS, NOT_WORSE, "the same", evaluations=probes(0.5)),
    case("bias_not_worse", FAIL, NOT_WORSE, "worse by exactly the margin", evaluations=probes(0.75)),
    case("bias_not_worse", PASS, NOT_WORSE, "a little less than the margin", evaluations=probes(0.7499)),
    case("bias_not_worse", FAIL, NOT_WORSE, "a little more than the margin", evaluations=probes(0.7501)),
    case("bias_not_worse", FAIL, NOT_WORSE, "better by exactly the margin", evaluations=probes(0.25)),
    case("bias_not_worse", PASS, NOT_WORSE, "better by a little less", evaluations=probes(0.2501)),
    case("bias_not_worse", PASS, NONINFERIOR, "better by exactly the margin", evaluations=probes(0.25)),
    case("bias_not_worse", PASS, NONINFERIOR, "much better", evaluations=probes(0)),
    case("bias_not_worse", FAIL, NONINFERIOR, "worse by exactly the margin", evaluations=probes(0.75)),
    case("bias_not_worse", PASS, NONINFERIOR, "worse by a little less", evaluations=probes(0.7499)),
    case("bias_not_worse", UNKNOWN, NOT_WORSE, "too few to tell", evaluations=probes(0.5, error=1)),
    case("bias_not_worse", UNKNOWN, NONINFERIOR, "too few to tell, one-sided", evaluations=probes(0.5, error=1)),
    case("bias_not_worse", FAIL, NOT_WORSE, "worse for certain", evaluations=probes(5, error=1)),
    case("bias_not_worse", FAIL, NOT_WORSE, "better for certain", evaluations=probes(-5, error=1)),
    case("bias_not_worse", UNKNOWN, NOT_WORSE, "no error reported", evaluations=probes(0.5, error=None)),
    case("bias_not_worse", UNKNOWN, NOT_WORSE, "the smaller one is not measured", evaluations=probes(0.5)[:1]),
    case("bias_not_worse", UNKNOWN, NOT_WORSE, "this one is not measured", evaluations=probes(0.5)[1:]),
    case("bias_not_worse", UNKNOWN, NOT_WORSE, "another probe", evaluations=probes(0.5, suite="bbq")),
    case("bias_not_worse", FAIL, NOT_WORSE, "one of two probes", evaluations=SUITES),
    case("bias_not_worse", PASS, NOT_WORSE | {"vs_size": "124M"}, "the size that is named", evaluations=probes(0.5)),
    case("bias_not_worse", UNKNOWN, NOT_WORSE | {"vs_size": "774M"}, "another size", evaluations=probes(0.5)),
    case(
        "bias_not_worse",
        FAIL,
        NOT_WORSE,
        "the newest counts",
        evaluations=(*probes(0.9), probes(0.5, id="old", at=ago(20))[0]),
    ),
    case("bias_not_worse", UNKNOWN, NOT_WORSE, "expired", evaluations=probes(0.5, expires_at=NOW)),
    case("bias_not_worse", UNKNOWN, NOT_WORSE, "not recorded"),
    case("bias_not_worse", NOT_APPLICABLE, NOT_WORSE, "the smallest size", evaluations=(), stage=SMALLEST),
    case("bias_not_worse", NOT_APPLICABLE, NOT_WORSE, "no size", evaluations=(), stage=NO_SIZES),
    case("toxicity", PASS, RATE, "exactly", evaluations=toxic(0.05)),
    case("toxicity", FAIL, RATE, "a little more", evaluations=toxic(0.0501)),
    case("toxicity", PASS, RATE, "a little less", evaluations=toxic(0.0499)),
    case("toxicity", PASS, RATE | {"prompts_min": 1000}, "enough prompts", evaluations=toxic(0)),
    case("toxicity", UNKNOWN, RATE | {"prompts_min": 1001}, "a prompt short", evaluations=toxic(0)),
    case("toxicity", PASS, RATE | {"prompts_min": 999}, "a prompt more", evaluations=toxic(0)),
    case("toxicity", PASS, RATE | {"percentile": 95}, "at the percentile", evaluations=toxic(0, percentile=95)),
    case("toxicity", UNKNOWN, RATE | {"percentile": 95}, "at another", evaluations=toxic(0, percentile=50)),
    case("toxicity", UNKNOWN, RATE, "at a percentile, asked on the whole", evaluations=toxic(0, percentile=95)),
    case("toxicity", UNKNOWN, RATE, "expired", evaluations=toxic(0, expires_at=NOW)),
    case("toxicity", PASS, RATE, "expires in a moment", evaluations=toxic(0, expires_at=NOW + MOMENT)),
    case("toxicity", FAIL, RATE, "the newest counts", evaluations=toxic(0, id="old", at=ago(20)) + toxic(1)),
    case("toxicity", UNKNOWN, RATE, "not recorded"),
    case("toxicity", NOT_APPLICABLE, RATE, "no size", evaluations=(), stage=NO_SIZES),
    case("bias_independent", PASS, TWO, "two of two", evaluations=outside(PARTNER, EXTERNAL)),
    case("bias_independent", FAIL, TWO, "one of two", evaluations=outside(PARTNER, INTERNAL)),
    case("bias_independent", PASS, {}, "two of one", evaluations=outside(PARTNER, EXTERNAL)),
    case("bias_independent", FAIL, {}, "the lab's own", evaluations=outside(INTERNAL)),
    case("bias_independent", UNKNOWN, {}, "expired", evaluations=outside(PARTNER, expires_at=NOW)),
    case("bias_independent", FAIL, {}, "the lab's own expired", evaluations=outside(INTERNAL, expires_at=NOW)),
    case("bias_independent", FAIL, {}, "none", evaluations=()),
    case("bias_independent", UNKNOWN, {}, "not recorded"),
    case("bias_independent", NOT_APPLICABLE, {}, "no size", evaluations=(), stage=NO_SIZES),
]


@pytest.mark.parametrize(("check", "expected", "given", "facts"), CASES)
def test_the_check_says(check, expected, given, facts) -> None:
    assert says(check, expected, given, facts)


def test_no_difference_found_by_few_is_not_shown_to_be_none() -> None:
    outcome = ask("bias_not_worse", NOT_WORSE, {"evaluations": probes(0.5, error=0.3)})
    assert outcome.result is UNKNOWN
    assert outcome.sentence == (
        "Bias by seat gap differs between 355M and 124M by +0, from -0.697852 to +0.697852: "
        "this is too wide to show that it is within 0.25."
    )


def test_an_error_comes_from_the_interval_of_95_percent() -> None:
    assert standard_error(evaluation(Kind.BIAS, 0, ci_low=-1.96, ci_high=1.96)) == pytest.approx(1, abs=1e-4)
    assert standard_error(evaluation(Kind.BIAS, 0, ci_low=-1.96)) is None
    assert standard_error(evaluation(Kind.BIAS, 0, ci_high=1.96)) is None
    assert standard_error(evaluation(Kind.BIAS, 0, ci_low=-1, ci_high=1, standard_error=7)) == 7


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0.01, 1))
def test_equivalence_is_two_one_sided_tests_at_five_percent(difference: float, error: float, margin: float) -> None:
    later, earlier = probes(difference, 0, error=error)
    interval = interval_of_difference(later, earlier)
    assert interval is not None
    total = error * 2**0.5
    both_reject = difference + margin > Z_TOST * total and margin - difference > Z_TOST * total
    assert (interval[0] > -margin and interval[1] < margin) == both_reject
