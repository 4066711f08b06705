"""The nouns of this room."""

from .grants import Grant
from .requests import AccessRequest
from .suspensions import Subject, SuspendReason, Suspension

__all__ = ["AccessRequest", "Grant", "Subject", "SuspendReason", "Suspension"]
