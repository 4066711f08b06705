"""The JSON door for jobs."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Field, File, Form, Router, Schema, Status, UploadedFile
from ninja.pagination import paginate

from release_portal.access.models import Grant, Right
from release_portal.lib.schemas import Body, Word
from release_portal.lib.states import Refused
from release_portal.partners.models import Partner
from release_portal.partners.shortcuts import SignedIn
from release_portal.releases.models import ModelSize
from release_portal.releases.shortcuts import size_named

from . import actions
from .delivery import deliver
from .limits import LIMITS, LONGEST_NAME, LONGEST_PROMPT, LONGEST_SEED, MOST_PROMPTS, GivenPrompt
from .models import Completion, Job
from .progress import progress_of
from .prompts import lines_of, read_prompts

router = Router(tags=["jobs"])

Prompt = Annotated[str, Field(json_schema_extra={"maxLength": LONGEST_PROMPT})]  # the verb refuses, naming its number


def _limited(name: str, meaning: str) -> Any:
    """A setting as on the page: the same default and the same limits, which the verb refuses in words."""
    limit = LIMITS[name]
    return Field(limit.default, description=f"{limit.low:,} to {limit.high:,}; {meaning}")


class Sampling(Body):
    """How texts are sampled, and for whom."""

    size: Word = Field(description="family/size, such as gpt2/124M")
    organisation: Word | None = Field(None, description="its short name, where you belong to several")
    samples: int = _limited("samples", "texts per prompt")
    max_new_tokens: int = _limited("max_new_tokens", "longest text in tokens")
    temperature: float = _limited("temperature", "0 always takes the most likely token")
    top_k: int = _limited("top_k", "0 keeps the whole vocabulary")
    top_p: float = _limited("top_p", "1 keeps all")
    seed: int | None = Field(None, description=f"0 to {LONGEST_SEED}; drawn where it is missing")
    name: str = Field("", max_length=LONGEST_NAME, description="yours to choose")
    purpose: Word = Field("", description="one that the grant allows, such as detection; left out: the first of them")


class NewJob(Sampling):
    prompts: list[Prompt] = Field(
        description=f"1 to {MOST_PROMPTS:,} prompts of at most {LONGEST_PROMPT:,} characters each",
        json_schema_extra={"maxItems": MOST_PROMPTS},  # the verb refuses more, and says what to do
        fail_fast=True,
    )


class JobSummary(Schema):
    id: UUID
    url: str = Field(alias="get_absolute_url")
    name: str
    size: str = Field(alias="size.path")
    organisation: str = Field(alias="partner.slug")
    submitted_by: str = Field(alias="submitted_by.name")
    submitted_at: datetime
    status: str
    end_reason: str
    purpose: str
    prompts: int = Field(alias="prompts_count")
    texts: int = Field(alias="sequences")
    texts_done: int
    tokens_done: int
    samples: int
    max_new_tokens: int
    temperature: float
    top_k: int
    top_p: float
    seed: int
    started_at: datetime | None
    ended_at: datetime | None


class JobOut(JobSummary):
    progress: str = ""

    @staticmethod
    def resolve_progress(job: Job) -> str:
        return progress_of(job, at=timezone.now()).sentence


class TextOut(Schema):
    number: int = Field(description="its place in the order in which the texts of the job finished, from 1")
    prompt_number: int
    sample: int
    prompt: str = Field(alias="prompt.text")
    text: str
    tokens: int
    prompt_tokens: int
    finish_reason: str
    error: str
    fields: dict[str, Any] = Field(
        alias="prompt.fields", description="what else stood in the prompt's line of a .jsonl file, such as custom_id"
    )

    @staticmethod
    def resolve_prompt_number(completion: Completion) -> int:
        return completion.prompt.index + 1


@router.post("", response={201: JobOut}, summary="Submit a job")
def submit(request: SignedIn, body: NewJob) -> Any:
    return Status(201, _submit(request, body, body.prompts))


@router.post("/from-file", response={201: JobOut}, summary="Submit a job with a file of prompts")
def submit_file(request: SignedIn, settings: Form[Sampling], file: File[UploadedFile]) -> Any:
    return Status(201, _submit(request, settings, read_prompts(file.name or "", lines_of(file))))


@router.get("", response=list[JobSummary], summary="Jobs of your organisations, newest first")
@paginate
def list_jobs(request: SignedIn, status: Word = "") -> Any:
    jobs = Job.objects.visible_to(request.user).newest_first()
    return jobs.filter(status=status) if status else jobs


@router.get("/{job_id}", response=JobOut, summary="One job")
def get_job(request: SignedIn, job_id: UUID) -> Any:
    return _job(request, job_id)


@router.post("/{job_id}/cancel", response=JobOut, summary="Cancel a job; finished texts stay")
def cancel(request: SignedIn, job_id: UUID) -> Any:
    actions.cancel(by=request.user, job=_job(request, job_id))
    return _job(request, job_id)


@router.get("/{job_id}/texts", response=list[TextOut], summary="The finished texts of a job")
@paginate
def texts(request: SignedIn, job_id: UUID, after: int | None = None) -> Any:
    """In the order of the job. With `after`, those finished after the text of that number, in the order in which they
    were finished: ask again with the last number that you have, and you miss none while the job runs."""
    job = _job(request, job_id)
    deliver(request, job, "json", at=timezone.now())
    finished = job.completions.finished()
    return finished if after is None else finished.filter(number__gt=after).order_by("number")


def _job(request: SignedIn, job_id: UUID) -> Job:
    return get_object_or_404(Job.objects.visible_to(request.user).newest_first(), pk=job_id)


def _submit(request: SignedIn, settings: Sampling, prompts: Iterable[str | GivenPrompt]) -> Job:
    size = size_named(request, settings.size)
    return actions.submit(
        by=request.user,
        partner=_partner(request, settings.organisation, size),
        size=size,
        prompts=prompts,
        idempotency_key=request.headers.get("Idempotency-Key"),
        **settings.model_dump(exclude={"size", "organisation", "prompts"}),
    )


def _partner(request: SignedIn, slug: str | None, size: ModelSize) -> Partner:
    """The organisation that a job is for: the one named, the only one, or the only one with a grant of the size."""
    partners = Partner.objects.visible_to(request.user)
    if slug:
        return get_object_or_404(partners, slug=slug)
    granted = list(
        partners.filter(grants__in=Grant.objects.in_force(at=timezone.now()).filter(size=size, right=Right.GENERATION))[
            :2
        ]
    )
    candidates = granted or list(partners[:2])
    if len(candidates) == 1:
        return candidates[0]
    names = ", ".join(partners.values_list("slug", flat=True)) or "none"
    raise Refused(f"Name the organisation that the job is for; you belong to: {names}.", field="organisation")
