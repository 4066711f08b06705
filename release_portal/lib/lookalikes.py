"""Names that look alike: the skeleton of a text, by the confusable characters of Unicode (UTS 39)."""

import unicodedata

from confusable_homoglyphs.confusables import confusables_data

from .text import folded


def skeleton(text: str) -> str:
    """What is the same for texts that a reader takes for one another (UTS 39, section 4), whatever their case."""
    plain = "".join(map(_prototype, unicodedata.normalize("NFD", folded(text))))
    return plain.casefold().replace("i", "l")  # a capital I looks like an l, and case is gone by now


def odd_characters(text: str) -> list[str]:
    """Those beyond ASCII that stand for another, each with its name in Unicode."""
    odd = {each: None for each in text if not each.isascii() and _prototype(each.casefold()) != each.casefold()}
    return [f"“{each}” is {unicodedata.name(each, f'U+{ord(each):04X}')}" for each in odd]


def _prototype(character: str) -> str:
    """The character that all of those that look alike stand for. The table names, for a prototype, all the others, and
    for each of the others the prototype alone; where a prototype has one other, nothing tells which is which."""
    alike = confusables_data.get(character, [])
    if len(alike) != 1:
        return character
    other: str = alike[0]["c"]
    return other if len(confusables_data[other]) > 1 else min(character, other)
