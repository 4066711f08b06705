"""Types of what programs send to the API: a word of a known length, a moment that has a zone.

Every text of a schema has a longest length, which OpenAPI tells; what no text has, the parser refuses (`parsing.py`).
"""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, Field

LONGEST_WORD = 200  # characters
LONGEST_LIST = 100  # entries


def _in_utc(moment: datetime) -> datetime:
    """A moment told without a zone is in UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


Word = Annotated[str, Field(max_length=LONGEST_WORD)]
"""A name, a code, a search."""
Moment = Annotated[datetime, AfterValidator(_in_utc)]
