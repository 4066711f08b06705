"""Strong three-valued logic (Kleene, 1938, “On notation for ordinal numbers”): unknown is neither pass nor fail.

What is not applicable is left out of a combination; a combination of nothing else is not applicable itself.
"""

from collections.abc import Iterable
from enum import StrEnum


class Result(StrEnum):
    """What a check says. Unknown, where evidence is missing or stale, never counts as a pass."""

    PASS = "pass"  # noqa: S105 - a result, not a password
    FAIL = "fail"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not_applicable"

    @classmethod
    def of(cls, holds: bool) -> "Result":
        return cls.PASS if holds else cls.FAIL


def at_least(k: int, results: Iterable[Result]) -> Result:
    """Whether `k` of the results that apply pass, however those that are unknown would turn out."""
    applicable = [result for result in results if result is not Result.NOT_APPLICABLE]
    if not applicable:
        return Result.NOT_APPLICABLE
    return number_at_least(k, sure=applicable.count(Result.PASS), unsure=applicable.count(Result.UNKNOWN))


def all_of(results: Iterable[Result]) -> Result:
    applicable = [result for result in results if result is not Result.NOT_APPLICABLE]
    return at_least(len(applicable), applicable)


def any_of(results: Iterable[Result]) -> Result:
    return at_least(1, results)


def negation(result: Result) -> Result:
    return {Result.PASS: Result.FAIL, Result.FAIL: Result.PASS}.get(result, result)


def number_at_least(limit: float, *, sure: float, unsure: float = 0) -> Result:
    """Whether a number reaches the limit: `sure` are known to count, `unsure` may count besides."""
    if sure >= limit:
        return Result.PASS
    return Result.UNKNOWN if sure + unsure >= limit else Result.FAIL


def number_at_most(limit: float, *, sure: float, unsure: float = 0) -> Result:
    """Whether a number keeps within the limit: `sure` are known to count, `unsure` may count besides."""
    if sure > limit:
        return Result.FAIL
    return Result.UNKNOWN if sure + unsure > limit else Result.PASS
