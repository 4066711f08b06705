"""Checks of partners and findings, each at its limit."""

from dataclasses import replace

import pytest

from release_portal.gates.records import (
    DeletionAttestation,
    Finding,
    FindingStatus,
    Grant,
    NamedUser,
    Opened,
    Severity,
)
from release_portal.releases.models import Audience

from .stage import FAIL, MOMENT, NOT_APPLICABLE, NOW, OPENS, PASS, STAGE, UNKNOWN, ago, ask, case, says


def grant(organisation: str = "northlake", **fields) -> Grant:
    defaults = {
        "id": f"g-{organisation}",
        "organisation": organisation,
        "size": "355M",
        "starts_at": ago(100),
        "ends_at": ago(-100),
        "topics": ("bias",),
        "agreed": True,
    }
    return Grant(**(defaults | fields))


TWO = (grant(), grant("southbank", topics=("detection",)))
PARTNER_1558M = replace(STAGE, opens=(*OPENS, Opened(component="weights", size="1558M", level=Audience.PARTNER)))


def finding(id_: str = "1", **fields) -> Finding:
    defaults = {
        "id": id_,
        "organisation": "northlake",
        "topic": "bias",
        "size": "355M",
        "direction": "raises",
        "severity": Severity.HIGH,
        "status": FindingStatus.SUBMITTED,
        "sent_at": ago(10),
    }
    return Finding(**(defaults | fields))


def findings(*statuses: FindingStatus, **fields) -> tuple[Finding, ...]:
    return tuple(finding(str(number), status=status, **fields) for number, status in enumerate(statuses))


SENT, ANSWERED, DRAFT = FindingStatus.SUBMITTED, FindingStatus.ANSWERED, FindingStatus.DRAFT
HIGH = {"severity_at_least": "high"}
FRESH = {"min": 1, "max_age_days": 30}
PER_TOPIC = {"min": 1, "per_topic": 1}


def users(*trained: bool | None, accepted: bool | None = True) -> tuple[Grant, ...]:
    named = (NamedUser(person=str(number), trained=each, accepted=accepted) for number, each in enumerate(trained))
    return (grant(users=tuple(named)),)


def agreed(*verdicts: bool | None, **fields) -> tuple[Grant, ...]:
    return tuple(grant(f"p{number}", agreed=each, **fields) for number, each in enumerate(verdicts))


HALF = {"percent": 50}
BEN = (NamedUser(person="ben", trained=True, accepted=True),)
TWICE = (grant(users=BEN, agreed=True), grant(id="g-2", users=BEN, agreed=False))
ENDED = (grant(ends_at=ago(30)),)
ATTESTED = (DeletionAttestation(id="a", grant="g-northlake"),)
AFTER = {"after_days": 30}

