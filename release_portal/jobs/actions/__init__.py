"""The verbs of this room."""

from .dispatch import dispatch, fill
from .end import cancel, end, enforce_rule
from .fleet import set_weight, tell_of_failures, try_now, watch_fleet
from .report import receive_report
from .submit import submit
from .workers import enroll_worker, flag, keep_accounts, receive_heartbeat, revoke_worker

__all__ = [
    "cancel",
    "dispatch",
    "end",
    "enforce_rule",
    "enroll_worker",
    "fill",
    "flag",
    "keep_accounts",
    "receive_heartbeat",
    "receive_report",
    "revoke_worker",
    "set_weight",
    "submit",
    "tell_of_failures",
    "try_now",
    "watch_fleet",
]
