"""What the lab's reviewing came to in a period, and what waits now: the figures of the reports page and of its CSV.

A period is read from the book of events. A step belongs to the period in which it ended. The figures of one size count
every request that was sent with it and every item on it; those of all together count a request once. Rows are read for
what the book does not tell: whether a grant gives less than its item asked, and what waits now, since their own times;
and for the first job under each grant, which the book tells only by reading every job's event.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.db import connection
from django.urls import reverse

from release_portal.access.models import DeclineReason
from release_portal.audit.models import key_of
from release_portal.releases.models import ModelSize

ALL = "all"
STEPS = {
    "answer": "Sent to first answer",
    "decided": "Sent to decided",
    "again": "Returned to sent again",
    "use": "Granted to first use",
}
WAITING = {
    "waiting": "Waiting for review",
    "claimed": "Claimed by a reviewer",
    "second": "Waiting for a second reviewer",
    "returned": "Returned to the applicant",
}
COUNTED = {
    "sent": "Requests sent",
    "granted": "Items granted",
    "less": "Granted less than asked",
    "declined": "Items declined",
    "withdrawn": "Requests withdrawn",
}

SIZES_OF = "ARRAY(SELECT DISTINCT thing FROM unnest(about) AS thing WHERE starts_with(thing, 'releases.modelsize:'))"
ASKED = """
    SELECT about[1] AS request, array_agg(DISTINCT thing) AS sizes
    FROM audit_event, unnest(about) AS thing
    WHERE kind IN ('access.requested', 'access.corrected') AND starts_with(thing, 'releases.modelsize:')
    GROUP BY about[1]
"""
COUNTS = f"""
    WITH asked AS ({ASKED}), events AS (
        SELECT kind, detail, about[1] AS request, {SIZES_OF} AS sizes
        FROM audit_event
        WHERE kind IN ('access.requested', 'access.granted', 'access.declined', 'access.withdrawn')
            AND at >= %(start)s AND at < %(end)s
    )
    SELECT scope,
        count(*) FILTER (WHERE events.kind = 'access.requested') AS sent,
        count(*) FILTER (WHERE events.kind = 'access.granted') AS granted,
        count(*) FILTER (
            WHERE given.token_quota < item.tokens_wanted
                OR given.ends_at < (row.until_wanted + 1)::timestamp AT TIME ZONE 'UTC'
                OR NOT given.purposes @> row.purposes
        ) AS less,
        count(*) FILTER (WHERE events.kind = 'access.declined') AS declined,
        count(*) FILTER (WHERE events.kind = 'access.withdrawn') AS withdrawn
    FROM events
    LEFT JOIN asked ON events.kind = 'access.withdrawn' AND asked.request = events.request
    LEFT JOIN access_requestitem item ON events.kind = 'access.granted' AND item.id = (events.detail->>'item')::bigint
    LEFT JOIN access_grant given ON given.item_id = item.id
    LEFT JOIN access_accessrequest row ON row.id = item.request_id
    CROSS JOIN unnest(events.sizes || coalesce(asked.sizes, '{{}}') || '{{{ALL}}}') AS scope
    GROUP BY scope
"""  # noqa: S608
REASONS = f"""
    SELECT scope, detail->>'reason' AS reason, count(*) AS declined
    FROM audit_event CROSS JOIN unnest({SIZES_OF} || '{{{ALL}}}') AS scope
    WHERE kind = 'access.declined' AND at >= %(start)s AND at < %(end)s
    GROUP BY scope, reason
