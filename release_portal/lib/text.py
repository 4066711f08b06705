"""What no text has, whoever sends it; and when two names are the same."""

import unicodedata


def flaw_of(text: str) -> str:
    """What in it no text has: "a null character" or "half a character"; empty where it is a text."""
    if "\0" in text:
        return "a null character"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "half a character"
    return ""


def folded(name: str) -> str:
    """A name in the form in which names are compared: no case, no width, no invisible characters, single spaces."""
    visible = "".join(each for each in unicodedata.normalize("NFKC", name) if unicodedata.category(each) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", visible.casefold()).split())
