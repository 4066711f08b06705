"""Checks of privacy and of the training texts, each at its limit."""

import pytest

from release_portal.gates.records import Document, Evaluation, Kind, LogScan, RemovalQueue

from .stage import FAIL, MOMENT, NO_SIZES, NOT_APPLICABLE, NOW, PASS, STALE, UNKNOWN, ago, ask, case, evaluation, says

TRIED = {"extraction_attempts_min": 1000, "rate_max": 0.01}
PII = {"extraction_attempts_min": 1000, "pii_rate_max": 0.01}
BOTH = TRIED | PII


def drawn(rate: float, metric: str = "extraction_rate", **fields) -> tuple[Evaluation, ...]:
    return (evaluation(Kind.MEMORISATION, rate, metric=metric, **({"id": metric} | fields)),)


def queue(overdue: int = 0, median_days: float | None = 10) -> RemovalQueue:
    return RemovalQueue(id="q", overdue=overdue, median_days=median_days)


MEDIAN = {"median_days_max": 10}
FIELDS = ("sources", "size", "collection", "filtering", "cutoff")


def summary(*filled: str, published: bool = True) -> Document:
    return Document(id="s", filled=filled, published=published)


def scan(found: int, **fields) -> LogScan:
    return LogScan(**({"id": "l", "at": ago(1), "found": found} | fields))


CASES = [
    case("memorisation", PASS, TRIED, "exactly", evaluations=drawn(0.01)),
    case("memorisation", FAIL, TRIED, "a little more", evaluations=drawn(0.0101)),
    case("memorisation", PASS, TRIED, "a little less", evaluations=drawn(0.0099)),
    case("memorisation", UNKNOWN, TRIED | {"extraction_attempts_min": 1001}, "one short", evaluations=drawn(0)),
    case("memorisation", PASS, TRIED | {"extraction_attempts_min": 999}, "one more", evaluations=drawn(0)),
    case("memorisation", PASS, PII, "personal information", evaluations=drawn(0.01, "pii_rate")),
    case("memorisation", FAIL, PII, "too much personal information", evaluations=drawn(0.0101, "pii_rate")),
    case("memorisation", UNKNOWN, PII, "another metric", evaluations=drawn(0)),
    case("memorisation", PASS, BOTH, "both", evaluations=drawn(0) + drawn(0, "pii_rate")),
    case("memorisation", UNKNOWN, BOTH, "one of both", evaluations=drawn(0)),
    case("memorisation", FAIL, BOTH, "one of both, and it fails", evaluations=drawn(1)),
    case("memorisation", UNKNOWN, {"extraction_attempts_min": 1}, "no limit", evaluations=drawn(0)),
    case("memorisation", UNKNOWN, TRIED, "none", evaluations=()),
    case("memorisation", UNKNOWN, TRIED, "not recorded"),
    case("memorisation", NOT_APPLICABLE, TRIED, "no size", evaluations=(), stage=NO_SIZES),
    *(case("memorisation", UNKNOWN, TRIED, why, evaluations=drawn(0, **fields)) for why, fields in STALE.items()),
    case("removal_requests", PASS, {}, "none overdue", removal_queue=queue()),
    case("removal_requests", FAIL, {}, "one overdue", removal_queue=queue(1)),
    case("removal_requests", PASS, {"overdue_max": 1}, "one of one", removal_queue=queue(1)),
    case("removal_requests", FAIL, {"overdue_max": 1}, "two of one", removal_queue=queue(2)),
    case("removal_requests", PASS, MEDIAN, "exactly 10 days", removal_queue=queue()),
    case("removal_requests", FAIL, MEDIAN, "a little slower", removal_queue=queue(median_days=10.1)),
    case("removal_requests", PASS, MEDIAN, "a little faster", removal_queue=queue(median_days=9.9)),
    case("removal_requests", UNKNOWN, MEDIAN, "the median is not known", removal_queue=queue(median_days=None)),
    case("removal_requests", FAIL, MEDIAN, "nor is it on time", removal_queue=queue(1, median_days=None)),
    case("removal_requests", UNKNOWN, {}, "not recorded"),
    case("data_summary", PASS, {}, "complete and published", data_summary=summary(*FIELDS)),
    case("data_summary", FAIL, {}, "not published", data_summary=summary(*FIELDS, published=False)),
    case("data_summary", FAIL, {}, "a field misses", data_summary=summary(*FIELDS[1:])),
    case("data_summary", PASS, {"fields": ["size"]}, "fields asked for", data_summary=summary("size")),
    case("data_summary", UNKNOWN, {}, "none"),
    case("pii_in_logs", PASS, {"max": 1}, "one of one", log_scan=scan(1)),
    case("pii_in_logs", FAIL, {"max": 1}, "two of one", log_scan=scan(2)),
    case("pii_in_logs", PASS, {"max": 1}, "none", log_scan=scan(0)),
    case("pii_in_logs", FAIL, {}, "one of none", log_scan=scan(1)),
    case("pii_in_logs", UNKNOWN, {}, "expired", log_scan=scan(0, expires_at=NOW)),
    case("pii_in_logs", PASS, {}, "expires in a moment", log_scan=scan(0, expires_at=NOW + MOMENT)),
    case("pii_in_logs", UNKNOWN, {}, "not recorded"),
]


@pytest.mark.parametrize(("check", "expected", "given", "facts"), CASES)
def test_the_check_says(check, expected, given, facts) -> None:
    assert says(check, expected, given, facts)


def test_the_sentence_says_what_was_drawn_out_of_how_many() -> None:
    outcome = ask("memorisation", PII, {"evaluations": drawn(0.0005, "pii_rate")})
    assert outcome.sentence == "0.05% of 1,000 attempts drew personal information out of 355M; 1% is allowed."
