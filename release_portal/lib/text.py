"""What no text has, whoever sends it; a text as one line; the number that a text is; when two names are the same."""

import re
import unicodedata

BREAKS = ("Cc", "Zl", "Zp")
"""Unicode's categories of control characters and of separators of lines and paragraphs."""
JOINED = re.compile(r"([.:/@\\])(?=\S)")
"""What makes a link or an address of words, where no space follows it."""
LONGEST_QUOTED_NAME = 60  # characters
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


def one_line(text: str) -> str:
    """The text as a name or a subject has it: one line, single spaces, no control characters."""
    spaced = "".join(" " if unicodedata.category(character) in BREAKS else character for character in text)
    return re.sub(r"\s+", " ", spaced).strip()


def number_in(text: str) -> int | None:
    """The whole number that a text is, None where it is none or one that no column holds."""
    return int(text) if text.isdecimal() and len(text) <= LONGEST_NUMBER else None


def shortened(text: str, longest: int = 200) -> str:
    """The beginning of a long text, to be repeated in an answer."""
    return text if len(text) <= longest else f"{text[:longest]}…"


def plain_name(name: str) -> str:
    """A name as mail to strangers quotes it: short, and nothing of it is made a link by the program that shows it. Dots
    of other scripts, which browsers read as dots, are such."""
    dotted = unicodedata.normalize("NFKC", one_line(name)).translate(dict.fromkeys(map(ord, "。｡․‧∙·"), "."))
    return shortened(JOINED.sub(r"\1 ", dotted), LONGEST_QUOTED_NAME)


def visible(text: str) -> str:
    """The text without format characters, which show nothing: zero-width spaces and joiners, marks of direction."""
    return "".join(each for each in text if unicodedata.category(each) != "Cf")


def folded(name: str) -> str:
    """A name in the form in which names are compared: no case, no width, no invisible characters, single spaces."""
    cased = visible(unicodedata.normalize("NFKC", name)).casefold()
    return " ".join(unicodedata.normalize("NFKC", cased).split())
