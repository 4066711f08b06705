"""What no text has; a text as one line; the number that a text is; when two names are the same."""

import re
import unicodedata

BREAKS = ("Cc", "Zl", "Zp")
"""Unicode's categories of control characters and of separators of lines and paragraphs."""
JOINED = re.compile(r"([.:/@\\])(?=\S)")
"""What makes a link or an address of words, where no space follows it."""
BLANK = re.compile("[\u115f\u1160\u2800\u3164\uffa0]")
"""Fillers of Hangul, and the Braille pattern without dots."""
IGNORED = re.compile(
    "[\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Format characters (Cf) and default ignorables (DerivedCoreProperties of Unicode 15)."""
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
    """The text as a name or a subject has it: one line, single spaces, no control characters. Spaces of other kinds
    stay: the one of 山田　花子 is part of the name."""
    spaced = "".join(" " if unicodedata.category(character) in BREAKS else character for character in text)
    return re.sub(" +", " ", spaced).strip()


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
    """The text without what shows nothing: format characters such as zero-width spaces, and all that Unicode lets a
    program leave out (Default_Ignorable_Code_Point). Fillers, which show a space, are one."""
    return IGNORED.sub("", BLANK.sub(" ", text))


def spaced(name: str) -> str:
    """A name without differences of width and space: NFKC, nothing invisible, single spaces."""
    return " ".join(visible(unicodedata.normalize("NFKC", visible(name))).split())


def folded(name: str) -> str:
    """A name in the form in which names are compared: `spaced`, and without case."""
    return " ".join(unicodedata.normalize("NFKC", spaced(name).casefold()).split())
