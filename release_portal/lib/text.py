"""What no text has, whoever sends it; and a text as one line."""

import re
import unicodedata

BREAKS = ("Cc", "Zl", "Zp")
"""Unicode's categories of control characters and of separators of lines and paragraphs."""


def flaw_of(text: str) -> str:
    """What in it no text has: "a null character" or "half a character"; empty where it is a text."""
    if "\0" in text:
        return "a null character"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "half a character"
    return ""


def one_line(text: str) -> str:
    """The text as a name or a subject has it: one line, single spaces, no control characters."""
    spaced = "".join(" " if unicodedata.category(character) in BREAKS else character for character in text)
    return re.sub(r"\s+", " ", spaced).strip()
