"""Reading the book from its first line to its last: does every event still say what it said when it was written?

An event's `leaf` is SHA-256 over a zero byte and the event in the canonical form of RFC 8785 (numbers as PostgreSQL's
jsonb writes them), the leaves among it that it follows, `previous`. PostgreSQL makes it (`ledger.py`); this makes it
again from the columns, apart from PostgreSQL. The zero byte is that of a leaf in RFC 9162, for trees to come.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection, transaction

LINES = """
SELECT id, kind, sentence, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), by_id, whom_id,
    array_to_json(about)::text, detail::text, previous, leaf
FROM audit_event ORDER BY id
"""
# Of the event that is missing nothing is known but its leaf; so it is reported by the one that follows it.
BROKEN = """
SELECT event.id, coalesce(event.about[1], '') FROM audit_event AS event, unnest(event.previous) AS wanted
WHERE NOT EXISTS (
    SELECT FROM audit_event AS earlier
    WHERE earlier.leaf = wanted AND coalesce(earlier.about[1], '') = coalesce(event.about[1], '')
) ORDER BY event.id LIMIT 1
"""


@dataclass(frozen=True)
class Flaw:
    """The first event that does not fit."""

    event: int
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """How many events were read, and what is wrong."""

    events: int
    flaw: Flaw | None


def verify() -> Verdict:
    """Read all events that are there now. It changes nothing, and locks nothing.

    It finds an event that was changed, one that was exchanged for another, and one that was removed while a later one
    about the same thing is there. That the newest were removed, only what was kept outside can show.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        return read()


def read() -> Verdict:
    """The same, of what the transaction sees that is open."""
    number, flaws = 0, []
    for row in _rows():
        number += 1
        if leaf_of(row) != row["leaf"]:
            flaws.append(Flaw(row["id"], f"Event {row['id']:,} is not what was written: its hash does not fit."))
            break
    with connection.cursor() as cursor:
        cursor.execute(BROKEN)
        if found := cursor.fetchone():
            event, thing = found
            flaws.append(
                Flaw(event, f"The event about {thing or 'nothing'} before event {event:,} is gone or changed.")
            )
    return Verdict(number, min(flaws, key=lambda flaw: flaw.event, default=None))


def leaf_of(row: dict[str, Any]) -> str:
    """The leaf, in hexadecimal, that an event of these columns has."""
    said = {name: value for name, value in row.items() if name != "leaf"}
    return hashlib.sha256(b"\0" + canonical(said).encode()).hexdigest()


def canonical(value: Any) -> str:
    """JSON as RFC 8785 has it; a number that was read as Decimal as jsonb writes it."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{canonical(key)}:{canonical(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return json.dumps(value, ensure_ascii=False)


def _rows() -> Iterator[dict[str, Any]]:
    names = ("id", "kind", "sentence", "at", "by", "whom", "about", "detail", "previous", "leaf")
    with connection.chunked_cursor() as cursor:
        cursor.execute(LINES)
        for line in cursor:
            row = dict(zip(names, line, strict=True))
            row["about"], row["detail"] = (json.loads(row[name], parse_float=Decimal) for name in ("about", "detail"))
            yield row
