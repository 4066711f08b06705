"""Types of what programs send to the API: a text that is one, a moment that has a zone."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator

from .text import flaw_of


def _plain(text: str) -> str:
    """Refuse what no text has, before it reaches a query."""
    if flaw := flaw_of(text):
        raise ValueError(f"it contains {flaw}, which no text has")
    return text


def _in_utc(moment: datetime) -> datetime:
    """A moment told without a zone is in UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


Word = Annotated[str, AfterValidator(_plain)]
Moment = Annotated[datetime, AfterValidator(_in_utc)]
