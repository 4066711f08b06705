"""Checks of misuse and of what others have, each at its limit."""

from datetime import datetime

import pytest

from release_portal.gates.records import (
    ActorAssessment,
    Incident,
    Monitoring,
    OverdueClock,
    PublicModel,
    Severity,
    WatchCondition,
)

from .stage import FAIL, MOMENT, NO_SIZES, NOT_APPLICABLE, NOW, PASS, STAGE, UNKNOWN, ago, ask, case, says

NONE_HIGH = {"max": 0, "severity_at_least": "high", "window_days": 60}
ONE_HIGH = NONE_HIGH | {"max": 1}
OF_124M = NONE_HIGH | {"size": "124M"}


def incident(id_: str = "1", **fields) -> Incident:
    defaults = {"id": id_, "kind": "spam", "size": "124M", "severity": Severity.HIGH, "at": ago(10), "open": True}
    return Incident(**(defaults | fields))


def incidents(**fields) -> tuple[Incident, ...]:
    return (incident(**fields),)


def clocks(number: int) -> tuple[OverdueClock, ...]:
    return tuple(OverdueClock(id=str(each), incident="1") for each in range(number))


WATCHED = {"sources_min": 2, "last_reviewed_days": 7, "signals_untriaged_max": 3}


def monitoring(sources: int = 2, reviewed: datetime | None = ago(7), untriaged: int = 3) -> Monitoring:
    return Monitoring(id="m", sources=tuple("abc"[:sources]), last_reviewed_at=reviewed, untriaged=untriaged)


def watch(*, tripped: bool, reviewed: bool) -> tuple[WatchCondition, ...]:
    return (WatchCondition(id="w", condition="leak@any", tripped=tripped, reviewed=reviewed),)


TIERS = {"tiers": ["low_skill", "apt"], "max_age_days": 90}


def assessed(moment: datetime, **fields) -> tuple[ActorAssessment, ...]:
    return (
        ActorAssessment(id="1", at=ago(1), tier="low_skill"),
        ActorAssessment(id="2", at=moment, tier="apt", **fields),
    )


def public(parameters: int = 710, **fields) -> tuple[PublicModel, ...]:
    return (PublicModel(**({"id": "p", "at": ago(10), "name": "Megatron", "parameters": parameters} | fields)),)


TWICE = {"min_ratio_params": 2.0, "mode": "reduces_severity"}
FRESH = {"max_age_days": 30}
TRANSLATES = {"capability": "translation", "mode": "reduces_severity"}
STRANGE = type(STAGE)(name="s2", sizes=("1B",))

