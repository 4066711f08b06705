"""The reason of a decision: it is there, not too long, and kept whole."""

from .states import Refused

LONGEST_REASON = 4_000  # characters, at every door


def checked_reason(reason: str, sentence: str, *, field: str = "reason", longest: int = LONGEST_REASON) -> str:
    """The reason without space around it. Raises Refused where there is none, with the sentence, or too much of it."""
    reason = reason.strip()
    if not reason:
        raise Refused(sentence, field=field)
    if len(reason) > longest:
        too_long = f"A reason takes at most {longest:,} characters; this has {len(reason):,}."
        raise Refused(too_long, field=field, limit=longest, given=len(reason))
    return reason
