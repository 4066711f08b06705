"""Taking a job: everything is checked, the quota set aside, and the job durable before the answer."""

import secrets
from itertools import islice

from django.db import IntegrityError, transaction
from django.utils import timezone

from agreements.models import Agreement
from release_portal.access.actions import reserve
from release_portal.access.models import Grant
from release_portal.access.rule import decide
from release_portal.audit.actions import record
from release_portal.lib.states import Refused
from release_portal.lib.wake import wake
from release_portal.partners.guards import require
from release_portal.partners.models import Partner, User
from release_portal.partners.permissions import Permission
from release_portal.releases.models import ModelSize

from ..limits import LIMITS, LONGEST_KEY, LONGEST_NAME, LONGEST_SEED, check_prompts, check_sequences, check_text
from ..models import Completion, Job, Prompt

ROWS_AT_ONCE = 5_000


def submit(
    *,
    by: User,
    partner: Partner,
    size: ModelSize,
    prompts: list[str],
    samples: int = 1,
    max_new_tokens: int = 64,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int | None = None,
    name: str = "",
    purpose: str = "",
    idempotency_key: str | None = None,
) -> Job:
    """Submit a generation job. Without a seed one is drawn, and kept with the job; without a purpose it is the first
    of the grant's.

    The same idempotency key from the same person returns the job that it made the first time.
    """
    settings = {
        "samples": samples,
        "max_new_tokens": max_new_tokens,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "seed": secrets.randbelow(LONGEST_SEED) if seed is None else seed,
    }
    settings = {field: LIMITS[field].read(given) for field, given in settings.items()}
    check_prompts(prompts)
    check_sequences(len(prompts), int(settings["samples"]))
    check_text("name", "The name of the job", "name", name, LONGEST_NAME)
    key = idempotency_key or secrets.token_urlsafe(16)
    check_text("idempotency_key", "The idempotency key", "key", key, LONGEST_KEY)
    submitted = Job.objects.filter(submitted_by=by, idempotency_key=key)
    if earlier := submitted.first():
        return earlier
    try:
        return _admit(by, partner, size, prompts, settings, name.strip(), purpose, key)
    except (IntegrityError, Refused):
        # A double click: the first one may have been admitted meanwhile, and have taken the last of the quota.
        if earlier := submitted.first():
            return earlier
        raise


@transaction.atomic
def _admit(
    by: User,
    partner: Partner,
    size: ModelSize,
    prompts: list[str],
    settings: dict[str, int | float],
    name: str,
    purpose: str,
    key: str,
) -> Job:
    now = timezone.now()
    require(by, Permission.JOB_SUBMIT, partner)
    samples = len(prompts) * int(settings["samples"])
    tokens = samples * int(settings["max_new_tokens"])
    grant = _grant_for(by, partner, size, tokens, samples, purpose)
    reserve(by=by, grant=grant, tokens=tokens, samples=samples)
    _check_limits(grant, settings)
    job = Job.objects.create(
        name=name,
        partner=partner,
        grant=grant,
        agreement=Agreement.objects.in_force(at=now).filter(partner=partner).latest("starts_at"),
        size=size,
        submitted_by=by,
        submitted_at=now,
        idempotency_key=key,
        prompts_count=len(prompts),
        sequences=samples,
        purpose=purpose or (grant.purposes[0] if grant.purposes else ""),
        **settings,
    )
    _store(job, prompts)
    detail = {"prompts": job.prompts_count, "texts": job.sequences, **settings}
    record("job.submitted", f"Job “{job}” was submitted", job, grant, partner, size, by=by, detail=detail)
    wake("jobs.dispatch")
    return job


def _grant_for(by: User, partner: Partner, size: ModelSize, tokens: int, samples: int, purpose: str) -> Grant:
    now = timezone.now()
    decision = decide(partner=partner, size=size, at=now, user=by, tokens=tokens, samples=samples, purpose=purpose)
    if decision.grant is None or not decision.allowed:
        code = decision.missing[0].code
        raise Refused(decision.sentence, field=code if code in ("quota", "purpose") else "size", given=size.path)
    return decision.grant


def _check_limits(grant: Grant, settings: dict[str, int | float]) -> None:
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


def _store(job: Job, prompts: list[str]) -> None:
    rows = (Prompt(job=job, index=index, text=text) for index, text in enumerate(prompts))
    while batch := list(islice(rows, ROWS_AT_ONCE)):
        stored = Prompt.objects.bulk_create(batch)
        Completion.objects.bulk_create(
            [
                Completion(job=job, prompt=prompt, index=prompt.index * job.samples + sample)
                for prompt in stored
                for sample in range(job.samples)
            ],
            batch_size=ROWS_AT_ONCE,
        )
