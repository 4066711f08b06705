"""The verbs of this room."""

from .dispatch import dispatch
from .end import cancel, end, keep_to_the_rule
from .report import receive_hello, receive_report
from .submit import submit

__all__ = ["cancel", "dispatch", "end", "keep_to_the_rule", "receive_hello", "receive_report", "submit"]
