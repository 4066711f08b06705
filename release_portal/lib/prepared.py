"""A query that is written once and asked many times with other parameters.

Django writes the SQL of a query anew each time; of one with hundreds of expressions that takes far longer than
PostgreSQL takes to answer it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import QuerySet


@dataclass(frozen=True)
class Prepared:
    """The SQL of a query, and its parameters, some of which are marks that stand for what is told when it is asked."""

    sql: str
    parameters: tuple[Any, ...]
    marks: Mapping[str, Any]

    @classmethod
    def of(cls, rows: QuerySet[Any, Any], marks: Mapping[str, Any]) -> "Prepared":
        """Write the SQL of a query of `.values()` that was built with the marks in place of what will be told.

        A mark is a value of the parameter's own type that the query has for nothing else.
        """
        sql, parameters = rows.query.get_compiler(connection=connection).as_sql()
        if missing := [name for name, mark in marks.items() if mark not in parameters]:
            raise ValueError(f"The query never asks for {', '.join(missing)}.")
        return cls(sql, tuple(parameters), marks)

    def row(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """The first row, by the names of its columns. `told` gives a value for each mark. Raises LookupError."""
        values = [(mark, told[name]) for name, mark in self.marks.items()]
        with connection.cursor() as cursor:
            cursor.execute(self.sql, [_filled(parameter, values) for parameter in self.parameters])
            names, row = [column.name for column in cursor.description], cursor.fetchone()
        if row is None:
            raise LookupError(f"There is no row for {told}.")
        return dict(zip(names, row, strict=True))


def _filled(parameter: Any, values: list[tuple[Any, Any]]) -> Any:
    return next((value for mark, value in values if type(parameter) is type(mark) and parameter == mark), parameter)
