"""Each event carries the hashes of those before it about the same thing: who changes the past is found out."""

import hashlib
import threading

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from release_portal.audit.actions import record
from release_portal.audit.chain import canonical, read, verify
from release_portal.audit.models import Event
from release_portal.lib.owner import as_owner

from .. import factories
from ..patience import PATIENCE


def columns(event: Event) -> tuple[list[str], str]:
    """The previous leaves and the leaf of an event, in hexadecimal."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT previous, leaf FROM audit_event WHERE id = %s",
            [event.pk],
        )
        return cursor.fetchone()


@pytest.fixture
def three(db) -> list[Event]:
    """Three events about one thing, one about another between them."""
    thing, other = factories.FamilyFactory(), factories.FamilyFactory()
    events = [record("thing.happened", f"Time {number}", thing, by=None) for number in range(2)]
    record("thing.happened", "Elsewhere", other, thing, by=None)
    return [*events, record("thing.happened", "Time 2", thing, by=None)]


def tamper(sql: str, *parameters: object) -> None:
    """As somebody who may do anything with the database: the triggers are off meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_event DISABLE TRIGGER USER")
        cursor.execute(sql, parameters)
        connection.check_constraints()
        cursor.execute("ALTER TABLE audit_event ENABLE TRIGGER USER")


@pytest.fixture
def three_of_the_owner(db):
    with as_owner():
        connection.check_constraints()  # or PostgreSQL puts off the ALTER for another reason
        thing, other = factories.FamilyFactory(), factories.FamilyFactory()
        events = [record("thing.happened", f"Time {number}", thing, by=None) for number in range(2)]
        record("thing.happened", "Elsewhere", other, by=None)
        events.append(record("thing.happened", "Time 2", thing, by=None, detail={"tokens": 5, "share": 0.25}))
        connection.check_constraints()
        yield events


# --- what is linked


def test_event_names_the_one_before_it_about_the_same_first_thing(three):
    first, second, third = three
    assert columns(first)[0] == []
    assert columns(second)[0] == [columns(first)[1]]
    assert columns(third)[0] == [columns(second)[1]]


def test_leaf_is_the_hash_of_a_zero_byte_and_the_canonical_event(ada):
    event = record(
        "thing.happened", "Ein „Ding“ \\ \t geschah", ada, by=None, whom=ada, detail={"b": [1, None], "a": "ü"}
    )
    event.refresh_from_db()
    said = (
        f'{{"about":["partners.user:{ada.pk}"],"at":"{event.at:%Y-%m-%dT%H:%M:%S.%fZ}","by":null,'
        f'"detail":{{"a":"ü","b":[1,null]}},"id":{event.pk},"kind":"thing.happened","previous":[],'
        f'"sentence":"Ein „Ding“ \\\\ \\t geschah","whom":{ada.pk}}}'
    )
    assert columns(event)[1] == hashlib.sha256(b"\0" + said.encode()).hexdigest()


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
numbers = st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False)
details = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(texts, parts, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(texts, details, max_size=4), texts)
def test_database_and_verifier_write_the_same_canonical_form(db, detail, sentence):
    with transaction.atomic():
        record("thing.happened", sentence, by=None, detail=detail)
        assert read().flaw is None
        transaction.set_rollback(True)


def test_canonical_form_is_that_of_rfc_8785_for_what_events_hold():
    assert canonical({"b": 1, "a": ["\u20ac", True, None, {"z": -5, "A": '\n"\\/\x0f'}]}) == (
        '{"a":["€",true,null,{"A":"\\n\\"\\\\/\\u000f","z":-5}],"b":1}'
    )


# --- what is found


