"""The table of docs/asvs.toml: which requirements of OWASP ASVS it has to answer, and whether what it names is there.

`make check` runs it; it prints how each chapter is answered, and ends with 1 where something is wrong.
"""

import ast
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
TABLE = ROOT / "docs" / "asvs.toml"
CHAPTERS = {"6": "authentication", "7": "sessions", "8": "authorisation", "16": "logging"}
SECTIONS = {
    1: "6.1.1 6.2.1-8 6.3.1-2 6.4.1-2 7.2.1-4 7.4.1-2 8.1.1 8.2.1-2 8.3.1",
    2: "6.1.2-3 6.2.9-12 6.3.3-4 6.4.3-4 6.5.1-5 6.6.1-3 6.8.1-4 7.1.1-3 7.3.1-2 7.4.3-5 7.5.1-2 7.6.1-2 8.1.2 8.2.3 "
    "8.4.1 16.1.1 16.2.1-5 16.3.1-4 16.4.1-3 16.5.1-3",
}
"""The requirements of these chapters in OWASP ASVS 5.0.0, by level; a range is of the last number."""
ANSWERS = ("met", "partly", "not met", "not applicable")
EVIDENCE = ("tests", "settings", "docs", "code")


def required() -> dict[str, int]:
    """The level of each requirement that is to be answered."""
    levels = {}
    for level, ranges in SECTIONS.items():
        for each in ranges.split():
            first, _, last = each.partition("-")
            section, _, number = first.rpartition(".")
            levels |= {f"{section}.{n}": level for n in range(int(number), int(last or number) + 1)}
    return levels


def read() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = tomllib.loads(TABLE.read_text())["requirement"]
    return rows


def problems(rows: list[dict[str, Any]]) -> list[str]:
    """What is wrong with the table, as sentences."""
    levels, answered = required(), Counter(row["id"] for row in rows)
    wrong = [f"{name} is not answered." for name in levels if name not in answered]
    wrong += [f"{name} is answered {times} times." for name, times in answered.items() if times > 1]
    for row in rows:
        wrong += [f"{row['id']}: {sentence}" for sentence in _problems_of(row, levels)]
    return wrong


def _problems_of(row: dict[str, Any], levels: dict[str, int]) -> Iterator[str]:
    if row["id"] not in levels:
        yield "there is no such requirement in these chapters at level 1 or 2."
    elif row["level"] != levels[row["id"]]:
        yield f"it is of level {levels[row['id']]}, not {row['level']}."
    if row["answer"] not in ANSWERS:
        yield f"“{row['answer']}” is none of {', '.join(ANSWERS)}."
    if row["answer"] == "met" and not any(row.get(kind) for kind in EVIDENCE):
        yield "it is met, and nothing shows that."
    if row["answer"] != "met" and not row.get("how"):
        yield f"it is {row['answer']}, and nothing says why."
    for kind in EVIDENCE:
        yield from (f"{named} is not there." for named in row.get(kind, ()) if not IS_THERE[kind](named))


def _has_test(named: str) -> bool:
    path, _, name = named.partition("::")
    return name in _functions_of(ROOT / path)


def _has_setting(named: str) -> bool:
    tree = ast.parse((ROOT / "release_portal" / "settings.py").read_text())
    names = (node for node in ast.walk(tree) if isinstance(node, ast.Name))
    return named in {node.id for node in names if isinstance(node.ctx, ast.Store)}


def _has_heading(named: str) -> bool:
    path, _, anchor = named.partition("#")
    if not (ROOT / path).is_file():
        return False
    headings = re.findall(r"^#+ (.+)$", (ROOT / path).read_text(), re.MULTILINE)
    return anchor in {re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-")) for heading in headings}


def _has_file(named: str) -> bool:
    return (ROOT / named).is_file()


@cache
def _functions_of(path: Path) -> set[str]:
    if not path.is_file():
        return set()
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)}


IS_THERE = {"tests": _has_test, "settings": _has_setting, "docs": _has_heading, "code": _has_file}


def main() -> int:
    rows = read()
    wrong = problems(rows)
    for number, name in CHAPTERS.items():
        counted = Counter(row["answer"] for row in rows if row["id"].startswith(f"{number}."))
        words = ", ".join(f"{counted[answer]} {answer}" for answer in ANSWERS if counted[answer])
        print(f"OWASP ASVS 5.0, level 2, {number} {name}: {words}")
    for sentence in wrong:
        print(f"docs/asvs.toml: {sentence}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
