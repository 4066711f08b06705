"""The nouns of this room."""

from .completion import NOT_DELIVERED, Completion, FinishReason
from .job import INTERACTIVE_SEQUENCES, Job, JobQuerySet, Prompt
from .order import WorkOrder
from .share import Share
from .worker import WORKER_SILENCE, Outage, Worker

__all__ = [
    "INTERACTIVE_SEQUENCES",
    "NOT_DELIVERED",
    "WORKER_SILENCE",
    "Completion",
    "FinishReason",
    "Job",
    "JobQuerySet",
    "Outage",
    "Prompt",
    "Share",
    "WorkOrder",
    "Worker",
]
