"""Jobs under the grants, all of them ended, with their prompts and texts."""

import uuid
from datetime import datetime, timedelta

from django.db.models import Sum

from agreements.models import Agreement
from release_portal.access.models import Grant, Right, Suspension
from release_portal.jobs.models import Completion, Job, Prompt
from release_portal.partners.models import Membership, User

from .phrases import WORDS
from .world import BATCH, World

Status = Job.Status
Row = tuple[Job, list[tuple[Prompt, Completion]]]
ENDS = {Status.FINISHED: 88, Status.CANCELLED: 6, Status.FAILED: 3, Status.STOPPED: 3}
NAMES = ("", "", "Readers, round one", "Occupations", "Long texts", "Detector baseline")
SAMPLING = {"samples": 1, "temperature": 1.0, "top_k": 40, "top_p": 1.0}
LONGEST = timedelta(minutes=15)  # that a job takes
REASONS = {
    Status.FAILED: "Part of this job was tried 3 times and did not end.",
    Status.STOPPED: "The grant that allowed this job has ended.",
}


def fill_jobs(world: World, grants: list[Grant], number: int) -> None:
    """Jobs spread over the grants of hosted generation, each within its grant's time and quota."""
    usable = [grant for grant in grants if grant.right == Right.GENERATION]
    if not usable:
        world.tell("jobs: none, as nothing was granted")
        return
    members = Membership.objects.filter(partner__in={grant.partner_id for grant in usable}).select_related("user")
    people = {member.partner_id: member.user for member in members}
    agreements = {agreement.partner_id: agreement for agreement in Agreement.objects.filter(partner__in=people)}
    left = {grant.pk: grant.token_quota for grant in usable}
    stops = dict(Suspension.objects.filter(grant__in=usable).values_list("grant", "begins_at"))
    until = {grant.pk: min(grant.ended_at or world.at, stops.get(grant.pk) or world.at, world.at) for grant in usable}
    for start in range(0, number, BATCH):
        chosen = world.random.choices(usable, k=min(BATCH, number - start))
        batch = [
            _job(world, grant, people[grant.partner_id], agreements[grant.partner_id], left, until[grant.pk])
            for grant in chosen
        ]
        world.add([job for job, _ in batch])
        prompts = [prompt for _, texts in batch for prompt, _ in texts]
        world.add(prompts)
        world.add([text for _, texts in batch for _, text in texts])
        if (start // BATCH) % 5 == 4 or start + BATCH >= number:
            world.tell(f"jobs: {min(start + BATCH, number):,} of {number:,}")
    _charge()


def _job(world: World, grant: Grant, user: User, agreement: Agreement, left: dict[int, int], until: datetime) -> Row:
    random = world.random
    longest, sequences = random.choice([16, 32, 64]), random.randint(1, 3)
    affordable = left[grant.pk] >= sequences * longest
    status = _status(world, grant, affordable)
    done = sequences if status == Status.FINISHED else random.randint(0, sequences - 1) * affordable
    at, ended = _times(world, grant.starts_at, until, stopped=status == Status.STOPPED)
    job = Job(
        id=uuid.UUID(int=random.getrandbits(128), version=4),
        name=random.choice(NAMES),
        partner=grant.partner,
        grant=grant,
        agreement=agreement,
        size=grant.size,
        submitted_by=user,
        submitted_at=at,
        idempotency_key=str(random.getrandbits(64)),
        purpose=grant.purposes[0],
        max_new_tokens=longest,
        seed=random.getrandbits(31),
        status=status,
        prompts_count=sequences,
        sequences=sequences,
        texts_done=done,
        started_at=at + (ended - at) / 20,
        ended_at=ended,
        end_reason=REASONS.get(status, ""),
        **SAMPLING,
    )
    texts = [_text(world, job, index, index < done, longest) for index in range(sequences)]
    job.tokens_done = sum(text.tokens or 0 for _, text in texts)
    left[grant.pk] -= job.tokens_done
    _tell_of(world, job)
    return job, texts


def _status(world: World, grant: Grant, affordable: bool) -> Job.Status:
    status = world.random.choices(list(ENDS), list(ENDS.values()))[0] if affordable else Status.CANCELLED
    ended = grant.status in (Grant.Status.REVOKED, Grant.Status.EXPIRED)
    return Status.FINISHED if status == Status.STOPPED and not ended else status


def _tell_of(world: World, job: Job) -> None:
    about, began, ended = (job, job.partner, job.size), job.submitted_at, job.ended_at or world.at
    word = {"finished": "finished", "failed": "failed", "cancelled": "was cancelled", "stopped": "was stopped"}
    world.happened(began, "job.submitted", f"A job of {job.what} was submitted", *about, by=job.submitted_by)
    by = job.submitted_by if job.status == Status.CANCELLED else None
    world.happened(ended, f"job.{job.status}", f"A job of {job.what} {word[job.status]}", *about, by=by)


def _times(world: World, start: datetime, until: datetime, *, stopped: bool) -> tuple[datetime, datetime]:
    """When a job began and ended, while its grant could be used; the end of the grant is what stops one."""
    if stopped:
        return world.between(max(start, until - LONGEST), until), until
    at = world.between(start, until)
    return at, world.between(at, min(at + LONGEST, until))


def _text(world: World, job: Job, index: int, done: bool, longest: int) -> tuple[Prompt, Completion]:
    random = world.random
    prompt = Prompt(job=job, index=index, text=" ".join(random.choices(WORDS, k=6)))
    text = Completion(job=job, prompt=prompt, index=index)
    if done:
        text.tokens = random.randint(longest // 2, longest)
        text.text = " " + " ".join(random.choices(WORDS, k=text.tokens))
        text.prompt_tokens, text.finish_reason, text.finished_at = 6, "length", job.ended_at
        text.number = index + 1
    return prompt, text


def _charge() -> None:
    """The meters of the grants say what their jobs used."""
    used = Job.objects.values("grant").annotate(tokens=Sum("tokens_done"), samples=Sum("texts_done"))
    sums = {row["grant"]: row for row in used}
    grants = list(Grant.objects.filter(pk__in=sums))
    for grant in grants:
        grant.tokens_used, grant.samples_used = sums[grant.pk]["tokens"], sums[grant.pk]["samples"]
    Grant.objects.bulk_update(grants, ["tokens_used", "samples_used"], 500)
