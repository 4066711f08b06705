"""The verbs of this room."""

from .dispatch import dispatch, fill
from .end import cancel, end, keep_to_the_rule
from .fleet import set_weight, tell_of_failures, try_now, watch_fleet
from .report import receive_report
from .submit import submit
from .workers import enroll_worker, flag, keep_accounts, receive_hello, revoke_worker

__all__ = [
    "cancel",
    "dispatch",
    "end",
    "enroll_worker",
    "fill",
    "flag",
    "keep_accounts",
    "keep_to_the_rule",
    "receive_hello",
    "receive_report",
    "revoke_worker",
    "set_weight",
    "submit",
    "tell_of_failures",
    "try_now",
    "watch_fleet",
]
