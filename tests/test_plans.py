"""What a page, a worker's report and a round read where there is much of everything: a database of 100,000 jobs.

It is counted in pages of PostgreSQL (8 KiB) that the plans touch; times would depend on the machine.
"""

import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.utils import timezone
from psycopg.conninfo import conninfo_to_dict

from release_portal.access.models import Grant
from release_portal.jobs import actions as jobs
from release_portal.jobs.actions.end import violating_rule
from release_portal.releases.views import family
from release_portal.review.reports import Period, report_of

from . import cast

pytestmark = pytest.mark.slow

NAME = "portal_full"
ORGANISATIONS = 10_000
JOBS = 100_000
WORKING = 40
"""Of the many jobs, those that are queued; each is of an organisation of its own."""
OF_AN_ORGANISATION = f"100001 + mod(n, {ORGANISATIONS})"
FILL: dict[str, tuple[int, dict[str, str]]] = {
    "partners_partner": (ORGANISATIONS, {"slug": "'many-' || n", "folded_name": "'many ' || n"}),
    "agreements_agreement": (ORGANISATIONS, {"partner_id": "100000 + n"}),
    "agreements_signature": (ORGANISATIONS, {"agreement_id": "100000 + n"}),
    "access_accessrequest": (ORGANISATIONS, {"partner_id": "100000 + n"}),
    "access_requestitem": (ORGANISATIONS, {"partner_id": "100000 + n", "request_id": "100000 + n"}),
    "access_grant": (
        ORGANISATIONS,
        {"partner_id": "100000 + n", "request_id": "100000 + n", "item_id": "100000 + n"},
    ),
    "jobs_job": (
        JOBS,
        {
            "id": "gen_random_uuid()",
            "partner_id": OF_AN_ORGANISATION,
            "grant_id": OF_AN_ORGANISATION,
            "submitted_at": "now() - n * interval '1 minute'",
            "idempotency_key": "n::text",
            "status": f"CASE WHEN n <= {WORKING} THEN 'queued' ELSE 'cancelled' END",
            "ended_at": f"CASE WHEN n > {WORKING} THEN now() END",
        },
    ),
}
"""Rows that are copied of one that verbs made: how many, and what is another in each."""
EVENTS = """
    INSERT INTO audit_event (kind, sentence, at, about, detail, leaf)
    SELECT 'job.submitted', 'A job was submitted', submitted_at,
        ARRAY['jobs.job:' || id, 'access.grant:' || grant_id, 'partners.partner:' || partner_id,
              'releases.modelsize:' || size_id], '{}'::jsonb, ''::bytea
    FROM jobs_job
    UNION ALL
    SELECT 'access.granted', 'It was granted', starts_at,
        ARRAY['access.accessrequest:' || request_id, 'access.grant:' || id, 'partners.partner:' || partner_id,
              'releases.modelsize:' || size_id], jsonb_build_object('item', item_id), ''::bytea
    FROM access_grant WHERE id > 100000 ORDER BY 3
"""


@pytest.fixture(scope="module")
def full(django_db_setup, django_db_blocker) -> Iterator[Grant]:
    """A database with 100,000 jobs of 10,000 organisations, and a grant in it that is not one of the many."""
    address = conninfo_to_dict(os.environ["DATABASE_URL"].replace("postgres://", "postgresql://", 1))
    superuser = {"host": address["host"], "user": "postgres", "autocommit": True}
    with django_db_blocker.unblock():
        connections.close_all()
        with psycopg.connect(dbname="postgres", **superuser) as anybody:
            anybody.execute(f"CREATE DATABASE {NAME} TEMPLATE {address['dbname']}")
        own = {alias: connections[alias].settings_dict["NAME"] for alias in connections}
        try:
            for alias in own:
                connections[alias].settings_dict["NAME"] = NAME
            yield _filled(superuser)
        finally:
            connections.close_all()
            for alias, name in own.items():
                connections[alias].settings_dict["NAME"] = name
            with psycopg.connect(dbname="postgres", **superuser) as anybody:
                anybody.execute(f"DROP DATABASE {NAME} WITH (FORCE)")


