"""The nouns of this room."""

from .completion import NOT_DELIVERED, Completion, FinishReason
from .file_index import FileIndex
from .job import URGENT_SEQUENCES, Job, JobQuerySet, Prompt
from .order import WorkOrder
from .share import Share
from .worker import WORKER_SILENCE, Drop, Outage, SeenMessage, Worker

__all__ = [
    "NOT_DELIVERED",
    "URGENT_SEQUENCES",
    "WORKER_SILENCE",
    "Completion",
    "Drop",
    "FileIndex",
    "FinishReason",
    "Job",
    "JobQuerySet",
    "Outage",
    "Prompt",
    "SeenMessage",
    "Share",
    "WorkOrder",
    "Worker",
]
