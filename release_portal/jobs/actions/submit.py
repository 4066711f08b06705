"""Taking a job: everything is checked, the quota set aside, and the job durable before the answer.

Prompts are read once, as they come, on their way into the table: a file of 50,000 takes no more memory than one prompt.
"""

import hashlib
import json
import secrets
from collections.abc import Iterable, Iterator
from typing import Any, Unpack
from uuid import uuid4

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from agreements.models import Agreement
from release_portal.access.actions import reserve
from release_portal.access.models import Grant
from release_portal.access.rule import decide
from release_portal.audit.actions import record
from release_portal.lib.broker import send_task_on_commit
from release_portal.lib.copying import copy
from release_portal.lib.states import Refused
from release_portal.lib.text import one_line
from release_portal.partners.guards import require
from release_portal.partners.models import Partner, User
from release_portal.partners.permissions import Permission
from release_portal.releases.models import ModelSize

from ..limits import (
    LONGEST_KEY,
    LONGEST_NAME,
    LONGEST_SEED,
    GivenPrompt,
    Settings,
    check_sequences,
    check_text,
    checked_prompts,
    read_settings,
)
from ..models import Job, Share

COMPLETIONS = """
INSERT INTO jobs_completion (job_id, prompt_id, index, text, finish_reason, error, attempts)
SELECT job_id, id, index * %(samples)s + sample, '', '', '', 0
FROM jobs_prompt, generate_series(0, %(samples)s - 1) AS sample WHERE job_id = %(job)s ORDER BY index, sample
"""


class Asked:
    """What somebody asks for: the prompts, read once, and the settings; with the fingerprint of it all."""

    def __init__(self, prompts: Iterable[str | GivenPrompt], about: dict[str, Any]) -> None:
        self._prompts = checked_prompts(prompts)
        self._hash = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
        self.count = 0

    def __iter__(self) -> Iterator[GivenPrompt]:
        for prompt in self._prompts:
            content = prompt.text.encode()
            self._hash.update(b"%d:" % len(content) + content)
            if prompt.fields:
                self._hash.update(json.dumps(prompt.fields, sort_keys=True).encode())
            self.count += 1
            yield prompt

    @property
    def sha256(self) -> str:
        """Of everything; reads what is left to read."""
        for _ in self:
            pass
        return self._hash.hexdigest()


def submit(
    *,
    by: User,
    partner: Partner,
    size: ModelSize,
    prompts: Iterable[str | GivenPrompt],
    name: str = "",
    purpose: str = "",
    idempotency_key: str | None = None,
    **settings: Unpack[Settings],
) -> Job:
    """Submit a generation job. `settings` are those of LIMITS; one that is left out or None has its default, and a seed
    is drawn, and kept with the job. Without a purpose it is the first of the grant's.

    The same idempotency key from the same person returns the job that it made the first time, and is refused where
    anything else is asked for with it.
    """
    chosen = read_settings(settings)
    check_text("name", "The name of the job", "name", name, LONGEST_NAME)
    key = idempotency_key or secrets.token_urlsafe(16)
    check_text("idempotency_key", "The idempotency key", "key", key, LONGEST_KEY)
    about = chosen | {"partner": partner.pk, "size": size.pk, "purpose": purpose}
    asked = Asked(prompts, about)
    submitted = Job.objects.filter(submitted_by=by, idempotency_key=key)
    if earlier := submitted.first():
        return _same(earlier, asked)
    if chosen["seed"] is None:
        chosen |= {"seed": secrets.randbelow(LONGEST_SEED)}
    try:
        return _admit(by, partner, size, asked, chosen, one_line(name), purpose, key)
    except (IntegrityError, Refused):
        # A double click: the first one may have been admitted meanwhile, and have taken the last of the quota.
        if earlier := submitted.first():
            return _same(earlier, asked)
        raise


def _same(earlier: Job, asked: Asked) -> Job:
    """The job that was made with this key; raises Refused where it is not what is asked for now."""
    if earlier.content_sha256 not in ("", asked.sha256):
        raise Refused(
            f"This was sent before with other prompts or settings, and became the job “{earlier}”. To make a second "
            "job, send it with another idempotency key.",
            field="idempotency_key",
            given=earlier.idempotency_key,
        )
    return earlier


@transaction.atomic
def _admit(
    by: User,
    partner: Partner,
    size: ModelSize,
    asked: Asked,
    settings: dict[str, Any],
    name: str,
    purpose: str,
    key: str,
) -> Job:
    now = timezone.now()
    require(by, Permission.JOB_SUBMIT, partner)
    _grant_for(by, partner, size, 0, 0, purpose)  # before the file is read
    job = Job(id=uuid4(), name=name, partner=partner, size=size, submitted_by=by, submitted_at=now, **settings)
    # The reference to the job is checked when the transaction commits.
    rows = ((job.pk, index, prompt.text, json.dumps(prompt.fields)) for index, prompt in enumerate(asked))
    copy("jobs_prompt", ["job_id", "index", "text", "fields"], rows)
    check_sequences(asked.count, job.samples)
    job.prompts_count, job.sequences = asked.count, asked.count * job.samples
    tokens = job.sequences * job.max_new_tokens
    job.grant = _grant_for(by, partner, size, tokens, job.sequences, purpose)
    reserve(grant=job.grant, tokens=tokens, samples=job.sequences)
    _check_limits(job.grant, settings)
    job.agreement = Agreement.objects.in_force(at=now).filter(partner=partner).latest("starts_at")
    job.purpose = purpose or (job.grant.purposes[0] if job.grant.purposes else "")
    job.idempotency_key, job.content_sha256 = key, asked.sha256
    share = Share.objects.activate(partner=partner, size=size)
    job.save(force_insert=True)
    with connection.cursor() as cursor:
        cursor.execute(COMPLETIONS, {"job": job.pk, "samples": job.samples})
    detail = {"prompts": job.prompts_count, "texts": job.sequences, **settings}
    about = [job, job.grant, partner, size, share]
    record("job.submitted", f"A job of {job.what} was submitted", *about, by=by, detail=detail)
    send_task_on_commit("jobs.fill")
    return job


def _grant_for(by: User, partner: Partner, size: ModelSize, tokens: int, samples: int, purpose: str) -> Grant:
    now = timezone.now()
    decision = decide(partner=partner, size=size, at=now, user=by, tokens=tokens, samples=samples, purpose=purpose)
    if decision.grant is None or not decision.allowed:
        code = decision.missing[0].code
        raise Refused(decision.sentence, field=code if code in ("quota", "purpose") else "size", given=size.path)
    return decision.grant


def _check_limits(grant: Grant, settings: dict[str, Any]) -> None:
    """Raise Refused where a job is beyond what the grant allows each job. The grant's row is locked by its ledger."""
    limits = {"max_new_tokens": ("longest_text", "tokens a text"), "samples": ("samples_per_prompt", "texts a prompt")}
    for field, (limit_name, unit) in limits.items():
        limit, given = getattr(grant, limit_name), settings[field]
        if limit is not None and given > limit:
            sentence = f"The grant of {grant.what} allows at most {limit:,} {unit}; you asked for {given:,}."
            raise Refused(sentence, field=field, limit=limit, given=given)
    live = grant.jobs.live().count()
    if grant.concurrent_jobs is not None and live >= grant.concurrent_jobs:
        raise Refused(
            f"The grant of {grant.what} allows {grant.concurrent_jobs:,} jobs at a time, and {live:,} are queued or "
            "running. Wait for one to end, or cancel one.",
            field="concurrent_jobs",
            limit=grant.concurrent_jobs,
            given=live + 1,
        )
