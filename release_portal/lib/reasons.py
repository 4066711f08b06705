"""What people write of a decision: there, not too long, and kept whole."""

from .states import Refused

LONGEST_REASON = 4_000  # characters, at every door


def checked_reason(reason: str, sentence: str, *, field: str = "reason", longest: int = LONGEST_REASON) -> str:
    """The reason without space around it. Raises Refused where there is none, with the sentence, or too much of it."""
    reason = reason.strip()
    if not reason:
        raise Refused(sentence, field=field)
    check_length("A reason", reason, field=field, longest=longest)
    return reason


def check_length(what: str, text: str, *, field: str, longest: int = LONGEST_REASON) -> None:
    """Raise Refused for a text of more characters than that; `what` begins the sentence."""
    if len(text) > longest:
        sentence = f"{what} takes at most {longest:,} characters; this has {len(text):,}."
        raise Refused(sentence, field=field, limit=longest, given=len(text))
