"""Rows that are terms or decisions stay as they were decided: the site's own role holds no right to change them, and
triggers refuse even the owner."""

from datetime import timedelta

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, connections, transaction
from django.utils import timezone

from release_portal.access.models import AccessRequest, Batch, Finding, Review, Suspension
from release_portal.lib.owner import as_owner
from release_portal.releases.models import Artefact, ArtefactFile

from .. import factories
from ..remembered import memory

ROOMS = ("audit", "partners", "releases", "agreements", "access", "jobs")
KEPT = {  # the columns that may change, and those that change once
    "access.review": ((), ("is_current",)),
    "access.grant": (
        ("status", "tokens_used", "tokens_reserved", "samples_used", "samples_reserved", "warned_days"),
        ("replaced_by_id", "ended_by_id", "ended_at", "end_code", "end_reason"),
    ),
    "access.requestitem": (
        ("status", "tokens_wanted", "replaces_id"),
        ("decided_by_id", "decided_at", "reason_code", "reason", "note"),
    ),
    "access.finding": ((), ("accepted_by_id", "accepted_at")),
    "access.suspension": (
        ("status",),
        ("confirmed_by_id", "begins_at", "lifted_by_id", "lifted_at", "lift_reason"),
    ),
    "access.batch": (("status",), ("applied_by_id", "applied_at", "results")),
    "agreements.agreement": ((), ("ended_at", "ended_by_id")),
    "releases.artefact": (("status",), ("manifest_sha256", "error", "first_seen_at", "first_seen_on")),
    "releases.artefactfile": ((), ("sha256",)),
}
ONLY_GROWS = {
    "audit.event", "audit.securityevent", "access.submission", "access.remark", "access.recusal", "access.sizerule",
    "agreements.agreementversion", "agreements.signature", "partners.pause", "releases.opening",
    "releases.erratum", "releases.licence",
}  # fmt: skip
CHANGES = {
    "audit.failure": "what a loop tries again; it is gone once it is done",
    "access.accessrequest": "written by its organisation until it is decided; each submission is kept apart",
    "access.savedsearch": "what a reviewer keeps for their own work",
    "access.deskcolumns": "what a reviewer keeps for their own work",
    "partners.user": "people change their names, addresses and passwords",
    "partners.user_lab_roles": "roles are given and taken; the book tells when",
    "partners.user_groups": "unused: what people may do is in their roles",
    "partners.user_user_permissions": "unused: what people may do is in their roles",
    "partners.role": "what a role may do is set by migrations",
    "partners.partner": "an application is corrected and sent again; what it said before is kept in it",
    "partners.membership": "it ends, and people's roles change; the book tells when",
    "partners.membership_roles": "roles are given and taken; the book tells when",
    "partners.invitation": "sent again, it has another key and another end",
    "partners.invitation_roles": "part of an invitation",
    "partners.apitoken": "it is used and revoked",
    "partners.applicationdraft": "what nobody was sent yet",
    "partners.letter": "what the outbox carries; it empties itself",
    "partners.cached": "counters of the rate limits",
    "releases.family": "its texts are corrected",
    "releases.modelsize": "its facts are corrected; what is open is kept apart",
    "jobs.job": "it is worked on; how it ended is in the book",
    "jobs.prompt": "removed once texts are no longer kept",
    "jobs.completion": "it is written while the job runs",
    "jobs.fileindex": "counted again whenever it is wanted",
    "jobs.workorder": "a lease between the site and a worker",
    "jobs.share": "a place in the queue",
    "jobs.worker": "as it last introduced itself",
    "jobs.seenmessage": "the memory of the receiver",
    "jobs.drop": "a count of messages",
    "jobs.outage": "it begins and ends",
}
OTHER = {
    "bigint": "coalesce({0}, 0) + 1",
    "integer": "coalesce({0}, 0) + 1",
    "smallint": "coalesce({0}, 0) + 1",
    "boolean": "NOT {0}",
    "character varying": "left({0}, 1) || 'x'",
    "text": "{0} || 'x'",
    "jsonb": "'[\"x\"]'",
    "ARRAY": "{0} || '{{x}}'",
    "timestamp with time zone": "coalesce({0}, now()) + interval '1 day'",
}
"""Another value of each type of column."""


def columns_of(label: str) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s",
            [label.replace(".", "_")],
        )
        return dict(cursor.fetchall())


FROZEN = [
    (label, field.column)
    for label, (changing, _) in KEPT.items()
    for field in apps.get_model(label)._meta.concrete_fields
    if field.column not in changing
]


def test_every_model_is_kept_or_has_a_reason_to_change():
    models = {
        model._meta.label_lower
        for model in apps.get_models(include_auto_created=True)
        if model._meta.app_label in ROOMS
    }
    assert models == KEPT.keys() | ONLY_GROWS | CHANGES.keys()
    assert not KEPT.keys() & (ONLY_GROWS | CHANGES.keys()) | ONLY_GROWS & CHANGES.keys()


@pytest.mark.parametrize("label", KEPT)
def test_site_may_change_a_kept_table_in_the_columns_that_are_named_alone(label, db):
    table = label.replace(".", "_")
    changing, once = KEPT[label]
    with connection.cursor() as cursor:
        for column in columns_of(label):
            cursor.execute("SELECT has_column_privilege(%s, %s, 'UPDATE')", [table, column])
            assert cursor.fetchone()[0] == (column in changing + once), column


