"""A query that is written and planned once, and asked many times with other parameters.

Django writes the SQL of a query each time, and PostgreSQL plans it each time; for one with hundreds of expressions both
take far longer than the answer. `PREPARED_QUERIES=0` leaves the planning to each time: PREPARE belongs to a connection,
so it fails behind a pooler that gives each transaction another one.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from django.conf import settings
from django.db import connection
from django.db.models import Field, Lookup, QuerySet, Value
from psycopg.adapt import Dumper

_known: WeakKeyDictionary[Any, set[str]] = WeakKeyDictionary()
"""By connection to the server: the names of what was prepared on it, which it forgets when the connection ends."""


class Parameter(Value):
    """In a query, the value of that name: it is given each time that the query is asked."""

    def __init__(self, name: str, output_field: Field[Any, Any]) -> None:
        super().__init__(name, output_field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "%s", [self]


Moment: TypeAlias = datetime | Parameter
Number: TypeAlias = int | Parameter
"""What a queryset takes that is asked by itself and as a part of prepared queries."""


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


@dataclass(frozen=True)
class Prepared:
    """The SQL of a query, and what it is filled with: constants, and each `Parameter` wherever it stands."""

    sql: str
    filling: tuple[Any, ...]

    @classmethod
    def of(cls, rows: QuerySet[Any, Any]) -> "Prepared":
        """Write the SQL of a query of `.values()`."""
        sql, filling = rows.query.get_compiler(connection=connection).as_sql()
        return cls(sql, tuple(filling))

    def row(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The first row. Raises LookupError."""
        for row in self.rows(values):
            return row
        raise LookupError(f"There is no row for {values}.")

    def rows(self, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The rows, by the names of their columns. `values` has a value for each parameter, and no other."""
        if wrong := values.keys() ^ self._types.keys():
            raise ValueError(f"The query asks for {', '.join(self._types)}; {', '.join(sorted(wrong))} does not fit.")
        with connection.cursor() as cursor:
            if settings.PREPARED_QUERIES:
                self._prepare(cursor.cursor)
                places = ", ".join(["%s"] * len(self._types))
                cursor.execute(f"EXECUTE {self._name} ({places})", [values[name] for name in self._types])
            else:
                cursor.execute(self.sql, list(self._filled(values)))
            columns = [column.name for column in cursor.description]
            return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]

    @cached_property
    def _types(self) -> dict[str, str | None]:
        """Of each parameter, as PostgreSQL names it, in the order in which they first stand in the query."""
        parameters = [part for part in self.filling if isinstance(part, Parameter)]
        return {one.name: one.output_field.db_type(connection) for one in parameters}

    @cached_property
    def _name(self) -> str:
        return "prepared_" + hashlib.sha256(f"{self.sql} {self.filling}".encode()).hexdigest()[:24]

    def _filled(self, values: Mapping[str, Any]) -> Iterator[Any]:
        return (values[part.name] if isinstance(part, Parameter) else part for part in self.filling)

    def _prepare(self, cursor: Any) -> None:
        """Have the server plan the query where this connection has not: all but its parameters as constants, for a plan
        can use an index over some of the rows only where it knows that the query asks for no other."""
        known = _known.setdefault(connection.connection, set())
        if self._name in known:
            return
        cursor.adapters.register_dumper(Place, PlaceDumper)
        places = {name: Place(number) for number, name in enumerate(self._types, start=1)}
        query = cursor.mogrify(self.sql, list(self._filled(places)))
        cursor.execute(f"PREPARE {self._name} ({', '.join(map(str, self._types.values()))}) AS {query}")
        known.add(self._name)
