"""The verbs of this room."""

from .dispatch import dispatch
from .end import cancel, end, stop_no_longer_allowed
from .report import receive_hello, receive_report
from .submit import submit

__all__ = ["cancel", "dispatch", "end", "receive_hello", "receive_report", "stop_no_longer_allowed", "submit"]
