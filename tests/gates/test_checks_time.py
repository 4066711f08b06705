"""Checks of time and order, each at its limit."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from release_portal.gates.records import ComponentLevel, Consultation, Embargo, Kind, Opened, OtherStage, Size
from release_portal.releases.models import Audience

from .stage import (
    FAIL,
    LARGE,
    MOMENT,
    NO_SIZES,
    NOT_APPLICABLE,
    NOW,
    PASS,
    SMALL,
    STAGE,
    STALE,
    UNKNOWN,
    ago,
    ask,
    case,
    evaluation,
    says,
    weights,
)

DAYS = {"days": 60}
S2 = {"days": 60, "stage": "s2"}


def released(moment: datetime | None, name: str = "s1") -> tuple[OtherStage, ...]:
    return (OtherStage(name=name, released_at=moment),)


def bias(**fields):
    return evaluation(Kind.BIAS, 0.1, **fields)


def outputs(**fields):
    return replace(weights(id="outputs"), component="outputs", **fields)


PUBLIC = {"days": 30, "kinds": ["bias"]}
BOTH = {"days": 30, "kinds": ["bias", "outputs"]}


def small(level: Audience) -> tuple[Size, ...]:
    return (replace(SMALL, levels=(ComponentLevel(component="weights", level=level, since=ago(1)),)), LARGE)


GATED = replace(STAGE, opens=(Opened(component="weights", size="355M", level=Audience.GATED),))
SMALLEST = replace(STAGE, sizes=("124M",), opens=(Opened(component="weights", size="124M", level=Audience.OPEN),))
STRANGE = replace(STAGE, sizes=("1B",), opens=(Opened(component="weights", size="1B", level=Audience.OPEN),))
PAPER = replace(STAGE, opens=(Opened(component="paper", level=Audience.OPEN),))


def embargo(starts_at: datetime, ends_at: datetime) -> tuple[Embargo, ...]:
    return (Embargo(id="x", calendar="elections", starts_at=starts_at, ends_at=ends_at),)


def consultation(responses: int = 3, answered: int = 3, closed_at: datetime | None = NOW):
    return (Consultation(id="c", responses=responses, answered=answered, closed_at=closed_at),)


THREE = {"min_responses": 3}
DAY = {"date": "2019-11-05"}

CASES = [
    case("min_days_in_stage", PASS, DAYS, "exactly 60 days", stages=released(ago(60))),
    case("min_days_in_stage", FAIL, DAYS, "a moment short of 60 days", stages=released(ago(60) + MOMENT)),
    case("min_days_in_stage", PASS, DAYS, "a moment more than 60 days", stages=released(ago(60) - MOMENT)),
    case("min_days_in_stage", PASS, {"days": 0}, "released in this moment", stages=released(NOW)),
    case("min_days_in_stage", FAIL, {"days": 0}, "released in the next moment", stages=released(NOW + MOMENT)),
    case("min_days_in_stage", FAIL, DAYS, "not released", stages=released(None)),
    case("min_days_in_stage", PASS, S2, "the stage that is named", stages=released(ago(60), "s2")),
    case("min_days_in_stage", UNKNOWN, S2, "a stage that nobody recorded"),
    case("min_days_in_stage", UNKNOWN, DAYS, "stages are not recorded", stages=None),
    case("min_days_in_stage", NOT_APPLICABLE, DAYS, "the first stage", stage=NO_SIZES),
    case("min_days_evidence_public", PASS, PUBLIC, "30 days", evaluations=(bias(public_since=ago(30)),)),
    case(
        "min_days_evidence_public", FAIL, PUBLIC, "a moment short", evaluations=(bias(public_since=ago(30) + MOMENT),)
    ),
    case("min_days_evidence_public", PASS, PUBLIC, "a moment more", evaluations=(bias(public_since=ago(30) - MOMENT),)),
    case("min_days_evidence_public", FAIL, PUBLIC, "not public", evaluations=(bias(),)),
    case("min_days_evidence_public", FAIL, PUBLIC, "public tomorrow", evaluations=(bias(public_since=ago(-1)),)),
    case(
        "min_days_evidence_public",
        PASS,
        {"days": 0, "kinds": ["bias"]},
        "public in this moment",
        evaluations=(bias(public_since=NOW),),
    ),
    case(
        "min_days_evidence_public",
        PASS,
        PUBLIC,
        "the longest counts",
        evaluations=(bias(public_since=ago(1)), bias(id="2", public_since=ago(31))),
    ),
    case("min_days_evidence_public", UNKNOWN, PUBLIC, "of another kind", evaluations=(evaluation(Kind.TOXICITY, 0),)),
    case("min_days_evidence_public", UNKNOWN, PUBLIC, "of another size", evaluations=(bias(size="124M"),)),
    case("min_days_evidence_public", UNKNOWN, PUBLIC, "not recorded", evaluations=None, artefacts=None),
    case("min_days_evidence_public", UNKNOWN, BOTH, "no outputs", evaluations=(bias(public_since=ago(30)),)),
    case(
        "min_days_evidence_public",
        PASS,
        {"days": 30, "kinds": ["outputs"]},
        "outputs are evidence",
        artefacts=(outputs(public_since=ago(30)),),
    ),
    case(
        "min_days_evidence_public",
        UNKNOWN,
        {"days": 30, "kinds": ["outputs"]},
        "outputs of another size",
        artefacts=(outputs(public_since=ago(30), size="124M"),),
    ),
    case("min_days_evidence_public", NOT_APPLICABLE, PUBLIC, "no size", stage=NO_SIZES, evaluations=()),
    *(
        case("min_days_evidence_public", UNKNOWN, PUBLIC, why, evaluations=(bias(public_since=ago(31), **fields),))
        for why, fields in STALE.items()
    ),
    case("predecessor_released", PASS, {}, "124M is open"),
    case("predecessor_released", FAIL, {}, "124M is on request, 355M would be open", sizes=small(Audience.GATED)),
    case("predecessor_released", PASS, {}, "both on request", sizes=small(Audience.GATED), stage=GATED),
    case("predecessor_released", PASS, {}, "124M is wider", sizes=small(Audience.OPEN), stage=GATED),
    case("predecessor_released", FAIL, {}, "124M is with partners", sizes=small(Audience.PARTNER), stage=GATED),
    case("predecessor_released", FAIL, {}, "124M is closed", sizes=(replace(SMALL, levels=()), LARGE)),
    case("predecessor_released", PASS, {"size": "124M"}, "the size that is named"),
    case("predecessor_released", UNKNOWN, {"size": "200M"}, "a size that nobody recorded"),
    case("predecessor_released", UNKNOWN, {}, "the stage's size is not recorded", stage=STRANGE),
    case("predecessor_released", NOT_APPLICABLE, {}, "the smallest size", stage=SMALLEST),
    case("predecessor_released", NOT_APPLICABLE, {}, "no component of a size", stage=PAPER),
    case("not_before", PASS, DAY, "the first moment of the day", at=datetime(2019, 11, 5, tzinfo=UTC)),
    case("not_before", FAIL, DAY, "a moment before the day", at=datetime(2019, 11, 5, tzinfo=UTC) - MOMENT),
    case("not_before", PASS, DAY, "later"),
    case("no_embargo_conflict", PASS, {}, "none", embargoes=()),
    case("no_embargo_conflict", FAIL, {}, "it begins now", embargoes=embargo(NOW, ago(-1))),
    case("no_embargo_conflict", PASS, {}, "it begins in a moment", embargoes=embargo(NOW + MOMENT, ago(-1))),
    case("no_embargo_conflict", PASS, {}, "it ends now", embargoes=embargo(ago(1), NOW)),
    case("no_embargo_conflict", FAIL, {}, "it ends in a moment", embargoes=embargo(ago(1), NOW + MOMENT)),
    case("no_embargo_conflict", PASS, {"calendar": "holidays"}, "another calendar", embargoes=embargo(ago(1), ago(-1))),
    case("no_embargo_conflict", FAIL, {"calendar": "elections"}, "the calendar", embargoes=embargo(ago(1), ago(-1))),
    case("no_embargo_conflict", UNKNOWN, {}, "not recorded"),
    case("no_embargo_conflict", PASS, {}, "its own ends now", stage=replace(STAGE, embargo_until=NOW), embargoes=()),
    case("no_embargo_conflict", FAIL, {}, "its own holds", stage=replace(STAGE, embargo_until=NOW + MOMENT)),
    case("consultation_closed", PASS, THREE, "three of three", consultations=consultation()),
    case("consultation_closed", FAIL, THREE, "two of three", consultations=consultation(2, 2)),
    case("consultation_closed", PASS, THREE, "four of three", consultations=consultation(4, 4)),
    case("consultation_closed", FAIL, THREE, "one not answered", consultations=consultation(3, 2)),
    case(
        "consultation_closed",
        PASS,
        THREE | {"all_answered": False},
        "need not answer",
        consultations=consultation(3, 2),
    ),
    case("consultation_closed", FAIL, THREE, "closes in a moment", consultations=consultation(closed_at=NOW + MOMENT)),
    case("consultation_closed", FAIL, THREE, "not closed", consultations=consultation(closed_at=None)),
    case("consultation_closed", FAIL, {}, "nobody was consulted", consultations=()),
    case("consultation_closed", UNKNOWN, {}, "not recorded"),
]


@pytest.mark.parametrize(("check", "expected", "given", "facts"), CASES)
def test_the_check_says(check, expected, given, facts) -> None:
    assert says(check, expected, given, facts)


def test_a_smaller_size_that_fewer_have_is_named() -> None:
    outcome = ask("predecessor_released", {}, {"sizes": small(Audience.PARTNER)})
    assert outcome.sentence == (
        "Who has it now, weights of 124M: partners; who would have it, weights of 355M: everybody."
    )


def test_the_days_are_in_the_sentence() -> None:
    outcome = ask("min_days_in_stage", DAYS, {})
    assert outcome.sentence == "100 days have passed since the stage s1 was released; 60 asked for."
    assert outcome.numbers == {"days": 100, "required": 60}
