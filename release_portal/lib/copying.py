"""Rows into a table by PostgreSQL's COPY, as they come: a million take no more memory than one."""

from collections.abc import Iterable, Iterator, Sequence

import psycopg2
from django.db import connection

ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
"""What COPY's text format reads as something else."""


class Lines:
    """The rows as a file that COPY reads. An error on the way is kept, since the driver tells only its words."""

    def __init__(self, rows: Iterable[Sequence[object]]) -> None:
        self._rows: Iterator[Sequence[object]] = iter(rows)
        self._read = b""
        self.error: Exception | None = None

    def read(self, size: int) -> bytes:
        """At most `size` bytes of what is left."""
        lines, length = [self._read], len(self._read)
        try:
            while length < size and (row := next(self._rows, None)) is not None:
                lines.append(("\t".join(str(value).translate(ESCAPES) for value in row) + "\n").encode())
                length += len(lines[-1])
        except Exception as error:
            self.error = error
            raise
        read = b"".join(lines)
        self._read = read[size:]
        return read[:size]


def copy(table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Add the rows, none of whose values is empty in the sense of NULL; raises what `rows` raises."""
    lines = Lines(rows)
    try:
        with connection.cursor() as cursor:
            cursor.cursor.copy_expert(f"COPY {table} ({', '.join(columns)}) FROM STDIN", lines, size=2**16)
    except psycopg2.Error:
        if lines.error:
            raise lines.error from None
        raise