CASES = [
    case("incident_count", PASS, NONE_HIGH, "none", incidents=()),
    case("incident_count", FAIL, NONE_HIGH, "one", incidents=incidents()),
    case("incident_count", PASS, ONE_HIGH, "one of one", incidents=incidents()),
    case("incident_count", FAIL, ONE_HIGH, "two of one", incidents=(incident(), incident("2"))),
    case("incident_count", PASS, NONE_HIGH, "less severe", incidents=incidents(severity=Severity.MEDIUM)),
    case("incident_count", FAIL, NONE_HIGH, "more severe", incidents=incidents(severity=Severity.CRITICAL)),
    case("incident_count", UNKNOWN, NONE_HIGH, "not rated", incidents=incidents(severity=None)),
    case("incident_count", PASS, ONE_HIGH, "not rated and allowed", incidents=incidents(severity=None)),
    case("incident_count", FAIL, NONE_HIGH, "exactly 60 days ago", incidents=incidents(at=ago(60))),
    case("incident_count", PASS, NONE_HIGH, "a moment before that", incidents=incidents(at=ago(60) - MOMENT)),
    case("incident_count", FAIL, NONE_HIGH, "a moment after that", incidents=incidents(at=ago(60) + MOMENT)),
    case("incident_count", FAIL, NONE_HIGH, "in this moment", incidents=incidents(at=NOW)),
    case("incident_count", PASS, NONE_HIGH, "in the next moment", incidents=incidents(at=NOW + MOMENT)),
    case("incident_count", FAIL, NONE_HIGH, "of no stated size, with any", incidents=incidents(size="")),
    case("incident_count", FAIL, OF_124M, "of the size", incidents=incidents()),
    case("incident_count", PASS, OF_124M, "of another size", incidents=incidents(size="355M")),
    case("incident_count", UNKNOWN, OF_124M, "of no stated size", incidents=incidents(size="")),
    case("incident_count", UNKNOWN, NONE_HIGH, "not recorded"),
    case("incident_clock_breaches", PASS, {"max": 1}, "one of one", overdue_clocks=clocks(1)),
    case("incident_clock_breaches", FAIL, {"max": 1}, "two of one", overdue_clocks=clocks(2)),
    case("incident_clock_breaches", PASS, {"max": 1}, "none", overdue_clocks=()),
    case("incident_clock_breaches", FAIL, {}, "one of none", overdue_clocks=clocks(1)),
    case("incident_clock_breaches", UNKNOWN, {}, "not recorded"),
    case("monitoring_coverage", PASS, WATCHED, "exactly as asked for", monitoring=monitoring()),
    case("monitoring_coverage", FAIL, WATCHED, "a source short", monitoring=monitoring(sources=1)),
    case("monitoring_coverage", PASS, WATCHED, "a source more", monitoring=monitoring(sources=3)),
    case("monitoring_coverage", FAIL, WATCHED, "reviewed too early", monitoring=monitoring(reviewed=ago(7) - MOMENT)),
    case("monitoring_coverage", PASS, WATCHED, "reviewed later", monitoring=monitoring(reviewed=ago(7) + MOMENT)),
    case("monitoring_coverage", FAIL, WATCHED, "never reviewed", monitoring=monitoring(reviewed=None)),
    case("monitoring_coverage", FAIL, WATCHED, "a signal too many", monitoring=monitoring(untriaged=4)),
    case("monitoring_coverage", PASS, WATCHED, "a signal less", monitoring=monitoring(untriaged=2)),
    case("monitoring_coverage", UNKNOWN, WATCHED, "not recorded"),
    case("watch_conditions_clear", PASS, {}, "quiet", watch_conditions=watch(tripped=False, reviewed=False)),
    case("watch_conditions_clear", FAIL, {}, "tripped", watch_conditions=watch(tripped=True, reviewed=False)),
    case("watch_conditions_clear", PASS, {}, "reviewed", watch_conditions=watch(tripped=True, reviewed=True)),
    case("watch_conditions_clear", NOT_APPLICABLE, {}, "none is set", watch_conditions=()),
    case("watch_conditions_clear", UNKNOWN, {}, "not recorded"),
    case("actor_assessment", PASS, TIERS, "exactly 90 days", actor_assessments=assessed(ago(90))),
    case("actor_assessment", UNKNOWN, TIERS, "a moment older", actor_assessments=assessed(ago(90) - MOMENT)),
    case("actor_assessment", PASS, TIERS, "a moment younger", actor_assessments=assessed(ago(90) + MOMENT)),
    case("actor_assessment", UNKNOWN, TIERS, "expired", actor_assessments=assessed(ago(1), expires_at=NOW)),
    case("actor_assessment", PASS, TIERS, "in this moment", actor_assessments=assessed(NOW)),
    case("actor_assessment", FAIL, TIERS, "in the next moment", actor_assessments=assessed(NOW + MOMENT)),
    case("actor_assessment", FAIL, TIERS, "one tier misses", actor_assessments=assessed(ago(1))[:1]),
    case("actor_assessment", FAIL, {"tiers": ["apt"]}, "of another tier", actor_assessments=assessed(ago(1))[:1]),
    case("actor_assessment", PASS, {"tiers": ["apt"]}, "of any age", actor_assessments=assessed(ago(900))),
    case("actor_assessment", UNKNOWN, TIERS, "not recorded"),
    case("comparable_public_model", PASS, TWICE, "exactly twice as large", public_models=public()),
    case("comparable_public_model", FAIL, TWICE, "a parameter short", public_models=public(709)),
    case("comparable_public_model", PASS, TWICE, "a parameter more", public_models=public(711)),
    case(
        "comparable_public_model",
        PASS,
        TWICE,
        "the largest counts",
        public_models=public(1, id="q") + public(),
    ),
    case(
        "comparable_public_model",
        PASS,
        TRANSLATES,
        "it translates",
        public_models=public(1, capabilities=("translation",)),
    ),
    case("comparable_public_model", FAIL, TRANSLATES, "it does not", public_models=public(9999)),
    case("comparable_public_model", PASS, {}, "small ones inform too", public_models=public(1)),
    case("comparable_public_model", PASS, FRESH, "30 days old", public_models=public(at=ago(30))),
    case("comparable_public_model", UNKNOWN, FRESH, "a moment older", public_models=public(at=ago(30) - MOMENT)),
    case("comparable_public_model", PASS, FRESH, "a moment younger", public_models=public(at=ago(30) + MOMENT)),
    case("comparable_public_model", FAIL, {}, "none", public_models=()),
    case("comparable_public_model", UNKNOWN, {}, "not recorded"),
    case("comparable_public_model", UNKNOWN, {}, "the size is not recorded", public_models=public(), stage=STRANGE),
    case("comparable_public_model", NOT_APPLICABLE, {}, "no size", public_models=public(), stage=NO_SIZES),
    case("leak_status", PASS, {}, "no incident", incidents=()),
    case("leak_status", FAIL, {}, "an open leak", incidents=incidents(kind="leak")),
    case("leak_status", PASS, {}, "a closed leak", incidents=incidents(kind="leak", open=False)),
    case("leak_status", PASS, {}, "another incident", incidents=incidents()),
    case("leak_status", UNKNOWN, {}, "not recorded"),
]


@pytest.mark.parametrize(("check", "expected", "given", "facts"), CASES)
def test_the_check_says(check, expected, given, facts) -> None:
    assert says(check, expected, given, facts)


def test_several_tiers_speak_with_the_sentence_of_the_one_that_decides() -> None:
    outcome = ask("actor_assessment", TIERS, {"actor_assessments": assessed(ago(1))[:1]})
    assert outcome.sentence == "Nobody has assessed actors of the tier apt."
    assert outcome.numbers == {"apt": {"assessments": 0}, "low_skill": {"assessments": 1}}
    assert outcome.evidence == ("1",)
