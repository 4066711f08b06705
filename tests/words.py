"""The words of the project: none that was given up is in code, tests, pages, mails or documents, and each of the
glossary lives where it says.

`make check` runs it; it prints what is wrong, and ends with 1 where something is.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
GLOSSARY = ROOT / "docs" / "glossary.md"
GIVEN_UP = {
    "anew": "again",
    "at_odds": "violating_rule",
    "keep_to_the_rule": "enforce_rule",
    "lane": "queue",
    "how-manieth": "its place in the order",
    "InHand": "TrackedOrder",
    "nought": "zero",
    "situated": "with_rule_facts",
    "so many": "the number",
    "told": "given, reported, or what it is",
    "of which": "a sentence of its own",
    "whoever": "who",
    "whomever": "whom",
}
"""Each with what to write in its place."""
FOLDERS = ("release_portal", "agreements", "inference", "deploy", "docs", "tests")
KEPT = {"model-sharing-agreement-1.md", "words.py", "test_words.py"}
"""A text that was signed is never changed; this file and its test name the words themselves."""
KINDS = {".py", ".html", ".txt", ".md", ".js", ".sh", ".toml"}
PATTERN = re.compile(rf"(?<!\w)(?<!failures\.)(?:{'|'.join(map(re.escape, GIVEN_UP))})(?!\w)", re.IGNORECASE)
LIVES_AT = re.compile(r"^\| (?P<word>[^|]+) \|.*\| (?:`(?P<name>\w+)` in )?`(?P<path>[\w/.]+)` \|$")


def files() -> Iterator[Path]:
    """What people read: the code without its migrations, the pages and mails, the documents, the tests."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in KINDS and "migrations" not in path.parts and path.name not in KEPT:
                yield path
    yield from (ROOT / "README.md", ROOT / "CONTRIBUTING.md")


def given_up(lines: Iterable[str]) -> Iterator[str]:
    """Each line with a word that was given up, by its number."""
    for number, line in enumerate(lines, start=1):
        for found in PATTERN.findall(line):
            yield f"{number}: “{found}”; write {GIVEN_UP.get(found, GIVEN_UP.get(found.lower(), 'another word'))}"


def astray(glossary: str) -> Iterator[str]:
    """Each row of the glossary whose name is not where it says."""
    rows = [line for line in glossary.splitlines() if line.startswith("| ") and not line.startswith("| word")]
    for row in rows:
        found = LIVES_AT.match(row)
        if found is None:
            yield f"this row names no place in the code: {row}"
            continue
        path = ROOT / found["path"]
        if not path.exists():
            yield f"{found['word']}: there is no {found['path']}"
        elif found["name"] and not re.search(rf"\b(?:class|def) {found['name']}\b", path.read_text()):
            yield f"{found['word']}: {found['path']} defines no {found['name']}"


def main() -> int:
    wrong = [f"{path.relative_to(ROOT)}:{each}" for path in files() for each in given_up(path.read_text().splitlines())]
    wrong += [f"docs/glossary.md: {each}" for each in astray(GLOSSARY.read_text())]
    print("\n".join(wrong) or "Words: none that was given up is there, and the glossary's names are where it says.")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
