"""Reading a file of prompts line by line: a prompt a line (.txt), or a JSON object with a "prompt" a line (.jsonl)."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

from django.core.files.uploadedfile import UploadedFile

from release_portal.lib.states import Refused

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def lines_of(file: "UploadedFile[Any]") -> Iterable[bytes]:
    """The lines of an uploaded file, each ended by a line feed; it is read from disk where it is large."""
    return cast(Iterable[bytes], file.file)  # Django's own iteration would also end lines elsewhere


def read_prompts(name: str, lines: Iterable[bytes]) -> Iterator[str]:
    """The prompts of a file, as they are read. Raises Refused at once where the kind of file is not known, and on the
    way at a line that cannot be read or at the end of a file without prompts."""
    reader = READERS.get(name.rpartition(".")[2].lower())
    if reader is None:
        raise Refused(
            f'“{name}” is neither .txt (one prompt a line) nor .jsonl (one {{"prompt": …}} a line).',
            field="file",
            limit=[".txt", ".jsonl"],
            given=name,
        )
    return _read(name, lines, reader)


def _read(name: str, lines: Iterable[bytes], reader: Callable[[str, int, str], str]) -> Iterator[str]:
    number_of_prompts = 0
    for number, raw in enumerate(lines, start=1):
        content = raw.removeprefix(BYTE_ORDER_MARK) if number == 1 else raw
        line = _decoded(name, number, content).removesuffix("\n").removesuffix("\r")
        if line.strip():
            number_of_prompts += 1
            yield reader(name, number, line)
    if not number_of_prompts:
        raise Refused(f"“{name}” has no prompts.", field="file", given=name)


def _decoded(name: str, number: int, content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise Refused(
            f"“{name}” is not UTF-8: line {number:,} has a byte that no UTF-8 text has. Save the file as UTF-8.",
            field="file",
            given=number,
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
