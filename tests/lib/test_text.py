"""What of a text shows, and what does not."""

import sys
import unicodedata

import pytest

from release_portal.lib.text import folded, one_line, visible


def test_no_format_character_of_unicode_is_visible():
    format_characters = [each for each in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(each) == "Cf"]
    assert len(format_characters) > 150
    assert visible("".join(format_characters)) == ""


@pytest.mark.parametrize("text", ["Zoë Ó Ñandú", "北野太郎", "Ελένη", "O’Brien & Söhne", "نور", "👩"])
def test_what_shows_stays(text):
    assert visible(text) == text


def test_name_is_folded_whatever_its_width_case_and_spaces():
    assert folded("  ＵＮＩＶＥＲＳＩＴＹ\u3000of\u00a0North\u200blake ") == "university of northlake"


def test_one_line_keeps_the_spaces_of_a_name():
    assert one_line("山田\u3000花子\n") == "山田\u3000花子"
