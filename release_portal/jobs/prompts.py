"""Reading a file of prompts: one prompt a line (.txt), or one JSON object with a "prompt" a line (.jsonl)."""

import json
from collections.abc import Callable

from release_portal.lib.states import Refused


def read_prompts(name: str, content: bytes) -> list[str]:
    """The prompts of a file. Raises Refused naming the line that cannot be read."""
    reader = READERS.get(name.rpartition(".")[2].lower())
    if reader is None:
        raise Refused(
            f'“{name}” is neither .txt (one prompt a line) nor .jsonl (one {{"prompt": …}} a line).',
            field="file",
            limit=[".txt", ".jsonl"],
            given=name,
        )
    lines = _decoded(name, content).split("\n")
    filled = [(number, line.removesuffix("\r")) for number, line in enumerate(lines, start=1) if line.strip()]
    if not filled:
        raise Refused(f"“{name}” has no prompts.", field="file", given=name)
    return [reader(name, number, line) for number, line in filled]


def _decoded(name: str, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise Refused(
            f"“{name}” is not UTF-8: line {line:,} has a byte that no UTF-8 text has. Save the file as UTF-8.",
            field="file",
            given=line,
        ) from None


def _plain(name: str, number: int, line: str) -> str:
    return line


def _json(name: str, number: int, line: str) -> str:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise Refused(f"Line {number:,} of “{name}” is not JSON.", field="file", given=number) from None
    prompt = row.get("prompt") if isinstance(row, dict) else None
    if not isinstance(prompt, str):
        raise Refused(
            f"Line {number:,} of “{name}” is not a JSON object with a text under “prompt”.", field="file", given=number
        )
    return prompt


READERS: dict[str, Callable[[str, int, str], str]] = {"txt": _plain, "jsonl": _json}
