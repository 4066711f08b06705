"""Policies to begin with, as YAML beside this file."""

from importlib.resources import files

from release_portal.lib.states import Refused

from ..policy import Policy, read_policy


def presets() -> list[str]:
    names = (each.name for each in files(__name__).iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def preset_text(name: str) -> str:
    """The YAML with its comments."""
    known = presets()
    if name not in known:
        raise Refused(f"There is no preset “{name}”; there are {', '.join(known)}.", field="preset", given=name)
    return files(__name__).joinpath(f"{name}.yaml").read_text(encoding="utf-8")


def preset(name: str) -> Policy:
    return read_policy(preset_text(name))
