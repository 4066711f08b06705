"""Admission: what it costs to take a large file of prompts, beside PostgreSQL's own way of taking rows."""

import io
import json
import time
import uuid
from pathlib import Path
from typing import Any

from tests.bench import model
from tests.bench.portal import Client, running
from tests.bench.rounds import interleaved

LINES = 50_000
ROUNDS = 3
FIRST_ID = 10**12
"""Far above what the sequence of prompts gives out."""
MIB = 2**20


def admission(home: Path) -> dict[str, Any]:
    """A .jsonl file of 50,000 prompts of W1's kind over HTTP until the 201, beside COPY of its rows.

    `portal_s` is from sending the request, made up before, to its answer. `copy_s` is one transaction: a row of
    jobs_job, COPY of 50,000 rows each into jobs_prompt and jobs_completion, whose text was made up before, and commit.
    `web_rss_growth_mib` is what the web process held at its peak beyond what it held after a file of ten lines.
    """
    prompts = [model.as_text(prompt) for prompt in model.prompts(LINES)]
    with running(home) as client:
        send(client, prompts[:10])
        web = client.portal.processes["web"].pid
        before = memory_mib(web, "VmRSS")
        rounds = {"portal": lambda: send(client, prompts), "copy": lambda: copy(prompts)}
        seconds = interleaved(rounds, ROUNDS, unit="s")
        growth = memory_mib(web, "VmHWM") - before
    return {
        "portal_s": seconds["portal"],
        "copy_s": seconds["copy"],
        "portal_to_copy": seconds["portal"] / seconds["copy"],
        "file_mib": len(as_file(prompts)) / MIB,
        "web_rss_growth_mib": growth,
    }


def send(client: Client, prompts: list[str]) -> float:
    """Submit a file, cancel its job; returns the seconds from sending to the answer."""
    settings = {"size": model.SIZE, "max_new_tokens": "16"}
    files = {"file": ("prompts.jsonl", as_file(prompts))}
    request = client.prepare("POST", "/jobs/from-file", data=settings, files=files)
    start = time.perf_counter()
    job = client.send(request)
    seconds = time.perf_counter() - start
    assert job["texts"] == len(prompts)
    client.call("POST", f"/jobs/{job['id']}/cancel")
    return seconds


def copy(prompts: list[str]) -> float:
    """Copy the rows of such a job, cancelled from the start; returns the seconds until they are committed."""
    from django.db import connection, transaction

    from release_portal.jobs.models import Job

    job = Job.objects.filter(sequences=len(prompts)).latest("submitted_at")
    job.pk, job.idempotency_key = uuid.uuid4(), uuid.uuid4().hex
    first = FIRST_ID + LINES * Job.objects.filter(sequences=len(prompts)).count()
    rows_of_prompts = as_rows((first + index, job.pk, index, prompt) for index, prompt in enumerate(prompts))
    rows_of_texts = as_rows((job.pk, first + index, index, "", "", "", 0) for index in range(len(prompts)))
    start = time.perf_counter()
    with transaction.atomic(), connection.cursor() as cursor:
        job.save(force_insert=True)
        cursor.copy_expert("COPY jobs_prompt (id, job_id, index, text) FROM STDIN", rows_of_prompts)
        columns = "job_id, prompt_id, index, text, finish_reason, error, attempts"
        cursor.copy_expert(f"COPY jobs_completion ({columns}) FROM STDIN", rows_of_texts)
    return time.perf_counter() - start


def as_file(prompts: list[str]) -> bytes:
    """The prompts as a .jsonl file."""
    return "".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts).encode()


def as_rows(rows: Any) -> io.BytesIO:
    """Rows as COPY reads them; none holds what would have to be escaped."""
    return io.BytesIO("".join("\t".join(map(str, row)) + "\n" for row in rows).encode())


def memory_mib(process: int, field: str) -> float:
    """What /proc says about a process's memory: VmRSS what it holds, VmHWM the most it ever held."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field + ":")) / 1024
