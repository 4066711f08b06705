"""The example policy on the last stage of 2019, as far as its numbers were published: 1558M after 774M."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from release_portal.gates.presets import preset
from release_portal.gates.records import (
    Artefact,
    ComponentLevel,
    Evaluation,
    Finding,
    FindingStatus,
    Kind,
    Opened,
    OtherStage,
    Records,
    Severity,
    Signoff,
    Size,
    Stage,
    Waiver,
    WatchCondition,
)
from release_portal.gates.run import StageResult, evaluate
from release_portal.releases.models import Audience

from .stage import PASS, UNKNOWN

NOVEMBER = datetime(2019, 11, 5, tzinfo=UTC)
AUGUST = datetime(2019, 8, 20, tzinfo=UTC)
PARAMETERS = {"124M": 124, "355M": 355, "774M": 774, "1558M": 1558}
SIGNERS = ["release_manager", "policy_reviewer", "policy_reviewer", "legal", "executive"]
NOT_SHOWN = ("detectability", "bias_not_worse", "memorisation")


def size(name: str) -> Size:
    is_open = name != "1558M"
    standing = ComponentLevel(component="weights", level=Audience.OPEN if is_open else Audience.PARTNER, since=AUGUST)
    return Size(name=name, parameters=PARAMETERS[name], levels=(standing,))


def weights(name: str) -> Artefact:
    fields = {"artefact_sha256": name, "all_hashed": True, "signed": False, "changed_on_disk": False}
    return Artefact(id=name, component="weights", size=name, **fields)


def measured(kind: Kind, value: float, name: str = "1558M", **fields: Any) -> Evaluation:
    id_ = f"{kind}-{name}-{fields.get('trained_on') or fields.get('sampling', '')}"
    defaults = {"id": id_, "at": NOVEMBER, "artefact_sha256": name, "metric": "accuracy", "n": 5000}
    return Evaluation(kind=kind, size=name, value=value, **(defaults | fields))


def carried_over(trained_on: str, value: float) -> Evaluation:
    return measured(Kind.TRANSFER, value, trained_on=trained_on, tested_on="1558M")


EVALUATIONS = (
    measured(Kind.CREDIBILITY, 6.91, metric="index", pipeline="automated"),
    measured(Kind.CREDIBILITY, 6.72, "774M", metric="index", pipeline="automated"),
    carried_over("124M", 0.793),
    carried_over("355M", 0.918),
    carried_over("774M", 0.957),
    measured(Kind.DETECTION, 0.96, detector_class="roberta", sampling="nucleus"),
    measured(Kind.BIAS, 0.1, metric="gap"),
    measured(Kind.BIAS, 0.1, "774M", metric="gap"),
)


def finding(organisation: str, topic: str) -> Finding:
    return Finding(
        id=organisation,
        organisation=organisation,
        topic=topic,
        size="1558M",
        direction="neutral",
        severity=Severity.MEDIUM,
        status=FindingStatus.PUBLISHED,
        sent_at=AUGUST,
    )


def waiver(key: str) -> Waiver:
    return Waiver(id=f"w-{key}", key=key, blocking=True, valid=True, expires_at=NOVEMBER + timedelta(days=1))


def signed() -> tuple[Signoff, ...]:
    return tuple(
        Signoff(id=f"s{number}", person=f"person {number}", roles=(role,), run_id="run-4", at=NOVEMBER)
        for number, role in enumerate(SIGNERS)
    )


def november(*waived: str, signoffs: tuple[Signoff, ...] = ()) -> Records:
    weights_open = Opened(component="weights", size="1558M", level=Audience.OPEN)
    opens = (weights_open, Opened(component="detector", level=Audience.OPEN))
    tripped = WatchCondition(id="c", condition="finding_severity>=high@1558M", tripped=True, reviewed=True)
    return Records(
        at=NOVEMBER,
        run_id="run-4",
        stage=Stage(name="s4-1558M", sizes=("1558M",), opens=opens, previous="s3-774M"),
        sizes=tuple(map(size, PARAMETERS)),
        stages=(OtherStage(name="s3-774M", released_at=AUGUST),),
        artefacts=tuple(map(weights, PARAMETERS)),
        evaluations=EVALUATIONS,
        findings=(finding("Cornell", "credibility"), finding("CTEC", "misuse")),
        incidents=(),
        watch_conditions=(tripped,),
        signoffs=signoffs,
        waivers=tuple(map(waiver, waived)),
    )


def replayed(policy: str, *waived: str) -> StageResult:
    return evaluate(preset(policy).stage("s4-1558M"), november(*waived, signoffs=signed()))


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("min_days_in_stage", PASS),
        ("partner_findings", PASS),
        ("credibility_step", PASS),
        ("forward_transfer", PASS),
        ("detectability", UNKNOWN),
        ("bias_not_worse", UNKNOWN),
        ("memorisation", UNKNOWN),
        ("incident_count", PASS),
        ("watch_conditions_clear", PASS),
        ("detector_public", PASS),
        ("signoffs", PASS),
    ],
)
def test_each_check_says_of_2019_what_was_published(key: str, expected) -> None:
    found = {each.key: each.result for each in replayed("example").requirements}
    assert found[key] is expected


def test_the_days_between_the_stages_were_77() -> None:
    first = next(replayed("example").requirements[0].node.outcomes())
    assert first.sentence == "77 days have passed since the stage s3-774M was released; 60 asked for."


def test_it_passes_with_exactly_three_waivers() -> None:
    result = replayed("example", *NOT_SHOWN)
    assert result.passes, [each for each in result.blocking if each.counted is not PASS]
    assert result.sentence == "The gate passes: 12 of 12 blocking requirements are met, 3 of them by a waiver."


def test_two_waivers_are_too_few() -> None:
    assert not replayed("example", *NOT_SHOWN[:2]).passes


def test_a_policy_without_waivers_holds_it() -> None:
    result = replayed("no-waivers", *NOT_SHOWN)
    assert not result.passes
    assert [each.key for each in result.blocking if each.counted is not PASS] == ["waivers_max"]
