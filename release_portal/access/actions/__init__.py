"""The verbs of this room."""

from .batches import Result as Result
from .batches import apply_batch, drop_batch, stage_batch
from .batches import tried as tried
from .batches import verbs_of as verbs_of
from .desk import choose_columns, forget_search, save_search
from .follow_ups import appeal, change_grant, copy_request
from .grants import close_organisation, expire_grants, reserve, revoke_grant, settle, warn_of_ends
from .requests import Wanted as Wanted
from .requests import (
    request_access,
    save_request,
    say,
    start_request,
    submit_request,
    withdraw_request,
)
from .reviews import Answer as Answer
from .reviews import (
    claim_request,
    decide_request,
    escalate_requests,
    preview_decision,
    recuse,
    release_request,
    return_request,
)
from .rules import accept_finding, report_finding, set_rule
from .suspensions import confirm_suspension, drop_suspension, lift_suspension, suspend
from .suspensions import conflict_over as conflict_over

__all__ = [
    "accept_finding",
    "appeal",
    "apply_batch",
    "change_grant",
    "choose_columns",
    "claim_request",
    "close_organisation",
    "confirm_suspension",
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
    "warn_of_ends",
    "withdraw_request",
]
