"""Writes a policy as YAML, or as the plain types of the form's JSON."""

from typing import Any

import yaml

from .tree import Policy


def write_policy(policy: Policy) -> str:
    """YAML that reads back as an equal policy. Parameters come in the order of their checks."""
    return yaml.dump(
        policy.plain(), Dumper=_Dumper, sort_keys=False, default_flow_style=None, allow_unicode=True, width=120
    )


def to_json(policy: Policy) -> dict[str, Any]:
    return policy.plain()


class _Dumper(yaml.SafeDumper):
    """Without anchors, which are refused when a policy is read."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
