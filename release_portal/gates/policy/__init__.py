"""Policies: what each stage opens, and what must hold before."""

from .problems import PolicyError, Problem
from .reading import from_json, read_policy
from .tree import CheckUse, Combination, Node, Policy, Requirement, StagePolicy
from .writing import to_json, write_policy

__all__ = [
    "CheckUse",
    "Combination",
    "Node",
    "Policy",
    "PolicyError",
    "Problem",
    "Requirement",
    "StagePolicy",
    "from_json",
    "read_policy",
    "to_json",
    "write_policy",
]
