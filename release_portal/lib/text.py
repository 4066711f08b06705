"""What no text has, whoever sends it; and the number that a text is."""

LONGEST_NUMBER = 18  # digits; what has more fits no column


def flaw_of(text: str) -> str:
    """What in it no text has: "a null character" or "half a character"; empty where it is a text."""
    if "\0" in text:
        return "a null character"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "half a character"
    return ""


def number_in(text: str) -> int | None:
    """The whole number that a text is, None where it is none or one that no column holds."""
    return int(text) if text.isdecimal() and len(text) <= LONGEST_NUMBER else None


def shortened(text: str, longest: int = 200) -> str:
    """The beginning of a long text, to be repeated in an answer."""
    return text if len(text) <= longest else f"{text[:longest]}…"
