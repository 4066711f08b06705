"""What a remembered fixture puts back is what it made."""

import json
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from release_portal.partners import actions as partners
from release_portal.partners.models import Partner, User

from . import factories
from .remembered import Memory


def make_zoe() -> User:
    return factories.UserFactory(name="Zoe", email="zoe@elsewhere.example")


def apply(zoe: User, application) -> Partner:
    return partners.apply(by=zoe, **application())


def admit(applied: Partner, by: User) -> Partner:
    partners.admit(by=by, partner=applied)
    return applied


def comparable(row: str) -> dict:
    """A row without what PostgreSQL gives to each event."""
    return {name: value for name, value in json.loads(row).items() if name not in ("xact", "previous", "leaf", "at")}


@pytest.fixture
def story(db, rita, application):
    """Zoe applies and is admitted, each step by a memory, and it is undone; what was made, and what there was."""

    def of(memory: Memory, between=lambda: None):
        made = []

        def step(name, make, **arguments):
            return memory.fixture(name, lambda **named: (made.append(name), make(**named))[1], arguments)

        memory.begin()
        with transaction.atomic():
            zoe = step("zoe", make_zoe)
            applied = step("applied", apply, zoe=zoe, application=application)
            between()
            admitted = step("admitted", admit, applied=applied, by=rita)
            rows = {place: comparable(row) for place, row in memory._all_rows().items()}
            transaction.set_rollback(True)
        return made, rows, (zoe, applied, admitted)

    return of


def test_rows_and_people_are_put_back_as_they_were_made(story):
    memory = Memory()
    made, rows, _ = story(memory)
    again, same, (zoe, applied, admitted) = story(memory)
    assert (made, again) == (["zoe", "applied", "admitted"], [])
    assert same == rows
    assert (admitted.status, admitted.applied_by.name) == ("admitted", "Zoe")
    assert admitted is applied
    assert applied.applied_by is zoe


def test_what_comes_after_another_write_is_made_by_the_verbs(story):
    memory = Memory()
    story(memory)
    made, _, (_, _, admitted) = story(memory, between=factories.UserFactory)
    assert made == ["admitted"]
    assert admitted.status == "admitted"


def test_what_is_made_under_another_clock_is_not_remembered(story, monkeypatch):
    memory, now = Memory(), timezone.now
    monkeypatch.setattr(timezone, "now", lambda: now() + timedelta(days=30))
    story(memory)
    monkeypatch.setattr(timezone, "now", now)
    made, _, (_, applied, _) = story(memory)
    assert made == ["zoe", "applied", "admitted"]
    assert applied.admitted_at <= timezone.now()


def test_nothing_is_put_back_once_other_rows_stay(story):
    memory = Memory()
    story(memory)
    memory.forget()
    assert story(memory)[0] == ["zoe", "applied", "admitted"]
