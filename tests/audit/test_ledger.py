"""PostgreSQL keeps the book: its own clock, the person at the door, an event for each decision, and a chain."""

from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from release_portal.access.models import Grant, Review, SizeRule
from release_portal.audit.acting import acting_as, tell_database
from release_portal.audit.actions import note, record
from release_portal.audit.models import Event, SecurityEvent, key_of
from release_portal.partners import actions as partners
from release_portal.partners.models import Partner

from .. import factories

LONG_AGO = timezone.now() - timedelta(days=900)


def insert(table: str, *, by=None, about=()) -> int:
    """An event as an attacker would write it who can make the site run SQL."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (kind, sentence, at, by_id, about, detail)"
            " VALUES ('grant.given', 'So', %s, %s, %s, '{}') RETURNING id",
            [LONG_AGO, by and by.pk, list(about)],
        )
        return cursor.fetchone()[0]


# --- the clock


@pytest.mark.parametrize("model", [Event, SecurityEvent])
def test_event_has_the_time_of_the_database_whatever_is_said(model, db):
    before = timezone.now()
    event = model.objects.get(pk=insert(model._meta.db_table))
    assert before <= event.at <= timezone.now()
    model.objects.create(kind="thing.happened", sentence="It did", at=LONG_AGO, about=[])
    assert before <= model.objects.latest("id").at <= timezone.now()


# --- the person


@pytest.mark.parametrize("table", ["audit_event", "audit_securityevent"])
def test_event_in_another_persons_name_is_refused(table, ada, rita):
    with pytest.raises(DatabaseError, match=f"an event of person {rita.pk} is written for person nobody"):
        insert(table, by=rita)
    with acting_as(ada):
        tell_database()
        with pytest.raises(DatabaseError, match=f"an event of person {rita.pk} is written for person {ada.pk}"):
            insert(table, by=rita)
        insert(table, by=ada)
        insert(table, by=None)


def test_verb_that_names_another_than_the_door_is_refused(applied, rita, tom):
    with acting_as(tom), pytest.raises(DatabaseError, match=f"person {rita.pk} is written for person {tom.pk}"):
        partners.admit(by=rita, partner=applied)


def test_door_says_who_acts_and_not_the_verb(applied, rita, tom, client_of, monkeypatch):
    admit = partners.admit
    monkeypatch.setattr(partners, "admit", lambda *, by, partner: admit(by=tom, partner=partner))
    with pytest.raises(DatabaseError, match=f"person {tom.pk} is written for person {rita.pk}"):
        client_of(rita).post(f"/review/organisations/{applied.slug}/", {"admit": ""})


def test_door_of_the_api_acts_for_whose_token_it_is(northlake, ada, api_of):
    details = {"email": "new@northlake.example", "roles": ["viewer"]}
    path = f"/api/v1/organisations/{northlake.slug}/invitations"
    assert api_of(ada).post(path, details, content_type="application/json").status_code == 201
    event = Event.objects.about(northlake).newest_first()[0]
    assert (event.kind, event.by) == ("member.invited", ada)


def test_door_of_the_asynchronous_site_acts_for_who_is_signed_in(northlake, ada, async_client_of):
    """As uvicorn serves it: the middleware and the view run in other contexts than the server."""
    details = {"email": "new@northlake.example", "roles": ["viewer"]}
    answer = async_to_sync(async_client_of(ada).post)(f"/organisations/{northlake.slug}/members/", details)
    assert answer.status_code == 302
    event = Event.objects.about(northlake).newest_first()[0]
    assert (event.kind, event.by) == ("member.invited", ada)


def test_person_is_forgotten_with_the_transaction(committed, race):
    ada = factories.UserFactory()

    def says_who():
        with transaction.atomic(), acting_as(ada):
            tell_database()

    def writes():
        says_who()
        with pytest.raises(DatabaseError, match="for person nobody"):
            insert("audit_event", by=ada)

    race(writes, writes)


def test_record_outside_any_door_is_the_portals_own(committed):
    ada = factories.UserFactory()
    with pytest.raises(DatabaseError, match="for person nobody"), transaction.atomic():
        Event.objects.create(kind="thing.happened", sentence="It did", at=timezone.now(), by=ada, about=[])
    assert record("thing.happened", "It did", ada, by=None).by is None


def test_sign_in_and_its_end_are_noted_for_whom_they_are(committed, client_of):
    person = factories.UserFactory()
    client = client_of(person)
    client.post("/accounts/logout/")
    noted = SecurityEvent.objects.filter(by=person).order_by("id")
    assert [event.kind for event in noted] == ["account.signed_in", "account.signed_out"]


def test_note_in_another_persons_name_is_not_written_and_logged(committed, caplog):
    person, other = factories.UserFactory(), factories.UserFactory()
    with acting_as(other):
        note(SecurityEvent.Kind.TEXTS_READ, "Texts were read", by=person)
    assert not SecurityEvent.objects.filter(by=person).exists()
    assert "was not noted" in caplog.text


# --- no decision without its event

DECISIONS = {
    "end a grant": ("access.grant", "UPDATE access_grant SET status = 'revoked', ended_at = now() WHERE id = %s"),
    "suspend a grant": ("access.grant", "UPDATE access_grant SET status = 'suspended' WHERE id = %s"),
    "give a grant": (
        "access.grant",
        'INSERT INTO access_grant (partner_id, size_id, "right", request_id, item_id, starts_at, ends_at, token_quota,'
        " tokens_used, tokens_reserved, samples_used, samples_reserved, purposes, conditions, reduction_reason, waiver,"
        " status, granted_by_id, end_code, end_reason) SELECT partner_id, size_id, 'weights', request_id, (SELECT id"
        " FROM access_requestitem WHERE partner_id = g.partner_id AND id <> g.item_id), starts_at, ends_at, 0, 0, 0, 0,"
        " 0, purposes, '', '', '', 'active',"
        " granted_by_id, '', '' FROM access_grant g WHERE id = %s RETURNING id",
    ),
    "suspend an organisation": (
        "access.suspension",
        "INSERT INTO access_suspension (level, partner_id, status, reason_code, reason, by_id, at, begins_at,"
        " lift_reason) SELECT 'partner', partner_id, 'active', 'key', 'So.', granted_by_id, now(), now(), ''"
        " FROM access_grant WHERE id = %s RETURNING id",
    ),
    "decide an item": (
        "access.requestitem",
        "UPDATE access_requestitem SET status = 'declined' WHERE status = 'waiting' AND partner_id = (SELECT partner_id"
        " FROM access_grant WHERE id = %s)",
    ),
    "let a review count no more": (
        "access.review",
        "UPDATE access_review SET is_current = false WHERE item_id = (SELECT item_id FROM access_grant WHERE id = %s)",
    ),
    "close an organisation": (
        "partners.partner",
        "UPDATE partners_partner SET status = 'closed', closed_at = now(), closed_by_id = applied_by_id WHERE id ="
        " (SELECT partner_id FROM access_grant WHERE id = %s)",
    ),
    "set a rule": (
        "access.sizerule",
        "INSERT INTO access_sizerule (size_id, approvals, roles, veto_roles, after_days, findings, at, reason) SELECT"
        " size_id, 1, '{}', '{}', 0, 0, now(), 'So.' FROM access_grant WHERE id = %s RETURNING id",
    ),
    "open a component": (
        "releases.opening",
        "INSERT INTO releases_opening (size_id, component, audience, at, reason) SELECT size_id, 'weights', 'open',"
        " now(), 'So.' FROM access_grant WHERE id = %s RETURNING id",
    ),
    "sign": (
        "agreements.signature",
        "INSERT INTO agreements_signature (agreement_id, text_sha256, signer_id, signer_email, organisation,"
        " legal_name, title, authority_statement, intent_statement, signed_at, user_agent) SELECT a.id, '', u.id, '',"
        " '', '', '', '', '', now(), '' FROM access_grant g JOIN agreements_agreement a USING (partner_id) JOIN"
        " partners_user u ON u.id <> g.granted_by_id WHERE g.id = %s LIMIT 1 RETURNING id",
    ),
}


@pytest.fixture
def decided(committed) -> Grant:
    """A grant with all that led to it, and an item that waits."""
    grant = factories.GrantFactory()
    factories.AgreementFactory(partner=grant.partner, signed=True)
    factories.ItemFactory(partner=grant.partner)
    with transaction.atomic():
        review = Review.objects.create(
            item=grant.item, reviewer=grant.granted_by, verdict="approve", terms={}, at=timezone.now()
        )
        factories.recorded(review)
    return grant


@pytest.mark.parametrize("decision", DECISIONS)
def test_decision_without_its_event_fails_at_commit(decision, decided):
    label, sql = DECISIONS[decision]
    with (
        pytest.raises(IntegrityError, match=f"no event of this transaction names {label}:"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql, [decided.pk])
        assert cursor.rowcount == 1


def test_decision_by_the_orm_without_its_event_fails_at_commit(committed):
    grant = factories.GrantFactory()
    with pytest.raises(IntegrityError, match=f"no event of this transaction names access.grant:{grant.pk}"):
        Grant.objects.filter(pk=grant.pk).update(status=Grant.Status.SUSPENDED)
    with pytest.raises(IntegrityError, match="no event of this transaction names access.sizerule"):
        SizeRule.objects.create(size=grant.size, at=timezone.now(), reason="So.")
    grant.refresh_from_db()
    assert grant.status == Grant.Status.ACTIVE


def test_event_of_an_earlier_transaction_is_not_enough(committed):
    grant = factories.GrantFactory()
    factories.recorded(grant)
    with pytest.raises(IntegrityError):
        Grant.objects.filter(pk=grant.pk).update(status=Grant.Status.SUSPENDED)
    with transaction.atomic():
        Grant.objects.filter(pk=grant.pk).update(status=Grant.Status.SUSPENDED)
        factories.recorded(grant)


def test_event_that_was_rolled_back_is_not_enough(committed):
    grant = factories.GrantFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        Grant.objects.filter(pk=grant.pk).update(status=Grant.Status.SUSPENDED)
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            factories.recorded(grant)
            raise ZeroDivisionError


@pytest.mark.parametrize(
    "evasion",
    [
        "CREATE TEMPORARY TABLE audit_event (xact xid8 DEFAULT pg_current_xact_id(), at timestamptz DEFAULT now(), "
        "about varchar[]); INSERT INTO pg_temp.audit_event (about) VALUES (ARRAY['access.grant:{}'])",
        "CREATE TEMPORARY TABLE pg_class AS SELECT oid, current_user::regrole::oid AS relowner "
        "FROM pg_catalog.pg_class",
        "SET CONSTRAINTS ALL DEFERRED",
    ],
)
def test_decision_without_its_event_fails_whatever_is_put_in_the_way(evasion, committed):
    grant = factories.GrantFactory()
    with pytest.raises(IntegrityError), transaction.atomic():
        Grant.objects.filter(pk=grant.pk).update(status=Grant.Status.SUSPENDED)
        with connection.cursor() as cursor:
            cursor.execute(evasion.format(grant.pk))


def test_key_of_a_row_is_as_the_database_names_it(grant, northlake):
    """`need_event` builds it from the label and the id."""
    assert key_of(grant) == f"access.grant:{grant.pk}"
    assert key_of(Partner.objects.get(pk=northlake.pk)) == f"partners.partner:{northlake.pk}"
