"""The vocabulary of gates: each module is a group of checks, each function with `@check` one of them."""

from . import bias, detectability, documents, effect, landscape, partners, people, privacy, time
from .registry import CHECKS, Check, Outcome, Parameter, check, vocabulary

__all__ = [
    "CHECKS",
    "Check",
    "Outcome",
    "Parameter",
    "bias",
    "check",
    "detectability",
    "documents",
    "effect",
    "landscape",
    "partners",
    "people",
    "privacy",
    "time",
    "vocabulary",
]