"""  # noqa: S608
SPANS = f"""
    WITH asked AS ({ASKED}), used AS (
        SELECT grant_id, min(submitted_at) AS at FROM jobs_job GROUP BY grant_id
    ), sent AS (
        SELECT about[1] AS request, min(at) AS at FROM audit_event WHERE kind = 'access.requested' GROUP BY about[1]
    ), correction AS (
        SELECT about[1] AS request, kind, at, lead(at) OVER turns AS again
        FROM audit_event WHERE kind IN ('access.returned', 'access.corrected')
        WINDOW turns AS (PARTITION BY about[1] ORDER BY id)
    ), spans AS (
        SELECT 'answer' AS step, sizes, sent.at AS began, answer.at AS ended
        FROM sent JOIN asked USING (request) CROSS JOIN LATERAL (
            SELECT min(at) AS at FROM audit_event
            WHERE about @> ARRAY[sent.request] AND audit_event.at >= sent.at
                AND (starts_with(kind, 'review.') AND by_id IS NOT NULL
                    OR kind IN ('access.returned', 'access.granted', 'access.declined'))
        ) answer
        UNION ALL
        SELECT 'decided', {SIZES_OF}, sent.at, audit_event.at
        FROM audit_event JOIN sent ON sent.request = about[1] WHERE kind IN ('access.granted', 'access.declined')
        UNION ALL
        SELECT 'again', sizes, at, again FROM correction JOIN asked USING (request) WHERE kind = 'access.returned'
        UNION ALL
        SELECT 'use', {SIZES_OF}, audit_event.at, used.at
        FROM audit_event JOIN used ON about[2] = 'access.grant:' || used.grant_id WHERE kind = 'access.granted'
    )
    SELECT scope, step, count(*) AS number,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM ended - began) / 86400) AS median,
        percentile_cont(0.9) WITHIN GROUP (ORDER BY extract(epoch FROM ended - began) / 86400) AS most
    FROM spans CROSS JOIN unnest(sizes || '{{{ALL}}}') AS scope
    WHERE ended >= %(start)s AND ended < %(end)s
    GROUP BY scope, step
"""  # noqa: S608
STANDING = f"""
    WITH open AS (
        SELECT item.request_id, item.size_id, min(review.at) AS reviewed_at
        FROM access_requestitem item
        JOIN access_accessrequest row ON row.id = item.request_id AND row.status IN ('submitted', 'returned')
        LEFT JOIN access_review review ON review.item_id = item.id AND review.is_current
        WHERE item.status IN ('waiting', 'asked')
        GROUP BY GROUPING SETS ((item.request_id, item.size_id), (item.request_id))
    ), waiting AS (
        SELECT coalesce('releases.modelsize:' || size_id, '{ALL}') AS scope, row.promised_at,
            CASE WHEN row.status = 'returned' THEN 'returned' WHEN claimed_until > %(now)s THEN 'claimed'
                WHEN reviewed_at IS NOT NULL THEN 'second' ELSE 'waiting' END AS step,
            CASE WHEN row.status = 'returned' THEN returned_at WHEN claimed_until > %(now)s THEN submitted_at
                ELSE coalesce(reviewed_at, submitted_at) END AS since
        FROM open JOIN access_accessrequest row ON row.id = open.request_id
    )
    SELECT scope, step, count(*) AS number,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM %(now)s - since) / 86400) AS median,
        max(extract(epoch FROM %(now)s - since) / 86400)::float AS oldest,
        count(*) FILTER (WHERE step <> 'returned' AND promised_at < %(now)s) AS late
    FROM waiting GROUP BY scope, step
