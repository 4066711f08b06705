"""How far a job has come, in figures and in a sentence."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, Sum

from .models import Completion, Job, Worker, WorkOrder

SHORTEST_MEASURE = 1.0  # seconds; before that a rate means nothing


@dataclass(frozen=True)
class Progress:
    done: int
    total: int
    sentence: str


def tokens_in_hand(job: Job) -> int:
    """Tokens generated for texts of the job that are not finished yet: its part of what its orders reported."""
    unfinished = Q(finished_at__isnull=True)
    orders = WorkOrder.objects.out().filter(pk__in=job.completions.unfinished().values("order"))
    rows = (
        Completion.objects.filter(order__in=orders)
        .values("order__tokens")
        .annotate(
            stored=Sum("tokens"), open=Count("pk", filter=unfinished), own=Count("pk", filter=unfinished & Q(job=job))
        )
    )
    return sum(max(0, row["order__tokens"] - (row["stored"] or 0)) * row["own"] // row["open"] for row in rows)


def progress_of(job: Job, *, at: datetime) -> Progress:
    return Progress(job.texts_done, job.sequences, _sentence(job, at))


def _sentence(job: Job, at: datetime) -> str:
    texts = f"{job.texts_done:,} of {job.sequences:,} texts"
    if job.status == Job.Status.QUEUED:
        return f"{texts}. {_why_queued(job, at)}"
    if job.status == Job.Status.HELD:
        return f"{texts}. Held while the lab has suspended its use; it goes on by itself once that is lifted."
    if not job.is_live or job.started_at is None:
        return f"{texts}, {job.tokens_done:,} tokens."
    tokens = job.tokens_done + tokens_in_hand(job)
    seconds = (at - job.started_at).total_seconds()
    if tokens == 0 or seconds < SHORTEST_MEASURE:
        return f"{texts}. The worker is loading the model or has just begun."
    rate = tokens / seconds
    return f"{texts}, {rate:,.0f} tokens/s{_remaining(job, seconds)}."


def _remaining(job: Job, seconds: float) -> str:
    if not job.texts_done:
        return ""
    left = seconds / job.texts_done * (job.sequences - job.texts_done)
    return f", about {left:,.0f} s left" if left < 120 else f", about {left / 60:,.0f} min left"


def _why_queued(job: Job, at: datetime) -> str:
    if not Worker.objects.alive(at=at).serving(job.size).exists():
        return f"No worker serves {job.size} now; the job starts by itself when one does."
    return "Waiting for its turn."