TAMPERINGS = {
    "another sentence": "UPDATE audit_event SET sentence = 'It did not' WHERE id = {second}",
    "another person": "UPDATE audit_event SET by_id = (SELECT min(id) FROM partners_user) WHERE id = {second}",
    "another time": "UPDATE audit_event SET at = at - interval '1 microsecond' WHERE id = {second}",
    "another thing": "UPDATE audit_event SET about = ARRAY['partners.user:1'] WHERE id = {second}",
    "another detail": "UPDATE audit_event SET detail = '{{\"tokens\": 6}}' WHERE id = {second}",
    "another kind": "UPDATE audit_event SET kind = 'thing.unhappened' WHERE id = {second}",
    "another number": "UPDATE audit_event SET id = 999999999 WHERE id = {second}",
    "another predecessor": "UPDATE audit_event SET previous = '{{}}' WHERE id = {second}",
    "another leaf": "UPDATE audit_event SET leaf = 'x' WHERE id = {second}",
    "two exchanged": "UPDATE audit_event AS e SET sentence = o.sentence, at = o.at, leaf = o.leaf,"
    " previous = o.previous FROM audit_event AS o WHERE e.id IN ({second}, {third})"
    " AND o.id IN ({second}, {third}) AND o.id <> e.id",
    "the middle removed": "DELETE FROM audit_event WHERE id = {second}",
    "the first removed": "DELETE FROM audit_event WHERE id = {first}",
    "changed with a new leaf": "UPDATE audit_event AS e SET sentence = 'It did not', leaf = event_leaf((e.id, e.kind,"
    " 'It did not', e.at, e.about, e.detail, e.by_id, e.whom_id, e.xact, e.previous, e.leaf)::audit_event)"
    " WHERE id = {second}",
}
NAMED = {  # whom verify names; the second, unless another
    "another number": "renumbered", "the middle removed": "third", "changed with a new leaf": "third",
}  # fmt: skip


@pytest.mark.django_db(databases=["default", "owner"])
@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_event_that_was_tampered_with_is_named(tampering, ada_of_the_owner, three_of_the_owner):
    names = dict(zip(("first", "second", "third"), (event.pk for event in three_of_the_owner), strict=True))
    assert read().flaw is None
    tamper(TAMPERINGS[tampering].format(**names))
    flaw = read().flaw
    assert flaw is not None
    assert flaw.event == (names | {"renumbered": 999999999})[NAMED.get(tampering, "second")]


@pytest.fixture
def ada_of_the_owner(db):
    with as_owner():
        return factories.UserFactory()


@pytest.mark.django_db(databases=["default", "owner"])
def test_newest_event_can_be_removed_unseen_until_something_outside_is_kept(three_of_the_owner):
    """What the chain does not promise: witnesses are to keep its ends."""
    tamper("DELETE FROM audit_event WHERE id = %s", three_of_the_owner[-1].pk)
    assert read().flaw is None


def test_verify_book_says_how_many_fit_and_names_what_does_not(committed, capsys, monkeypatch):
    thing = factories.FamilyFactory()
    record("thing.happened", "It did", thing, by=None)
    call_command("verify_book")
    assert "every hash fits" in capsys.readouterr().out
    monkeypatch.setattr("release_portal.audit.chain.leaf_of", lambda row: "another")
    with pytest.raises(CommandError, match="is not what was written: its hash does not fit"):
        call_command("verify_book")
    assert verify().events > 0


# --- at the same moment


def test_two_events_about_one_thing_at_once_are_both_linked_and_neither_waits(committed, race):
    """Neither sees the other, so both follow the one before; the next follows both."""
    thing = factories.FamilyFactory()
    first = record("thing.happened", "First", thing, by=None)
    together = threading.Barrier(2)

    def one() -> Event:
        with transaction.atomic():
            event = record("thing.happened", "At once", thing, by=None)
            together.wait(PATIENCE)  # both are written, neither is committed
            return event

    both = race(one, one)
    assert [columns(event)[0] for event in both] == [[columns(first)[1]]] * 2
    last = record("thing.happened", "Last", thing, by=None)
    assert sorted(columns(last)[0]) == sorted(columns(event)[1] for event in both)
    assert verify().flaw is None


def test_two_acts_on_two_things_in_two_orders_do_not_wait_for_each_other(committed, race):
    here, there = factories.FamilyFactory(), factories.FamilyFactory()
    together = threading.Barrier(2)

    def one(*things):
        def act():
            with transaction.atomic():
                record("thing.happened", "One", things[0], by=None)
                together.wait(PATIENCE)
                record("thing.happened", "Two", things[1], by=None)

        return act

    assert race(one(here, there), one(there, here)) == [None, None]
    assert verify().flaw is None


def test_event_that_another_overtook_is_linked_by_the_next(committed, race):
    """The one with the lower number commits last."""
    thing = factories.FamilyFactory()
    written, overtaken = threading.Event(), threading.Event()

    def slow():
        with transaction.atomic():
            event = record("thing.happened", "Slow", thing, by=None)
            written.set()
            assert overtaken.wait(PATIENCE)
            return event

    def fast():
        assert written.wait(PATIENCE)
        events = [record("thing.happened", f"Fast {number}", thing, by=None) for number in range(5)]
        overtaken.set()
        return events[-1]

    late, newest = race(slow, fast)
    last = record("thing.happened", "Last", thing, by=None)
    assert sorted(columns(last)[0]) == sorted([columns(late)[1], columns(newest)[1]])
