"""Fixtures that are made once: the rows that they wrote are copied into every later test that comes the same way.

The cast's path to a grant takes some two hundred statements, and most tests begin with it. A remembered fixture writes
by the verbs the first time. In a later test in which the same fixtures ran before it, in the same order and with
nothing else written, its rows are put back as they were, and its people and organisations are as the verbs left them.
"""

import functools
import io
import json
import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import connection, models
from django.utils import timezone

from release_portal.audit.acting import SETTING

READS = ("SELECT", "SAVEPOINT", "RELEASE SAVEPOINT", "SET CONSTRAINTS")
TABLES = """
SELECT c.relname, (
    SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = c.oid AND i.indisprimary
), (
    SELECT array_agg(a.attname::text) FROM pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
) FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND c.relname NOT LIKE 'django_%'
"""
Rows = dict[tuple[str, str], str]
"""The JSON of each row by its table and primary key."""


@dataclass
class Made:
    """What a fixture left: rows as statements, what it gave back and how its arguments were then."""

    sql: str
    objects: bytes


class Memory:
    """What was made in this process, by the fixtures that led there."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, ...], Made] = {}
        self._tables: list[tuple[str, str, list[str]]] = []
        self.begin()

    def begin(self) -> None:
        """A test begins: nothing is there yet."""
        self._path: tuple[str, ...] | None = ()
        self._objects: dict[str, Any] = {}
        self._rows: Rows | None = None
        self._at_work = False

    def forget(self) -> None:
        """Other rows stay in the database from now on."""
        self._made.clear()

    def watch(self, execute: Callable, sql: Any, params: Any, many: bool, context: dict) -> Any:
        """After any other statement that writes, the rest of the test is made by the verbs."""
        if not self._at_work and not str(sql).lstrip("( \n").startswith(READS):
            self._path = None
        return execute(sql, params, many, context)

    def fixture(self, name: str, make: Callable, arguments: dict[str, Any]) -> Any:
        """Make it, or put it back."""
        if self.watch not in connection.execute_wrappers:
            connection.execute_wrappers.append(self.watch)
        if self._path is None or not connection.in_atomic_block or not _clock_is_right():
            self._path = None
            return make(**arguments)
        path = (*self._path, name)
        if path in self._made:
            result = self._put_back(self._made[path], arguments)
        else:
            result = self._make(path, make, arguments)
        self._path, self._objects[name] = path, result
        return result

    def _make(self, path: tuple[str, ...], make: Callable, arguments: dict[str, Any]) -> Any:
        before = self._rows if self._rows is not None else self._all_rows()
        self._at_work = True
        try:
            result = make(**arguments)
        finally:
            self._at_work = False
        self._rows = self._all_rows()
        states = {name: vars(each) for name, each in arguments.items() if isinstance(each, models.Model)}
        self._made[path] = Made(self._statements(before, self._rows), self._pickled((result, states)))
        return result

    def _put_back(self, made: Made, arguments: dict[str, Any]) -> Any:
        self._rows = None
        if made.sql:
            with connection.connection.cursor() as cursor:
                cursor.execute(made.sql)
        result, states = self._unpickled(made.objects)
        for name, state in states.items():
            vars(arguments[name]).clear()
            vars(arguments[name]).update(state)
        return result

    def _all_rows(self) -> Rows:
        with connection.connection.cursor() as cursor:
            if not self._tables:
                cursor.execute(TABLES)
                self._tables = cursor.fetchall()
            each = (f"SELECT '{table}', {key}::text, to_jsonb(t) FROM {table} t" for table, key, _ in self._tables)
            cursor.execute(" UNION ALL ".join(each))
            return {(table, key): row for table, key, row in cursor.fetchall()}

    def _statements(self, before: Rows, after: Rows) -> str:
        assert before.keys() <= after.keys(), "a remembered fixture deletes nothing"
        shapes = {table: (key, columns) for table, key, columns in self._tables}
        changed = [(place, row) for place, row in after.items() if before.get(place) != row]
        return ";".join(
            self._acting(place[0], row) + self._statement(place[0], *shapes[place[0]], before.get(place), row)
            for place, row in changed
        )

    def _acting(self, table: str, row: str) -> str:
        """An event is put back by the person who left it."""
        if table not in ("audit_event", "audit_securityevent"):
            return ""
        return f"SELECT set_config('{SETTING}', '{json.loads(row)['by_id'] or ''}', true);"

    def _statement(self, table: str, key: str, columns: list[str], old: str | None, row: str) -> str:
        was, now = json.loads(old or "{}"), json.loads(row)
        changed = ", ".join(f'"{name}"' for name in columns if not old or was[name] != now[name])
        with connection.connection.cursor() as cursor:
            there = cursor.mogrify(f"jsonb_populate_record(NULL::{table}, %s)", [row])
        if not old:
            return f"INSERT INTO {table} ({changed}) SELECT {changed} FROM {there}"
        values = f"SELECT {changed} FROM {there}"
        return f"UPDATE {table} t SET ({changed}) = ({values}) FROM {there} r WHERE t.{key} = r.{key}"

    def _pickled(self, value: Any) -> bytes:
        names = {id(each): name for name, each in self._objects.items()}
        stream = io.BytesIO()
        pickler = pickle.Pickler(stream)
        pickler.persistent_id = lambda each: names.get(id(each))
        pickler.dump(value)
        return stream.getvalue()

    def _unpickled(self, pickled: bytes) -> Any:
        unpickler = pickle.Unpickler(io.BytesIO(pickled))
        unpickler.persistent_load = self._objects.__getitem__
        return unpickler.load()


def _clock_is_right() -> bool:
    """Some tests set the clock: what is made then has times of then."""
    return abs(timezone.now().timestamp() - time.time()) < 60


memory = Memory()


def remembered(make: Callable) -> Callable:
    """A fixture whose rows are made once."""

    @functools.wraps(make)
    def fixture(**arguments: Any) -> Any:
        return memory.fixture(make.__qualname__, make, arguments)

    return fixture
