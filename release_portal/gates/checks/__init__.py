"""The vocabulary of gates: each module is a group of checks, each function with `@check` one of them."""

from . import bias, detectability, documents, effect, landscape, partners, people, privacy, time
from .registry import CHECKS, Check, Outcome, Parameter, check, vocabulary

GROUPS = (time, people, partners, landscape, detectability, effect, bias, privacy, documents)

__all__ = ["CHECKS", "GROUPS", "Check", "Outcome", "Parameter", "check", "vocabulary"]
