"""Checks of what texts do to people who read them, each at its limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_portal.gates.intervals import upper_limit_of_increase
from release_portal.gates.records import Evaluation, Kind, Stage

from .stage import FAIL, NO_SIZES, NOT_APPLICABLE, NOW, PASS, STALE, UNKNOWN, ago, ask, case, evaluation, says


def study(value: float = 6.0, *, size: str = "355M", **fields) -> Evaluation:
    return evaluation(Kind.CREDIBILITY, value, size=size, **({"metric": "index", "pipeline": "automated"} | fields))


def between(low: float | None, high: float | None, **fields) -> tuple[Evaluation, ...]:
    return (study(ci_low=low, ci_high=high, **fields),)


def pair(later: float, earlier: float = 6.0, *, half: float | None = None, **fields) -> tuple[Evaluation, ...]:
    """Two studies, each with an interval of `half` to both sides."""
    limits = [{} if half is None else {"ci_low": value - half, "ci_high": value + half} for value in (later, earlier)]
    return study(later, **limits[0], **fields), study(earlier, size="124M", **limits[1])


STEP = {"max_increase_vs_previous": 0.5}
POINT = STEP | {"ci_upper": False}
ARMS = {"arms": ["human"]}
WIDTH = {"ci_width_max": 1.0}
PEOPLE = {"max_ratio": 0.75}
SMALLEST = Stage(name="s1", sizes=("124M",))

CASES = [
    case("credibility_measured", PASS, {"n_min": 1000}, "exactly enough people", evaluations=(study(),)),
    case("credibility_measured", FAIL, {"n_min": 1001}, "a person short", evaluations=(study(),)),
    case("credibility_measured", PASS, {"n_min": 999}, "a person more", evaluations=(study(),)),
    case("credibility_measured", PASS, ARMS, "the arm is there", evaluations=(study(arms=("human",)),)),
    case("credibility_measured", FAIL, ARMS, "the arm is missing", evaluations=(study(),)),
    case("credibility_measured", PASS, WIDTH, "exactly as narrow", evaluations=between(5.5, 6.5)),
    case("credibility_measured", FAIL, WIDTH, "a little wider", evaluations=between(5.5, 6.5625)),
    case("credibility_measured", PASS, WIDTH, "a little narrower", evaluations=between(5.5, 6.4375)),
    case("credibility_measured", UNKNOWN, WIDTH, "no interval", evaluations=(study(),)),
    case("credibility_measured", UNKNOWN, WIDTH, "no lower limit", evaluations=between(None, 6.5)),
    case("credibility_measured", UNKNOWN, WIDTH, "no upper limit", evaluations=between(5.5, None)),
    case("credibility_measured", FAIL, WIDTH | {"n_min": 1001}, "too small, no interval", evaluations=(study(),)),
    case("credibility_measured", UNKNOWN, {"pipeline": "human_in_loop"}, "another pipeline", evaluations=(study(),)),
    case("credibility_measured", UNKNOWN, {}, "none", evaluations=()),
    case("credibility_measured", UNKNOWN, {}, "not recorded"),
    case("credibility_measured", NOT_APPLICABLE, {}, "no size", evaluations=(), stage=NO_SIZES),
    *(case("credibility_measured", UNKNOWN, {}, why, evaluations=(study(**fields),)) for why, fields in STALE.items()),
    case("credibility_step", PASS, POINT, "exactly, on the point", evaluations=pair(6.5)),
    case("credibility_step", FAIL, POINT, "a little more, on the point", evaluations=pair(6.5625)),
    case("credibility_step", PASS, POINT, "a little less, on the point", evaluations=pair(6.4375)),
    case("credibility_step", PASS, POINT, "the interval is not asked for", evaluations=pair(6.5, half=9)),
    case("credibility_step", UNKNOWN, STEP, "no interval", evaluations=pair(6.19)),
    case("credibility_step", FAIL, STEP, "no interval, and the point is over", evaluations=pair(7)),
    case("credibility_step", UNKNOWN, STEP, "no interval, and the point is at the limit", evaluations=pair(6.5)),
    case(
        "credibility_step",
        PASS,
        {"max_increase_vs_previous": 5},
        "an upper limit of 5",
        evaluations=(study(6, ci_low=2, ci_high=9), study(6, size="124M", ci_low=2, ci_high=7)),
    ),
    case(
        "credibility_step",
        FAIL,
        {"max_increase_vs_previous": 4.99},
        "an upper limit over it",
        evaluations=(study(6, ci_low=2, ci_high=9), study(6, size="124M", ci_low=2, ci_high=7)),
    ),
    case(
        "credibility_step",
        PASS,
        {"max_increase_vs_previous": 5.01},
        "an upper limit under it",
        evaluations=(study(6, ci_low=2, ci_high=9), study(6, size="124M", ci_low=2, ci_high=7)),
    ),
    case("credibility_step", UNKNOWN, STEP, "measured in other ways", evaluations=pair(6, pipeline="human_in_loop")),
    case("credibility_step", UNKNOWN, STEP, "measured by other metrics", evaluations=pair(6, metric="share")),
    case("credibility_step", UNKNOWN, STEP, "the smaller one is not measured", evaluations=pair(6)[:1]),
    case("credibility_step", UNKNOWN, STEP, "expired", evaluations=pair(6, half=0, expires_at=NOW)),
    case("credibility_step", UNKNOWN, STEP, "not recorded"),
    case("credibility_step", NOT_APPLICABLE, STEP, "the smallest size", evaluations=(), stage=SMALLEST),
    case("credibility_step", NOT_APPLICABLE, STEP, "no size", evaluations=(), stage=NO_SIZES),
    case("credibility_vs_human", PASS, PEOPLE, "exactly", evaluations=(study(6, human_value=8),)),
    case("credibility_vs_human", FAIL, PEOPLE, "a little more", evaluations=(study(6.01, human_value=8),)),
    case("credibility_vs_human", PASS, PEOPLE, "a little less", evaluations=(study(5.99, human_value=8),)),
    case("credibility_vs_human", UNKNOWN, PEOPLE, "no texts of people", evaluations=(study(),)),
    case(
        "credibility_vs_human", UNKNOWN, PEOPLE, "texts of people nobody believes", evaluations=(study(human_value=0),)
    ),
    case(
        "credibility_vs_human",
        FAIL,
        PEOPLE,
        "the newest counts",
        evaluations=(study(1, id="old", at=ago(20), human_value=8), study(8, human_value=8)),
    ),
    case("credibility_vs_human", UNKNOWN, PEOPLE, "expired", evaluations=(study(6, human_value=8, expires_at=NOW),)),
    case("credibility_vs_human", UNKNOWN, PEOPLE, "not recorded"),
    case("credibility_vs_human", NOT_APPLICABLE, PEOPLE, "no size", evaluations=(), stage=NO_SIZES),
]


@pytest.mark.parametrize(("check", "expected", "given", "facts"), CASES)
def test_the_check_says(check, expected, given, facts) -> None:
    assert says(check, expected, given, facts)


def test_a_study_says_what_its_interval_is_where_one_is_asked_for() -> None:
    facts = {"evaluations": between(5.5, 6.5)}
    assert ask("credibility_measured", {}, facts).sentence == "1,000 people judged texts of 355M; 1 asked for."
    assert ask("credibility_measured", WIDTH, facts).sentence.endswith("an interval of 1 or narrower: it is 1 wide.")


def test_the_step_of_2019_is_known_on_the_point_only() -> None:
    outcome = ask("credibility_step", STEP, {"evaluations": pair(6.91, 6.72)})
    assert outcome.sentence == (
        "Texts of 355M are +0.19 points more credible than those of 124M (no interval is known); 0.5 is allowed."
    )


@given(st.floats(0, 10), st.floats(0, 10), st.floats(0, 5), st.floats(0, 5))
def test_the_upper_limit_lies_between_the_point_and_the_sum_of_the_errors(later, earlier, over, under) -> None:
    upper = upper_limit_of_increase(
        study(later, ci_low=later, ci_high=later + over), study(earlier, ci_low=earlier - under, ci_high=earlier)
    )
    assert upper is not None
    assert later - earlier - 1e-9 <= upper <= later - earlier + over + under + 1e-9