"""  # noqa: S608


@dataclass(frozen=True)
class Period:
    """Days of the calendar (UTC), the first and the last included."""

    first: date
    last: date

    @property
    def bounds(self) -> dict[str, datetime]:
        start, end = (datetime.combine(day, time.min, tzinfo=UTC) for day in (self.first, self.last))
        return {"start": start, "end": end + timedelta(days=1)}


@dataclass(frozen=True)
class Figure:
    """One number: as it is shown, and plain (a count, a share, or days)."""

    measure: str
    value: str
    number: float | None
    url: str = ""


@dataclass(frozen=True)
class Line:
    """The figures of one size, or of all together; `step` where the table tells of several."""

    size: str
    figures: list[Figure]
    step: str = ""


Row = Mapping[str, Any]


@dataclass(frozen=True)
class Report:
    """What the database answered, and from it the lines of each table."""

    sizes: dict[str, ModelSize]
    counts: list[Row]
    spans: list[Row]
    reasons: list[Row]
    undecided: list[Row]

    @cached_property
    def decisions(self) -> list[Line]:
        return self._lines(self.counts, _decisions)

    @cached_property
    def steps(self) -> list[Line]:
        return self._by_step(self.spans, STEPS, {"median": "Median", "most": "90th percentile"})

    @cached_property
    def declines(self) -> list[Line]:
        named = {label: code for code, label in DeclineReason.choices}
        lines = []
        for label, code in named.items():
            rows = [row for row in self.reasons if row["reason"] == code]
            lines += self._lines(rows, lambda row, _: [_count("Items declined", row["declined"])], label)
        return lines

    @cached_property
    def waiting(self) -> list[Line]:
        return self._by_step(self.undecided, WAITING, {"median": "Median age", "oldest": "Oldest"})

    @cached_property
    def late(self) -> list[Line]:
        late = {scope: sum(row["late"] for row in self.undecided if row["scope"] == scope) for scope in self._scopes}
        return self._lines([{"scope": scope, "late": count} for scope, count in late.items() if count], _late)

    @property
    def sections(self) -> dict[str, list[Line]]:
        """Every table by its heading, as the CSV names it."""
        return {
            "Decisions": self.decisions,
            "Steps": self.steps,
            "Reasons to decline": self.declines,
            "Waiting now": self.waiting,
            "Past the promised day": self.late,
        }

    @property
    def _scopes(self) -> list[str]:
        return [*self.sizes, ALL]

    def _lines(
        self, rows: Iterable[Row], figures: Callable[[Row, ModelSize | None], list[Figure]], step: str = ""
    ) -> list[Line]:
        """A line per size that has a row, smallest first, and one for all together."""
        found = {row["scope"]: row for row in rows}
        of = [(self.sizes.get(scope), found[scope]) for scope in self._scopes if scope in found]
        return [Line(str(size or "All together"), figures(row, size), step) for size, row in of]

    def _by_step(self, rows: list[Row], steps: dict[str, str], spans: dict[str, str]) -> list[Line]:
        def figures(row: Row, _: ModelSize | None) -> list[Figure]:
            return [_count("Number", row["number"]), *(_span(label, row[name]) for name, label in spans.items())]

        lines = []
        for step, label in steps.items():
            lines += self._lines([row for row in rows if row["step"] == step], figures, label)
        return lines


def report_of(period: Period, *, at: datetime) -> Report:
    """The figures of a period, and of what waits at that time, in five queries."""
    sizes = {key_of(size): size for size in ModelSize.objects.smallest_first()}
    bounds = period.bounds
    return Report(
        sizes, _rows(COUNTS, bounds), _rows(SPANS, bounds), _rows(REASONS, bounds), _rows(STANDING, {"now": at})
    )


def in_words(days: float) -> str:
    """ "3.5 days"; "7.2 hours" where it is under a day, "12 min" where it is under an hour."""
    if days >= 1:
        return f"{days:,.1f} days"
    return f"{days * 24:.1f} hours" if days * 24 >= 1 else f"{days * 24 * 60:.0f} min"


def _rows(query: str, parameters: dict[str, datetime]) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _count(measure: str, number: int) -> Figure:
    return Figure(measure, f"{number:,}", number)


def _span(measure: str, days: float) -> Figure:
    return Figure(measure, in_words(days), round(days, 4))


def _decisions(row: Row, size: ModelSize | None) -> list[Figure]:
    decided = row["granted"] + row["declined"]
    share = row["granted"] / decided if decided else None
    share_in_words = "nothing decided" if share is None else f"{share:.0%} ({row['granted']:,} of {decided:,})"
    counts = [_count(label, row[name]) for name, label in COUNTED.items()]
    return [*counts, Figure("Approved", share_in_words, share and round(share, 4))]


def _late(row: Row, size: ModelSize | None) -> list[Figure]:
    words = f"size:{size.path} state:late" if size else "state:late"
    return [Figure("Requests", f"{row['late']:,}", row["late"], f"{reverse('review:desk')}?{urlencode({'q': words})}")]
