"""A job's texts as files, row by row, so that 50,000 take no more memory than one."""

import csv
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from asgiref.sync import sync_to_async
from django.db import connection

from .models import Completion, Job

COLUMNS = ["prompt_number", "sample", "prompt", "text", "tokens", "prompt_tokens", "finish_reason", "error", "fields"]
RUN = re.compile(r"\A(?=[=+\-@＝＋－＠\t\r\n])|(?<=[;\t\r\n])(?=[=+\-@＝＋－＠])")
"""The places where a spreadsheet would begin a formula (OWASP, CSV injection): also within a text, since one that
separates cells by semicolons or tabs begins a cell there."""
BOM = "\ufeff"
ROWS_PER_PAGE = 500
LAYOUT = 2  # raised whenever a line is written otherwise: parts of two layouts make no file


@dataclass(frozen=True)
class File:
    """A format of the texts: what stands first, and the line of a row."""

    extension: str
    content_type: str
    first_line: str
    line_of: Callable[[Mapping[str, Any]], str]


class _Line:
    """A file for csv.writer that hands each line back."""

    def write(self, line: str) -> str:
        return line


def _csv_line(row: Mapping[str, Any], quoting: Literal[0, 1] = csv.QUOTE_MINIMAL) -> str:
    line: str = csv.DictWriter(_Line(), COLUMNS, quoting=quoting).writerow(_cells(row))
    return line


def _cells(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with its fields as JSON."""
    fields = row["fields"]
    return {**row, "fields": json.dumps(fields, ensure_ascii=False) if isinstance(fields, dict) else fields}


def _spreadsheet_line(row: Mapping[str, Any]) -> str:
    cells = {name: RUN.sub("'", cell) if isinstance(cell, str) else cell for name, cell in _cells(row).items()}
    return _csv_line(cells, csv.QUOTE_ALL)


def _json_line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


JSONL = File("jsonl", "application/jsonl; charset=utf-8", "", _json_line)
CSV = File("csv", "text/csv; charset=utf-8", _csv_line({name: name for name in COLUMNS}), _csv_line)
SPREADSHEET = File("spreadsheet.csv", CSV.content_type, f"{BOM}{CSV.first_line}", _spreadsheet_line)
"""For programs that run what begins like a formula, and that read UTF-8 only after a byte order mark."""


def row_of(completion: Completion) -> dict[str, Any]:
    return {
        "prompt_number": completion.prompt.index + 1,
        "sample": completion.sample,
        "prompt": completion.prompt.text,
        "text": completion.text,
        "tokens": completion.tokens,
        "prompt_tokens": completion.prompt_tokens,
        "finish_reason": completion.finish_reason,
        "error": completion.error,
        "fields": completion.prompt.fields,
    }


async def lines_of(job: Job, file: File, *, since: int = 0, until: int | None = None) -> AsyncIterator[str]:
    """One line per finished text, in the order of the job; those from one place of the job up to another, left out."""
    if not since:
        yield file.first_line
    is_last = False
    while not is_last:
        page = await _page(job, since, until)
        for completion in page:
            yield file.line_of(row_of(completion))
            since = completion.index + 1
        is_last = len(page) < ROWS_PER_PAGE


@sync_to_async
def _page(job: Job, since: int, until: int | None) -> list[Completion]:
    """The next finished texts. Who reads them slowly holds no connection to the database meanwhile."""
    finished = job.completions.finished().filter(index__gte=since)
    if until is not None:
        finished = finished.filter(index__lt=until)
    page = list(finished[:ROWS_PER_PAGE])
    if not connection.in_atomic_block:
        connection.close()
    return page
