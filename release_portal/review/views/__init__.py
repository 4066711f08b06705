"""The pages of the staff door."""

from .desk import access_request, book, desk, grants, intake, organisation, revoke
from .suspensions import access_at, suspend, suspension, suspensions

__all__ = [
    "access_at",
    "access_request",
    "book",
    "desk",
    "grants",
    "intake",
    "organisation",
    "revoke",
    "suspend",
    "suspension",
    "suspensions",
]
