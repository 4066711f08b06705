"""Rows into a table by PostgreSQL's COPY, as they come: a million take no more memory than one."""

from collections.abc import Iterable, Sequence

from django.db import connection


def copy(table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Add the rows; raises what `rows` raises."""
    with connection.cursor() as cursor, cursor.cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as target:
        for row in rows:
            target.write_row(row)
