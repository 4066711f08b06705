"""Names that look alike: the skeleton of a text, by the confusable characters of Unicode (UTS 39)."""

import unicodedata

from confusable_homoglyphs.confusables import confusables_data

from .text import spaced


def skeleton(text: str) -> str:
    """What is the same for texts that a reader takes for one another (UTS 39, section 4), whatever their case.

    Capitals look alike that small letters do not, and the other way round: prototypes are taken before and after
    the case is gone.
    """
    plain = "".join(map(_prototype, unicodedata.normalize("NFD", spaced(text))))
    plain = "".join(map(_prototype, unicodedata.normalize("NFD", plain.casefold())))
    return plain.casefold().replace("i", "l")  # a capital I looks like an l


def odd_characters(text: str, other: str) -> list[str]:
    """The characters by which a text differs from another that looks like it, with their names and what they look
    like; those of ASCII, which a reader finds, are left out."""
    strange = [each for each in dict.fromkeys(text) if not each.isascii() and each.casefold() not in other.casefold()]
    named = [(each, unicodedata.name(each, f"U+{ord(each):04X}"), _prototype(each)) for each in strange]
    return [f"“{each}” ({name}) looks like “{alike}”" for each, name, alike in named if alike != each]


def _prototype(character: str) -> str:
    """The character that all of those that look alike stand for. The table names, for a prototype, all the others, and
    for each of the others the prototype alone; where a prototype has one other, nothing tells which is which."""
    alike = confusables_data.get(character, [])
    if len(alike) != 1:
        return character
    other: str = alike[0]["c"]
    return other if len(confusables_data[other]) > 1 else min(character, other)