def _filled(superuser: dict[str, Any]) -> Grant:
    call_command("first_records", stdout=io.StringIO())
    rita, ada = cast.reviewer(), cast.researcher()
    partner = cast.organisation(ada, rita)
    grant = cast.grant("124M", ada, partner, rita)
    job = jobs.submit(by=ada, partner=partner, size=grant.size, prompts=["One"], max_new_tokens=8)
    rows = {
        "partners_partner": partner.pk,
        "agreements_agreement": job.agreement_id,
        "agreements_signature": job.agreement.signatures.get().pk,
        "access_accessrequest": grant.request_id,
        "access_requestitem": grant.item_id,
        "access_grant": grant.pk,
        "jobs_job": job.pk,
    }
    with psycopg.connect(dbname=NAME, **superuser) as owner:
        owner.execute("SET session_replication_role = replica")  # no triggers: what they guard is not looked at here
        for table, (number, changes) in FILL.items():
            owner.execute(_copies(owner, table, number, changes), [rows[table]])
        owner.execute(EVENTS)
        owner.execute("VACUUM ANALYZE")
    assert Grant.objects.in_force(at=timezone.now()).count() == ORGANISATIONS + 1
    return grant


def _copies(owner: psycopg.Connection, table: str, number: int, changes: dict[str, str]) -> str:
    """What inserts a number of copies of one row."""
    known = owner.execute("SELECT column_name FROM information_schema.columns WHERE table_name = %s", [table])
    columns = [name for (name,) in known]
    values = ", ".join(({"id": "100000 + n"} | changes).get(name, f'row."{name}"') for name in columns)
    names = ", ".join(f'"{name}"' for name in columns)
    return (
        f"INSERT INTO {table} ({names}) SELECT {values} FROM {table} row, generate_series(1, {number}) AS n"
        " WHERE row.id::text = %s::text"
    )


@dataclass
class Reading:
    """What some queries touched: how many pages, by which indexes."""

    pages: int = 0
    indexes: set[str] = field(default_factory=set)

    def add(self, plan: dict[str, Any]) -> None:
        """What a plan and those within it touched; the pages of the outermost are those of all."""
        self.pages += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        waiting = [plan]
        for one in waiting:
            waiting += one.get("Plans", [])
            self.indexes |= {one["Index Name"]} if "Index Name" in one else set()


@pytest.fixture
def read(full) -> Callable[[Callable[[], Any]], Reading]:
    """What the queries of something touch."""

    def read(does: Callable[[], Any]) -> Reading:
        found = Reading()

        def explained(execute, sql, params, many, context):
            if sql.lstrip().startswith(("SELECT", "WITH", "EXECUTE")):
                execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", params, many, context)
                found.add(context["cursor"].fetchone()[0][0]["Plan"])
            return execute(sql, params, many, context)

        with connection.execute_wrapper(explained):
            does()
        return found

    return read


def test_report_of_a_worker_reads_nothing_of_other_organisations(full, read):
    own = full.jobs.get()
    assert read(lambda: violating_rule(at=timezone.now(), among=[own.pk])).pages < 100


def test_round_reads_only_of_the_organisations_that_have_work(read):
    assert read(lambda: violating_rule(at=timezone.now())).pages < 2_000


def test_page_of_a_family_does_not_read_the_book_backwards(read, rf):
    found = read(lambda: family(rf.get("/families/gpt2/"), "gpt2"))
    assert found.pages < 200
    assert "public_events" in found.indexes


def test_reports_read_the_first_job_under_each_grant_once(read):
    today = timezone.now().date()
    period = Period(today - timedelta(days=90), today)
    assert read(lambda: report_of(period, at=timezone.now())).pages < 10_000
