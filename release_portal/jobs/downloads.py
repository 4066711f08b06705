"""A job's texts as files, row by row, so that 50,000 take no more memory than one; and parts of such files.

The file of a job that has ended is the same each time, so a download that was cut off can go on where it stopped
(RFC 9110, 14: byte ranges).
"""

import csv
import json
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

from .models import Job

COLUMNS = ["prompt_number", "sample", "prompt", "text", "tokens", "prompt_tokens", "finish_reason", "error"]


async def rows_of(job: Job) -> AsyncIterator[dict[str, Any]]:
    """One row per finished text, in the order of the job."""
    async for completion in job.completions.finished().aiterator(chunk_size=500):
        yield {
            "prompt_number": completion.prompt.index + 1,
            "sample": completion.sample,
            "prompt": completion.prompt.text,
            "text": completion.text,
            "tokens": completion.tokens,
            "prompt_tokens": completion.prompt_tokens,
            "finish_reason": completion.finish_reason,
            "error": completion.error,
        }


async def as_jsonl(job: Job) -> AsyncIterator[str]:
    async for row in rows_of(job):
        yield json.dumps(row, ensure_ascii=False) + "\n"


class _Line:
    """A file for csv.writer that hands each line back."""

    def write(self, line: str) -> str:
        return line


async def as_csv(job: Job) -> AsyncIterator[str]:
    writer = csv.DictWriter(_Line(), COLUMNS)
    yield writer.writeheader()
    async for row in rows_of(job):
        yield writer.writerow(row)


def etag_of(job: Job) -> str:
    """Names the file that the texts of an ended job make."""
    return f'"{job.pk}-{job.texts_done}"'


def wanted_bytes(headers: Mapping[str, str], etag: str) -> tuple[int, int | None] | None:
    """First and last byte that a request asks for, None where it wants the whole file, or a part of another one."""
    if headers.get("If-Range", etag) != etag:
        return None
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", headers.get("Range", ""))
    return (int(found[1]), int(found[2]) if found[2] else None) if found else None


async def length_of(lines: AsyncIterator[str]) -> int:
    """Bytes of the whole file."""
    length = 0
    async for line in lines:
        length += len(line.encode())
    return length


async def part_of(lines: AsyncIterator[str], first: int, last: int) -> AsyncIterator[bytes]:
    """The bytes of a file from `first` to `last`, which is included."""
    at = 0
    async for line in lines:
        content = line.encode()
        if part := content[max(0, first - at) : max(0, last + 1 - at)]:
            yield part
        at += len(content)
        if at > last:
            return
