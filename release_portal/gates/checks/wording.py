"""Numbers and lists as sentences have them."""

from collections.abc import Iterable


def count(number: int, noun: str, plural: str = "") -> str:
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def percent(share: float) -> str:
    """Of a fraction of 1: 0.957 is 95.7%. Never so short that what misses a limit looks like it."""
    return f"{100 * share:.6g}%"


def decimal(number: float) -> str:
    return f"{number:.6g}"


def listed(names: Iterable[str]) -> str:
    *first, last = sorted(names)
    return f"{', '.join(first)} and {last}" if first else last
