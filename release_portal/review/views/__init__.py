"""The pages of the staff door."""

from .artefacts import artefact, licences, register_artefact
from .batches import batch, bulk
from .desk import columns, desk, saved
from .fleet import enroll_worker, fleet, revoke_worker, share, try_now
from .people import people, person, remove_factors
from .records import book, grants, intake, organisation, revoke
from .register import (
    correct_size,
    edit_family,
    edit_size,
    new_family,
    new_size,
    open_component,
    register,
    register_family,
    register_size,
)
from .reports import reports, reports_csv
from .requests import access_request, claim, say
from .rules import finding, findings, rule, rules
from .security import security
from .suspensions import access_at, suspend, suspension, suspensions

__all__ = [
    "access_at",
    "access_request",
    "artefact",
    "batch",
    "book",
    "bulk",
    "claim",
    "columns",
    "correct_size",
    "desk",
    "edit_family",
    "edit_size",
    "enroll_worker",
    "finding",
    "findings",
    "fleet",
    "grants",
    "intake",
    "licences",
    "new_family",
    "new_size",
    "open_component",
    "organisation",
    "people",
    "person",
    "register",
    "register_artefact",
    "register_family",
    "register_size",
    "remove_factors",
    "reports",
    "reports_csv",
    "revoke",
    "revoke_worker",
    "rule",
    "rules",
    "saved",
    "say",
    "security",
    "share",
    "suspend",
    "suspension",
    "suspensions",
    "try_now",
]
