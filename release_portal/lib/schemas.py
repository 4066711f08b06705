"""Types of what programs send to the API: a body without unknown fields, a short word, a moment with a zone.

Every text of a schema has a longest length, which OpenAPI tells; what no text has, the parser refuses (`parsing.py`).
"""

from datetime import UTC, datetime
from typing import Annotated

from ninja import Schema
from pydantic import AfterValidator, ConfigDict, Field

LONGEST_WORD = 200  # characters
LONGEST_LIST = 100  # entries


class Body(Schema):
    """What a program sends. A field that it does not know is refused: misspelt, it would be no limit at all."""

    model_config = ConfigDict(extra="forbid")


def _in_utc(moment: datetime) -> datetime:
    """A moment given without a zone is in UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


Word = Annotated[str, Field(max_length=LONGEST_WORD)]
"""A name, a code, a search."""
Moment = Annotated[datetime, AfterValidator(_in_utc)]
