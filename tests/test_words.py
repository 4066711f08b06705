"""The check of words finds what was given up and what the glossary no longer finds, and nothing else."""

import pytest

from .words import GLOSSARY, astray, files, given_up


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("It is hashed anew.", "“anew”; write again"),
        ("Whoever reads it", "“Whoever”; write who"),
        ("the how-manieth text", "“how-manieth”; write its place in the order"),
        ("    told = {}", "“told”"),
        ("held = InHand(order)", "“InHand”; write TrackedOrder"),
    ],
)
def test_word_that_was_given_up_is_found_with_its_line_and_another(line, found):
    (wrong,) = given_up(["It is fine.", line])
    assert wrong.startswith(f"2: {found}")


@pytest.mark.parametrize(
    "line", ["It was renewed.", "with refusals_told(request):", 'MAILED = "failures.told"', "so  many"]
)
def test_other_words_are_left_alone(line):
    assert not [*given_up([line])]


def test_row_of_the_glossary_whose_name_is_elsewhere_is_found():
    row = "| grant | a right | entitlement | `{}` in `{}` |"
    here = row.format("Grant", "release_portal/access/models/grants.py")
    assert not [*astray(f"| word | meaning |\n{here}")]
    assert [*astray(row.format("Grantt", "release_portal/access/models/grants.py"))]
    assert [*astray(row.format("Grant", "release_portal/access/models/nowhere.py"))]
    assert [*astray("| grant | a right | entitlement | somewhere |")]


def test_everything_is_looked_at():
    looked_at = {path.suffix for path in files()}
    assert {".py", ".html", ".md", ".txt"} <= looked_at
    assert GLOSSARY in set(files())
    assert {"conftest.py", "test_architecture.py"} <= {path.name for path in files()}
