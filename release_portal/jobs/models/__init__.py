"""The nouns of this room."""

from .completion import NOT_DELIVERED, Completion, FinishReason
from .file_index import FileIndex
from .job import INTERACTIVE_SEQUENCES, Job, JobQuerySet, Prompt
from .order import WorkOrder
from .share import Share
from .worker import WORKER_SILENCE, Outage, Worker

__all__ = [
    "INTERACTIVE_SEQUENCES",
    "NOT_DELIVERED",
    "WORKER_SILENCE",
    "Completion",
    "FileIndex",
    "FinishReason",
    "Job",
    "JobQuerySet",
    "Outage",
    "Prompt",
    "Share",
    "WorkOrder",
    "Worker",
]
