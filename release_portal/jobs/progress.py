"""How far a job has come, in figures and in a sentence."""

from dataclasses import dataclass
from datetime import datetime

from .models import Job, Worker, tokens_in_hand

SHORTEST_MEASURE = 1.0  # seconds; before that a rate means nothing


@dataclass(frozen=True)
class Progress:
    done: int
    total: int
    sentence: str


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
