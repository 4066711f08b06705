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
    idempotency_key: str | None = None,
) -> Job:
    """Submit a generation job. Without a seed one is drawn, and kept with the job.

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
        return _admit(by, partner, size, prompts, settings, name.strip(), key)
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
    key: str,
) -> Job:
    now = timezone.now()
    require(by, Permission.JOB_SUBMIT, partner)
    tokens = len(prompts) * int(settings["samples"]) * int(settings["max_new_tokens"])
    grant = _grant_for(by, partner, size, tokens)
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
        sequences=len(prompts) * int(settings["samples"]),
        **settings,
    )
    reserve(by=by, grant=grant, tokens=tokens)
    _store(job, prompts)
    detail = {"prompts": job.prompts_count, "texts": job.sequences, **settings}
    record("job.submitted", f"Job “{job}” was submitted", job, grant, partner, size, by=by, detail=detail)
    wake("jobs.dispatch")
    return job


def _grant_for(by: User, partner: Partner, size: ModelSize, tokens: int) -> Grant:
    decision = decide(partner=partner, size=size, at=timezone.now(), user=by, tokens=tokens)
    if decision.grant is None or not decision.allowed:
        missing = decision.missing[0]
        raise Refused(decision.sentence, field="quota" if missing.code == "quota" else "size", given=size.path)
    return decision.grant


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
