"""What is written for readers, and what the release is good for."""

from dataclasses import dataclass

from .evidence import Fact


@dataclass(frozen=True, kw_only=True)
class Document(Fact):
    """Which sections or fields are filled, for one audience. Empty size: of the whole family."""

    filled: tuple[str, ...]
    audience: str = "public"
    size: str = ""
    published: bool = False


@dataclass(frozen=True, kw_only=True)
class Guidelines(Fact):
    version: str
    live: bool


@dataclass(frozen=True, kw_only=True)
class Benefit(Fact):
    use: str
    evidenced: bool
