"""Parts of the file of a job that has ended (RFC 9110, 14). The file is the same each time, so that a download that was
cut off can go on where it stopped; and where its lines begin is counted once, so that a part costs its own rows alone.
"""

import re
from bisect import bisect_right
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from django.db import transaction

from .downloads import LAYOUT, File, lines_of, row_of
from .models import FileIndex, Job

LONGEST_OFFSET = 18  # digits; a place with more of them is beyond every file


@dataclass(frozen=True)
class ByteRange:
    """What a request asks for: from a byte on, to another, or the last ones."""

    first: int | None
    last: int | None

    def within(self, length: int) -> tuple[int, int] | None:
        """The first and the last byte of a file of this length, None where it has none of them."""
        if self.first is None:
            first, last = max(0, length - (self.last or 0)), length - 1
        else:
            first, last = self.first, length - 1 if self.last is None else min(self.last, length - 1)
        return (first, last) if first <= last else None


def etag_of(job: Job, file: File) -> str:
    """Names the file that the texts of an ended job make."""
    return f'"{job.pk}-{job.texts_done}-{file.extension}{LAYOUT}"'


def wanted_bytes(headers: Mapping[str, str], etag: str) -> ByteRange | None:
    """What a request asks for; None where it wants the whole file or a part of another one.

    Several ranges at once, and what is no range, are answered with the whole file, as a server may.
    """
    if headers.get("If-Range", etag) != etag:
        return None
    found = re.fullmatch(r"bytes=([0-9]*)-([0-9]*)", headers.get("Range", ""), re.IGNORECASE)
    if found is None or not any(found.groups()):
        return None
    first, last = (_offset(digits) for digits in found.groups())
    return None if first is not None and last is not None and last < first else ByteRange(first, last)


def _offset(digits: str) -> int | None:
    if not digits:
        return None
    significant = digits.lstrip("0") or "0"
    return int(significant) if len(significant) <= LONGEST_OFFSET else 10**LONGEST_OFFSET


def index_of(job: Job, file: File) -> FileIndex:
    """Where the lines of the file of an ended job begin, counted for the first who asks for a part of it."""
    index, _ = FileIndex.objects.get_or_create(job=job, etag=etag_of(job, file))
    return index if index.length is not None else _counted(index, file)


def _counted(index: FileIndex, file: File) -> FileIndex:
    """Who asks meanwhile waits for the lock of the row, and finds it counted."""
    with transaction.atomic():
        index = FileIndex.objects.select_for_update(of=("self",)).select_related("job").get(pk=index.pk)
        if index.length is None:
            index.starts, index.length = _count(index.job, file)
            index.save(update_fields=["starts", "length"])
    return index


def _count(job: Job, file: File) -> tuple[list[int], int]:
    """The byte at which each block of rows begins, and how many bytes the file has."""
    starts, length = [0], len(file.first_line.encode())
    for completion in job.completions.finished().iterator(chunk_size=500):
        while len(starts) <= completion.index // FileIndex.ROWS:
            starts.append(length)
        length += len(file.line_of(row_of(completion)).encode())
    return starts, length


async def part_of(job: Job, file: File, starts: list[int], first: int, last: int) -> AsyncIterator[bytes]:
    """The bytes of a file from `first` to `last`, which is included, out of the blocks that hold them."""
    block, after = bisect_right(starts, first) - 1, bisect_right(starts, last)
    at = starts[block]
    async for line in lines_of(job, file, since=block * FileIndex.ROWS, until=after * FileIndex.ROWS):
        content = line.encode()
        if part := content[max(0, first - at) : max(0, last + 1 - at)]:
            yield part
        at += len(content)