CASES = [
    case("partner_count", PASS, {"min": 2}, "two of two", grants=TWO),
    case("partner_count", FAIL, {"min": 3}, "two of three", grants=TWO),
    case("partner_count", PASS, {"min": 1}, "two of one", grants=TWO),
    case("partner_count", PASS, {"min": 2, "distinct_topics": 2}, "two topics of two", grants=TWO),
    case("partner_count", FAIL, {"min": 2, "distinct_topics": 3}, "two topics of three", grants=TWO),
    case("partner_count", PASS, {"min": 2, "distinct_topics": 1}, "two topics of one", grants=TWO),
    case("partner_count", FAIL, {"min": 2}, "one twice", grants=(grant(), grant(id="again"))),
    case("partner_count", FAIL, {"min": 1}, "public access", grants=(grant(public=True),)),
    case("partner_count", FAIL, {"min": 1}, "another size", grants=(grant(size="124M"),)),
    case("partner_count", PASS, {"min": 1}, "what partners get", grants=(grant(size="1558M"),), stage=PARTNER_1558M),
    case("partner_count", PASS, {"min": 1}, "begins now", grants=(grant(starts_at=NOW),)),
    case("partner_count", FAIL, {"min": 1}, "begins in a moment", grants=(grant(starts_at=NOW + MOMENT),)),
    case("partner_count", FAIL, {"min": 1}, "ends now", grants=(grant(ends_at=NOW),)),
    case("partner_count", PASS, {"min": 1}, "ends in a moment", grants=(grant(ends_at=NOW + MOMENT),)),
    case("partner_count", UNKNOWN, {"min": 1}, "not recorded"),
    case("partner_findings", PASS, {"min": 2}, "two of two", findings=findings(SENT, SENT)),
    case("partner_findings", FAIL, {"min": 3}, "two of three", findings=findings(SENT, SENT)),
    case("partner_findings", PASS, {"min": 1}, "two of one", findings=findings(SENT, SENT)),
    case("partner_findings", FAIL, {"min": 1}, "a draft", findings=findings(DRAFT)),
    case("partner_findings", PASS, {"min": 1, "size": "124M"}, "of the size", findings=findings(SENT, size="124M")),
    case("partner_findings", FAIL, {"min": 1}, "of another size", findings=findings(SENT, size="124M")),
    case("partner_findings", UNKNOWN, {"min": 1}, "of no stated size", findings=findings(SENT, size="")),
    case("partner_findings", FAIL, {"min": 2}, "of no stated size, too few", findings=findings(SENT, size="")),
    case("partner_findings", PASS, {"min": 1, "status": "answered"}, "answered", findings=findings(ANSWERED)),
    case("partner_findings", FAIL, {"min": 1, "status": "answered"}, "not answered", findings=findings(SENT)),
    case("partner_findings", PASS, {"min": 1}, "answered is submitted too", findings=findings(ANSWERED)),
    case(
        "partner_findings",
        PASS,
        {"min": 2, "status": "answered"},
        "published and withheld ones were answered",
        findings=findings(FindingStatus.PUBLISHED, FindingStatus.WITHHELD),
    ),
    case("partner_findings", PASS, FRESH, "30 days old", findings=findings(SENT, sent_at=ago(30))),
    case("partner_findings", UNKNOWN, FRESH, "a moment older", findings=findings(SENT, sent_at=ago(30) - MOMENT)),
    case("partner_findings", PASS, FRESH, "a moment younger", findings=findings(SENT, sent_at=ago(30) + MOMENT)),
    case("partner_findings", PASS, {"min": 1}, "sent now", findings=findings(SENT, sent_at=NOW)),
    case("partner_findings", FAIL, {"min": 1}, "sent in a moment", findings=findings(SENT, sent_at=NOW + MOMENT)),
    case("partner_findings", PASS, PER_TOPIC, "on the topic", findings=findings(SENT), grants=(grant(),)),
    case("partner_findings", FAIL, PER_TOPIC, "none on detection", findings=findings(SENT), grants=TWO),
    case(
        "partner_findings",
        UNKNOWN,
        PER_TOPIC,
        "on detection of no stated size",
        findings=(finding(), finding("2", topic="detection", size="")),
        grants=TWO,
    ),
    case(
        "partner_findings",
        PASS,
        PER_TOPIC,
        "topics of other sizes do not count",
        findings=findings(SENT),
        grants=(grant(), grant("southbank", size="124M", topics=("detection",))),
    ),
    case("partner_findings", UNKNOWN, PER_TOPIC, "topics are not recorded", findings=findings(SENT)),
    case("partner_findings", FAIL, {"min": 1}, "none", findings=()),
    case("partner_findings", UNKNOWN, {"min": 1}, "not recorded"),
    case("findings_answered", PASS, HIGH, "none", findings=()),
    case("findings_answered", FAIL, HIGH, "one open", findings=findings(SENT)),
    case("findings_answered", PASS, HIGH | {"max_open": 1}, "one of one open", findings=findings(SENT)),
    case("findings_answered", FAIL, HIGH | {"max_open": 1}, "two of one open", findings=findings(SENT, SENT)),
    case("findings_answered", PASS, HIGH | {"max_open": 2}, "one of two open", findings=findings(SENT)),
    case("findings_answered", PASS, HIGH, "answered", findings=findings(ANSWERED)),
    case("findings_answered", PASS, HIGH, "less severe", findings=findings(SENT, severity=Severity.MEDIUM)),
    case("findings_answered", FAIL, HIGH, "more severe", findings=findings(SENT, severity=Severity.CRITICAL)),
    case("findings_answered", UNKNOWN, HIGH, "not rated", findings=findings(SENT, severity=None)),
    case("findings_answered", UNKNOWN, HIGH, "of no stated size", findings=findings(SENT, size="")),
    case("findings_answered", PASS, HIGH, "of another size", findings=findings(SENT, size="124M")),
    case("findings_answered", UNKNOWN, HIGH, "not recorded"),
    case("no_adverse_finding", PASS, {}, "none", findings=()),
    case("no_adverse_finding", FAIL, {}, "one raises the risk", findings=findings(ANSWERED)),
    case("no_adverse_finding", PASS, {}, "it lowers the risk", findings=findings(SENT, direction="lowers")),
    case("no_adverse_finding", PASS, {}, "mitigated", findings=findings(SENT, mitigated=True)),
    case(
        "no_adverse_finding",
        FAIL,
        {"unless_mitigated": False},
        "mitigated is not enough",
        findings=findings(SENT, mitigated=True),
    ),
    case("no_adverse_finding", PASS, {}, "less severe", findings=findings(SENT, severity=Severity.MEDIUM)),
    case(
        "no_adverse_finding",
        FAIL,
        {"severity_at_least": "medium"},
        "as severe as that",
        findings=findings(SENT, severity=Severity.MEDIUM),
    ),
    case("no_adverse_finding", PASS, {}, "a draft", findings=findings(DRAFT)),
    case("no_adverse_finding", UNKNOWN, {}, "not rated", findings=findings(SENT, severity=None)),
    case("no_adverse_finding", UNKNOWN, {}, "not recorded"),
    case("agreement_coverage", PASS, {}, "all", grants=agreed(True, True)),
    case("agreement_coverage", FAIL, {}, "one of two", grants=agreed(True, False)),
    case("agreement_coverage", PASS, HALF, "exactly half", grants=agreed(True, False)),
    case("agreement_coverage", FAIL, HALF, "a third", grants=agreed(True, False, False)),
    case("agreement_coverage", PASS, HALF, "two thirds", grants=agreed(True, True, False)),
    case("agreement_coverage", UNKNOWN, {}, "one is not recorded", grants=agreed(True, None)),
    case("agreement_coverage", PASS, HALF, "one is not recorded and not needed", grants=agreed(True, None)),
    case("agreement_coverage", FAIL, {}, "one is not recorded and one is not", grants=agreed(None, False)),
    case("agreement_coverage", NOT_APPLICABLE, {}, "public access only", grants=agreed(False, public=True)),
    case("agreement_coverage", NOT_APPLICABLE, {}, "an ended grant", grants=agreed(False, ends_at=NOW)),
    case("agreement_coverage", PASS, HALF, "one grant of two", grants=TWICE),
    case("agreement_coverage", FAIL, HALF | {"scope": "organisations"}, "an organisation with both", grants=TWICE),
    case("agreement_coverage", FAIL, HALF | {"scope": "users"}, "a person with both", grants=TWICE),
    case("agreement_coverage", PASS, {"scope": "users"}, "the only person", grants=TWICE[:1]),
    case("agreement_coverage", UNKNOWN, {}, "not recorded"),
    case("named_users_trained", PASS, {}, "all", grants=users(True, True)),
    case("named_users_trained", FAIL, {}, "one of two", grants=users(True, False)),
    case("named_users_trained", PASS, HALF, "exactly half", grants=users(True, False)),
    case("named_users_trained", FAIL, HALF, "a third", grants=users(True, False, False)),
    case("named_users_trained", FAIL, {}, "did not accept", grants=users(True, accepted=False)),
    case("named_users_trained", UNKNOWN, {}, "training is not recorded", grants=users(None)),
    case("named_users_trained", UNKNOWN, {}, "acceptance is not recorded", grants=users(True, accepted=None)),
    case("named_users_trained", FAIL, {}, "not trained, acceptance not recorded", grants=users(False, accepted=None)),
    case("named_users_trained", NOT_APPLICABLE, {}, "nobody is named", grants=(grant(),)),
    case("named_users_trained", UNKNOWN, {}, "not recorded"),
    case("deletion_attested", PASS, AFTER, "attested", grants=ENDED, deletion_attestations=ATTESTED),
    case("deletion_attested", FAIL, AFTER, "exactly 30 days", grants=ENDED, deletion_attestations=()),
    case(
        "deletion_attested",
        NOT_APPLICABLE,
        AFTER,
        "a moment short of 30 days",
        grants=(grant(ends_at=ago(30) + MOMENT),),
        deletion_attestations=(),
    ),
    case(
        "deletion_attested",
        FAIL,
        AFTER,
        "a moment more than 30 days",
        grants=(grant(ends_at=ago(30) - MOMENT),),
        deletion_attestations=(),
    ),
    case("deletion_attested", NOT_APPLICABLE, {}, "it holds", grants=(grant(),), deletion_attestations=()),
    case(
        "deletion_attested",
        NOT_APPLICABLE,
        {},
        "public access",
        grants=(grant(ends_at=ago(30), public=True),),
        deletion_attestations=(),
    ),
    case(
        "deletion_attested",
        PASS,
        HALF,
        "half",
        grants=(*ENDED, grant("southbank", ends_at=ago(30))),
        deletion_attestations=ATTESTED,
    ),
    case("deletion_attested", UNKNOWN, {}, "attestations are not recorded", grants=ENDED),
    case("deletion_attested", UNKNOWN, {}, "grants are not recorded", deletion_attestations=()),
]


@pytest.mark.parametrize(("check", "expected", "given", "facts"), CASES)
def test_the_check_says(check, expected, given, facts) -> None:
    assert says(check, expected, given, facts)


def test_findings_that_may_count_are_said_beside_those_that_do() -> None:
    one = ask("partner_findings", {"min": 2}, {"findings": (finding(), finding("2", size=""))})
    assert one.sentence == (
        "Partners have sent 1 finding that counts, 1 more of no stated size or too old; 2 asked for."
    )
    two = ask("partner_findings", {"min": 2}, {"findings": findings(SENT, SENT)})
    assert two.sentence.startswith("Partners have sent 2 findings that count,")


def test_a_share_says_of_how_many_it_is() -> None:
    outcome = ask("agreement_coverage", {}, {"grants": agreed(True, True, None)})
    assert outcome.sentence == (
        "Grants under a signed agreement: 2 of 3 (66.6667%); 100% asked for, and for 1 it is not recorded."
    )
    assert outcome.evidence == ("g-p0", "g-p1", "g-p2")
