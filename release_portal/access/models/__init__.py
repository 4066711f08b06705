"""The nouns of this room."""

from .desk import Batch, DeskColumns, SavedSearch
from .grants import Grant
from .requests import AccessRequest, RequestItem
from .reviews import Recusal, Remark, Review, Submission
from .rules import Finding, SizeRule
from .suspensions import Subject, Suspension
from .vocabulary import DeclineReason, Purpose, ReturnReason, RevokeReason, Right, SuspendReason

__all__ = [
    "AccessRequest",
    "Batch",
    "DeclineReason",
    "DeskColumns",
    "Finding",
    "Grant",
    "Purpose",
    "Recusal",
    "Remark",
    "RequestItem",
    "ReturnReason",
    "Review",
    "RevokeReason",
    "Right",
    "SavedSearch",
    "SizeRule",
    "Subject",
    "Submission",
    "SuspendReason",
    "Suspension",
]