@pytest.mark.parametrize("label", [*KEPT, *sorted(ONLY_GROWS)])
@pytest.mark.parametrize("change", ["DELETE FROM {}", "TRUNCATE {} CASCADE", "UPDATE {} SET id = id"])
def test_site_may_neither_remove_nor_renumber_what_is_kept(label, change, db):
    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(change.format(label.replace(".", "_")))


@pytest.mark.parametrize(
    ("label", "column"), [(label, column) for label, column in FROZEN if column not in KEPT[label][1]]
)
def test_site_may_not_change_a_term(label, column, db):
    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f'UPDATE {label.replace(".", "_")} SET "{column}" = "{column}"')


@pytest.fixture(scope="module")
def decided(django_db_setup, django_db_blocker) -> dict[str, int]:
    """A row of each kept table, with all that is ever decided on it."""
    with django_db_blocker.unblock(), transaction.atomic():
        grant = factories.GrantFactory()
        who, at = grant.granted_by, timezone.now()
        agreement = factories.AgreementFactory(partner=grant.partner, ended_at=at, ended_by=who)
        item = factories.ItemFactory(
            status="declined", decided_by=who, decided_at=at, reason_code="purpose", reason="So.", note="So."
        )
        ended = {"status": "replaced", "ended_at": at, "ended_by": who, "end_code": "misuse", "end_reason": "So."}
        old = factories.GrantFactory(replaced_by=grant, sample_quota=9, waiver="So.", **ended)
        details = {"item": item, "reviewer": who, "verdict": "decline", "at": at, "is_current": False}
        review = Review.objects.create(**details, terms={}, reason_code="purpose", reason="So.", note="So.")
        details = {
            "partner": grant.partner,
            "size": grant.size,
            "title": "So",
            "text": "So.",
            "sent_by": who,
            "sent_at": at,
        }
        finding = Finding.objects.create(**details, accepted_by=who, accepted_at=at)
        suspension = Suspension.of(grant)
        suspension.by, suspension.at, suspension.reason_code, suspension.reason = who, at, "key", "So."
        suspension.status, suspension.begins_at, suspension.confirmed_by = "lifted", at, who
        suspension.lifted_by, suspension.lifted_at, suspension.lift_reason = who, at, "So."
        suspension.save()
        details = {"verb": "grant", "rows": [[1, 1]], "staged_by": who, "staged_at": at, "status": "applied"}
        batch = Batch.objects.create(**details, applied_by=who, applied_at=at, results=[{"id": 1}])
        seen = {"first_seen_at": at, "first_seen_on": "w", "manifest_sha256": "ab" * 32, "error": "So."}
        place = {"family": grant.size.family, "size": grant.size, "component": "outputs", "status": "ready"}
        artefact = Artefact.objects.create(**place, **seen, version="1", folder="f", by=who, at=at)
        file = ArtefactFile.objects.create(artefact=artefact, path="a", bytes=1, changed_ns=1, sha256="ab" * 32)
        rows = [review, old, item, finding, suspension, batch, agreement, artefact]
        factories.recorded(*rows)
        rows.append(file)
        made = {row._meta.label_lower: row.pk for row in rows}
    memory.forget()  # these rows stay
    yield made
    with django_db_blocker.unblock():
        connections["owner"].close()


@pytest.mark.django_db(databases=["default", "owner"])
@pytest.mark.parametrize(("label", "column"), FROZEN)
def test_even_the_owner_changes_no_term_and_nothing_twice(label, column, decided):
    other = OTHER[columns_of(label)[column]].format(f'"{column}"')
    sql = f'UPDATE {label.replace(".", "_")} SET "{column}" = {other} WHERE id = %s'
    with (
        as_owner(),
        pytest.raises(DatabaseError, match="keeps what was decided: UPDATE is refused"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql, [decided[label]])


@pytest.mark.django_db(databases=["default", "owner"])
@pytest.mark.parametrize("label", KEPT)
@pytest.mark.parametrize("change", ["DELETE FROM {} WHERE id = %s", "TRUNCATE {} CASCADE -- %s"])
def test_even_the_owner_removes_nothing_that_is_kept(label, change, decided):
    with (
        as_owner(),
        pytest.raises(DatabaseError, match="only grows"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(change.format(label.replace(".", "_")), [decided[label]])


def test_what_was_decided_cannot_be_undone_by_emptying_it(decided, db):
    with pytest.raises(DatabaseError, match="keeps what was decided"), transaction.atomic():
        Finding.objects.filter(pk=decided["access.finding"]).update(accepted_by=None, accepted_at=None)
    with pytest.raises(DatabaseError, match="keeps what was decided"), transaction.atomic():
        Review.objects.filter(pk=decided["access.review"]).update(is_current=True)


def test_request_of_the_past_can_still_be_written_on(access_request):
    """What is no term may change: here, who reads it now."""
    assert AccessRequest.objects.filter(pk=access_request.pk).update(
        claimed_by=access_request.created_by, claimed_until=timezone.now() + timedelta(minutes=1)
    )
