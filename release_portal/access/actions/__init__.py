"""The verbs of this room, and what they take and give."""

from .batches import Result, apply_batch, drop_batch, stage_batch, tried, verbs_of
from .desk import choose_columns, forget_search, save_search
from .follow_ups import appeal, change_grant, copy_request
from .grants import close_organisation, expire_grants, reserve, revoke_grant, settle, warn_of_ends
from .requests import (
    Wanted,
    request_access,
    save_request,
    say,
    start_request,
    submit_request,
    withdraw_request,
)
from .reviews import (
    Answer,
    claim_request,
    decide_request,
    escalate_requests,
    preview_decision,
    recuse,
    release_request,
    return_request,
)
from .rules import accept_finding, report_finding, set_rule
from .suspensions import confirm_suspension, conflict_over, drop_suspension, lift_suspension, suspend

__all__ = [
    "Answer",
    "Result",
    "Wanted",
    "accept_finding",
    "appeal",
    "apply_batch",
    "change_grant",
    "choose_columns",
    "claim_request",
    "close_organisation",
    "confirm_suspension",
    "conflict_over",
    "copy_request",
    "decide_request",
    "drop_batch",
    "drop_suspension",
    "escalate_requests",
    "expire_grants",
    "forget_search",
    "lift_suspension",
    "preview_decision",
    "recuse",
    "release_request",
    "report_finding",
    "request_access",
    "reserve",
    "return_request",
    "revoke_grant",
    "save_request",
    "save_search",
    "say",
    "set_rule",
    "settle",
    "stage_batch",
    "start_request",
    "submit_request",
    "suspend",
    "tried",
    "verbs_of",
    "warn_of_ends",
    "withdraw_request",
]
