"""A job's texts as files, row by row, so that 50,000 take no more memory than one."""

import csv
import json
from collections.abc import AsyncIterator
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
