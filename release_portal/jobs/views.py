"""The HTML door: jobs, their progress and texts; and the downloads."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from release_portal.access.models import Grant, Right
from release_portal.audit.models import Event
from release_portal.partners.models import Membership, Partner
from release_portal.partners.permissions import Permission
from release_portal.partners.shortcuts import SignedIn, refusals_on

from . import actions
from .byte_ranges import ByteRange, etag_of, index_of, part_of, wanted_bytes
from .delivery import deliver, note_reading, why_held
from .downloads import CSV, JSONL, SPREADSHEET, File, lines_of
from .forms import JobForm
from .models import Job
from .progress import progress_of

JOBS_PER_PAGE = 50
TEXTS_PER_PAGE = 20


@login_required
def job_list(request: SignedIn) -> HttpResponse:
    words, status = request.GET.get("q", "").strip(), request.GET.get("status", "")
    jobs = Job.objects.visible_to(request.user).newest_first()
    if words:
        jobs = jobs.matching(words)
    if status in Job.Status.values:
        jobs = jobs.filter(status=status)
    context = {
        "page": Paginator(jobs, JOBS_PER_PAGE).get_page(request.GET.get("page")),
        "q": words,
        "status": status,
        "statuses": Job.Status.choices,
        "may_submit": _grants(request).exists(),
    }
    return render(request, "jobs/list.html", context)


@login_required
def new_job(request: SignedIn) -> HttpResponse:
    grants = _grants(request)
    initial = {"grant": request.GET.get("grant")} if request.GET.get("grant") else {}
    form = JobForm(request.POST or None, request.FILES or None, grants=grants, initial=initial)
    if form.is_valid():
        with refusals_on(form):
            grant = form.cleaned_data["grant"]
            job = actions.submit(
                by=request.user,
                partner=grant.partner,
                size=grant.size,
                prompts=form.each_prompt(),
                **form.settings(),
            )
            return redirect(job)
        if form.has_error("idempotency_key"):
            form.send_anew()
    context = {"form": form, "grants": grants, "partners": Partner.objects.visible_to(request.user)}
    return render(request, "jobs/new.html", context)


@login_required
def job(request: SignedIn, pk: str) -> HttpResponse:
    job = _job(request, pk)
    context = _live(job, at=timezone.now()) | {
        **_texts(request, job),
        "checkpoint": job.completions.exclude(order__checkpoint="")
        .values_list("order__checkpoint", flat=True)
        .exclude(order=None)
        .first(),
        "may_cancel": job.is_live and request.user.may(Permission.JOB_SUBMIT, job.partner),
    }
    return render(request, "jobs/job.html", context)


@login_required
def progress(request: SignedIn, pk: str) -> HttpResponse:
    """What a waiting page asks every second: how the job stands, and its texts where there are more than were `seen`.
    Once the job has ended, the whole page is fetched again."""
    job = _job(request, pk)
    if not job.is_live:
        return HttpResponse(headers={"HX-Refresh": "true"})
    context = _live(job, at=timezone.now()) | {"is_part": True}
    if request.GET.get("seen") != str(job.texts_done):
        context |= _texts(request, job) | {"has_news": True}
    return render(request, "jobs/live.html", context)


@login_required
@require_POST
def cancel(request: SignedIn, pk: str) -> HttpResponse:
    job = _job(request, pk)
    actions.cancel(by=request.user, job=job)
    messages.success(request, "The job was cancelled. Texts that were finished are kept.")
    return redirect(job)


@login_required
def texts_jsonl(request: SignedIn, pk: str) -> HttpResponseBase:
    return _download(request, _job(request, pk), JSONL)


@login_required
def texts_csv(request: SignedIn, pk: str) -> HttpResponseBase:
    return _download(request, _job(request, pk), CSV)


@login_required
def texts_spreadsheet(request: SignedIn, pk: str) -> HttpResponseBase:
    return _download(request, _job(request, pk), SPREADSHEET)


def _live(job: Job, *, at: datetime) -> dict[str, Any]:
    """What of a job's page changes while it runs, but its texts."""
    return {"job": job, "progress": progress_of(job, at=at), "events": Event.objects.about(job).newest_first()[:50]}


def _texts(request: SignedIn, job: Job) -> dict[str, Any]:
    """A page of a job's texts, or why they are held. That they were read is noted."""
    held = why_held(job, at=timezone.now())
    finished = job.completions.none() if held else job.completions.finished()
    texts = Paginator(finished, TEXTS_PER_PAGE).get_page(request.GET.get("page"))
    if texts.object_list:
        note_reading(request, job, "page", f"Texts of a job of {job.what} were read on its page")
    return {"held": held, "page": texts}


def _job(request: SignedIn, pk: str) -> Job:
    jobs = Job.objects.visible_to(request.user).select_related(
        "size__family", "partner", "submitted_by", "grant__request"
    )
    return get_object_or_404(jobs, pk=pk)


def _grants(request: SignedIn) -> QuerySet[Grant]:
    """The grants in force with which this person may submit."""
    at = Membership.objects.current().filter(user=request.user).may(Permission.JOB_SUBMIT)
    return (
        Grant.objects.in_force(at=timezone.now())
        .filter(partner__in=at.values("partner"), right=Right.GENERATION)
        .latest_first()
    )


def _download(request: SignedIn, job: Job, file: File) -> HttpResponseBase:
    deliver(request, job, file.extension, at=timezone.now())
    filename = f"{job.size.family.slug}-{job.size.name}-{str(job.pk)[:8]}.{file.extension}"
    headers = {"Content-Disposition": f'attachment; filename="{filename}"', "Content-Type": file.content_type}
    if job.is_live:
        return StreamingHttpResponse(lines_of(job, file), headers=headers)
    headers |= {"ETag": etag_of(job, file), "Accept-Ranges": "bytes"}
    wanted = wanted_bytes(request.headers, etag_of(job, file))
    return _part(job, file, wanted, headers) if wanted else StreamingHttpResponse(lines_of(job, file), headers=headers)


def _part(job: Job, file: File, wanted: ByteRange, headers: dict[str, str]) -> HttpResponseBase:
    index = index_of(job, file)
    length = index.length or 0
    part = wanted.within(length)
    if part is None:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{length}"})
    first, last = part
    headers |= {"Content-Range": f"bytes {first}-{last}/{length}", "Content-Length": str(last - first + 1)}
    return StreamingHttpResponse(part_of(job, file, index.starts, first, last), status=206, headers=headers)
