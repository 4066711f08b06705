"""A query that is written and planned once, and asked many times with other parameters.

Django writes the SQL of a query each time, and PostgreSQL plans it each time; for one with hundreds of expressions both
take far longer than the answer.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

from django.db import connection
from django.db.backends.signals import connection_created
from django.db.models import Lookup, QuerySet
from django.dispatch import receiver
from psycopg.adapt import Dumper

_known: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()
"""By connection to the server: the names of what was prepared on it, which it forgets when the connection ends."""


class AnyOf(Lookup[Any]):
    """`AnyOf(F("pk"), [...])`: whether it is one of the values, which the query takes as one parameter."""

    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        left, of_left = self.process_lhs(compiler, connection)
        right, of_right = self.process_rhs(compiler, connection)
        return f"{left} = ANY({right})", (*of_left, *of_right)


@dataclass(frozen=True)
class Place:
    """Where a prepared query takes its parameter of that number."""

    number: int


class PlaceDumper(Dumper):
    """Writes places as PostgreSQL does: $1."""

    def dump(self, obj: Place) -> bytes:
        return f"${obj.number}".encode()

    def quote(self, obj: Place) -> bytes:
        return self.dump(obj)


@receiver(connection_created)
def plan_once(connection: Any, **_: Any) -> None:
    """Have the server plan what is prepared once, for all values, and not again at each of the first five times."""
    with connection.cursor() as cursor:
        cursor.execute("SET plan_cache_mode = force_generic_plan")


@dataclass(frozen=True)
class Prepared:
    """The SQL of a query, and its parameters; marks among them stand for values given when it runs."""

    sql: str
    parameters: tuple[Any, ...]
    marks: Mapping[str, Any]

    @classmethod
    def of(cls, rows: QuerySet[Any, Any], marks: Mapping[str, Any]) -> "Prepared":
        """Write the SQL of a query of `.values()` that was built with the marks in place of the values.

        A mark is a value of the parameter's own type that the query has for nothing else.
        """
        sql, parameters = rows.query.get_compiler(connection=connection).as_sql()
        if missing := [name for name, mark in marks.items() if mark not in parameters]:
            raise ValueError(f"The query never asks for {', '.join(missing)}.")
        return cls(sql, tuple(parameters), marks)

    def row(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The first row. Raises LookupError."""
        for row in self.rows(values):
            return row
        raise LookupError(f"There is no row for {values}.")

    def rows(self, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The rows, by the names of their columns. `values` gives a value for each mark."""
        with connection.cursor() as cursor:
            self._prepare(cursor.cursor)
            places = ", ".join(["%s"] * len(self.marks))
            cursor.execute(f"EXECUTE {self._name} ({places})", [values[name] for name in self.marks])
            names = [column.name for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    @cached_property
    def _name(self) -> str:
        return "prepared_" + hashlib.sha256(f"{self.sql} {self.parameters}".encode()).hexdigest()[:24]

    def _prepare(self, cursor: Any) -> None:
        """Have the server plan the query where this connection has not: all but the marks as constants, for a plan can
        use an index over some of the rows only where it knows that the query asks for no other."""
        known = _known.setdefault(connection.connection, set())
        if self._name in known:
            return
        cursor.adapters.register_dumper(Place, PlaceDumper)
        places = [(mark, Place(number)) for number, mark in enumerate(self.marks.values(), start=1)]
        query = cursor.mogrify(self.sql, [_filled(parameter, places) for parameter in self.parameters])
        cursor.execute(f"PREPARE {self._name} AS {query}")
        known.add(self._name)


def _filled(parameter: Any, values: list[tuple[Any, Any]]) -> Any:
    """The value in the place of a mark; Django may have made the mark a type of the driver's, such as Int8."""
    return next((value for mark, value in values if isinstance(parameter, type(mark)) and parameter == mark), parameter)
