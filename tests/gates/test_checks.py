"""The vocabulary as a whole: every check has cases, parameters with limits, and words."""

import json

import pytest
from pydantic import ValidationError

from release_portal.gates.checks import CHECKS, vocabulary

from . import (
    test_checks_bias,
    test_checks_detectability,
    test_checks_documents,
    test_checks_effect,
    test_checks_landscape,
    test_checks_partners,
    test_checks_people,
    test_checks_privacy,
    test_checks_time,
)
from .stage import FAIL, NOT_APPLICABLE, PASS, UNKNOWN, ask

TABLES = {
    "bias": test_checks_bias.CASES,
    "detectability": test_checks_detectability.CASES,
    "documents": test_checks_documents.CASES,
    "effect": test_checks_effect.CASES,
    "landscape": test_checks_landscape.CASES,
    "partners": test_checks_partners.CASES,
    "people": test_checks_people.CASES,
    "privacy": test_checks_privacy.CASES,
    "time": test_checks_time.CASES,
}
NEVER = {"not_before": {UNKNOWN}}
"""What a check cannot say: the clock is always known."""


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_is_seen_to_pass_to_fail_and_not_to_know(name: str) -> None:
    said = {row.values[1] for row in TABLES[CHECKS[name].group] if row.values[0] == name}
    assert said - {NOT_APPLICABLE} == {PASS, FAIL, UNKNOWN} - NEVER.get(name, set())


@pytest.mark.parametrize(
    ("check", "expected", "given", "facts"),
    [row for rows in TABLES.values() for row in rows if row.id.endswith(": not recorded")],
)
def test_what_the_portal_does_not_record_is_said_to_be_so(check, expected, given, facts) -> None:
    assert expected is UNKNOWN
    assert ask(check, given, facts).sentence.endswith(" are not recorded here, so this cannot be said.")


def test_each_group_of_checks_has_its_table() -> None:
    assert set(TABLES) == {each.group for each in CHECKS.values()}


def test_the_vocabulary_is_made_of_plain_types_and_explains_everything() -> None:
    words = vocabulary()
    assert [each["name"] for each in json.loads(json.dumps(words))] == list(CHECKS)
    assert all(str(each["explanation"]).endswith(".") for each in words)


@pytest.mark.parametrize(
    ("check", "name", "expected"),
    [
        ("min_days_in_stage", "days", {"type": "integer", "required": True, "limits": {"minimum": 0}}),
        ("min_days_in_stage", "stage", {"type": "string", "required": False, "default": "", "names": "stage"}),
        ("not_before", "date", {"type": "date", "required": True}),
        ("signoffs", "max_age_days", {"type": "integer", "default": None, "limits": {"minimum": 0}}),
        (
            "signoffs",
            "roles",
            {"type": "object", "names": "role", "limits": {"each": {"minimum": 1, "type": "integer"}}},
        ),
        ("signoffs", "distinct_people", {"type": "boolean", "default": True}),
        ("detectability", "min", {"type": "number", "limits": {"minimum": 0, "maximum": 1}}),
        ("detectability", "metric", {"type": "string", "limits": {"enum": ["accuracy", "auroc", "tpr_at_fpr"]}}),
        ("precision_at_prevalence", "prevalence", {"limits": {"exclusiveMinimum": 0, "exclusiveMaximum": 1}}),
    ],
)
def test_the_vocabulary_has_the_type_default_and_limits_of_a_parameter(check, name, expected) -> None:
    parameter = next(each for each in CHECKS[check].parameters if each.name == name)
    assert {key: getattr(parameter, key) for key in expected} == expected


@pytest.mark.parametrize(
    ("check", "given"),
    [
        ("min_days_in_stage", {"days": -1}),
        ("min_days_in_stage", {"days": "60"}),
        ("min_days_in_stage", {"days": True}),
        ("min_days_in_stage", {"days": 1.5}),
        ("min_days_in_stage", {"days": 1, "day": 2}),
        ("min_days_in_stage", {}),
        ("forward_transfer", {"min": float("nan")}),
        ("forward_transfer", {"min": 1.01}),
        ("not_before", {"date": "soon"}),
        ("affected_parties_notified", {"classes": []}),
        ("affected_parties_notified", {"classes": ["a\x00b"]}),
    ],
)
def test_a_parameter_of_another_type_or_over_its_limits_is_refused(check, given) -> None:
    with pytest.raises(ValidationError):
        CHECKS[check].plain(given)
