"""The verbs of this room."""

from .dispatch import dispatch, fill
from .end import cancel, end, keep_to_the_rule
from .fleet import set_weight, tell_of_failures, try_now, watch_fleet
from .report import receive_hello, receive_report
from .submit import submit

__all__ = [
    "cancel",
    "dispatch",
    "end",
    "fill",
    "keep_to_the_rule",
    "receive_hello",
    "receive_report",
    "set_weight",
    "submit",
    "tell_of_failures",
    "try_now",
    "watch_fleet",
]
