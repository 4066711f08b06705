"""Privacy, and the texts that the model was trained on."""

from typing import Annotated, Literal

from pydantic import Field

from ..logic import Result, all_of
from ..records import Evaluation, Kind, Records
from .registry import Amount, Count, Outcome, Share, Some, check, for_each, not_recorded, unknown
from .wording import count, decimal, listed, percent

SummaryField = Literal[
    "sources", "size", "collection", "filtering", "languages", "personal_information", "cutoff", "licences"
]
SUMMARY_FIELDS: list[SummaryField] = ["sources", "size", "collection", "filtering", "cutoff"]


@check
def memorisation(
    on: Records,
    *,
    extraction_attempts_min: Some,
    rate_max: Share | None = None,
    pii_rate_max: Share | None = None,
) -> Outcome:
    """Enough attempts to draw training texts, or personal information, out of the model drew out little."""
    if on.evaluations is None:
        return not_recorded("Evaluations")
    named = {"extraction_rate": rate_max, "pii_rate": pii_rate_max}
    limits = {metric: limit for metric, limit in named.items() if limit is not None}
    if not limits:
        return unknown("The policy sets no limit for what may be drawn out of the model.")
    asked = {f"{metric} of {size}": (metric, size) for metric in limits for size in on.stage.sizes}

    def drawn(each: str) -> Outcome:
        metric, size = asked[each]
        tests = [
            test
            for test in on.current(Kind.MEMORISATION, size)
            if test.metric == metric and test.n >= extraction_attempts_min
        ]
        return _drawn(metric, size, tests, limits[metric], extraction_attempts_min)

    return for_each(asked, drawn, none="This stage is about no size.")


def _drawn(metric: str, size: str, tests: list[Evaluation], limit: float, attempts_min: int) -> Outcome:
    what = {"extraction_rate": "training texts", "pii_rate": "personal information"}[metric]
    if not tests:
        return unknown(
            f"No current test of {count(attempts_min, 'attempt')} or more tried to draw {what} out of {size}."
        )
    rate = tests[0].value
    return Outcome(
        Result.of(rate <= limit),
        f"{percent(rate)} of {count(tests[0].n, 'attempt')} drew {what} out of {size}; {percent(limit)} is allowed.",
        {"rate": rate, "allowed": limit, "attempts": tests[0].n},
        (tests[0].id,),
    )


@check
def removal_requests(on: Records, *, overdue_max: Count = 0, median_days_max: Amount | None = None) -> Outcome:
    """Requests to take texts out of the training set are answered in time."""
    queue = on.removal_queue
    if queue is None:
        return not_recorded("Requests for removal")
    results = [Result.of(queue.overdue <= overdue_max)]
    sentence = f"{count(queue.overdue, 'request')} for removal overdue; {overdue_max} allowed"
    if median_days_max is not None:
        median = queue.median_days
        results.append(Result.UNKNOWN if median is None else Result.of(median <= median_days_max))
        answered = "not known" if median is None else f"{decimal(median)} days"
        sentence += f". Half are decided within: {answered}; {decimal(median_days_max)} allowed"
    numbers = {"overdue": queue.overdue, "allowed": overdue_max, "median_days": queue.median_days}
    return Outcome(all_of(results), sentence + ".", numbers, (queue.id,))


@check
def data_summary(
    on: Records, *, fields: Annotated[list[SummaryField], Field(min_length=1)] = SUMMARY_FIELDS
) -> Outcome:
    """A summary of the training texts is published and says what it has to."""
    summary = on.data_summary
    if summary is None:
        return unknown("There is no summary of the training texts yet.")
    missing = set(fields) - set(summary.filled)
    numbers = {"missing": len(missing), "required": len(set(fields)), "published": summary.published}
    if missing:
        sentence = f"The summary of the training texts lacks: {listed(each.replace('_', ' ') for each in missing)}."
    else:
        public = "published" if summary.published else "not published"
        sentence = f"The summary of the training texts has all it needs and is {public}."
    return Outcome(Result.of(not missing and summary.published), sentence, numbers, (summary.id,))


@check
def pii_in_logs(on: Records, *, max: Count = 0) -> Outcome:
    """A scan of the platform's logs found little personal information in them."""
    scan = on.log_scan
    if scan is None:
        return not_recorded("Scans of logs")
    if not on.is_fresh(scan):
        return unknown("The scan of the logs is out of date.", allowed=max)
    sentence = f"The logs hold {count(scan.found, 'piece')} of personal information; {max} allowed."
    return Outcome(Result.of(scan.found <= max), sentence, {"found": scan.found, "allowed": max}, (scan.id,))
