"""Reading a file of prompts line by line: a prompt a line (.txt), or a JSON object with a "prompt" a line (.jsonl).

What else stands in such an object, such as a `custom_id`, is kept with the prompt and comes back with its texts.
"""

import json
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

from django.core.files.uploadedfile import UploadedFile

from release_portal.lib.states import Refused
from release_portal.lib.text import flaw_of

from .limits import GivenPrompt

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def lines_of(file: "UploadedFile[Any]") -> Iterable[bytes]:
    """The lines of an uploaded file, each ended by a line feed; it is read from disk where it is large."""
    return cast(Iterable[bytes], file.file)  # Django's own iteration would also end lines elsewhere


def read_prompts(name: str, lines: Iterable[bytes]) -> Iterator[GivenPrompt]:
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


def _read(name: str, lines: Iterable[bytes], reader: Callable[[str, int, str], GivenPrompt]) -> Iterator[GivenPrompt]:
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


def _plain(name: str, number: int, line: str) -> GivenPrompt:
    if "\r" in line:
        sentence = f"Line {number:,} of “{name}” has a carriage return within it. End each line with a line feed."
        raise Refused(sentence, field="file", given=number)
    return GivenPrompt(line, label=_label(name, number))


def _json(name: str, number: int, line: str) -> GivenPrompt:
    try:
        row = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refused(f"Line {number:,} of “{name}” is not JSON.", field="file", given=number) from None
    prompt = row.pop("prompt", None) if isinstance(row, dict) else None
    if not isinstance(prompt, str):
        raise Refused(
            f"Line {number:,} of “{name}” is not a JSON object with a text under “prompt”.", field="file", given=number
        )
    for value in _values_in(row):
        if flaw := _flaw_of(value):
            raise Refused(f"Line {number:,} of “{name}” holds {flaw}.", field="file", given=number)
    return GivenPrompt(prompt, row, _label(name, number))


def _label(name: str, number: int) -> str:
    return f"The prompt in line {number:,} of “{name}”"


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON.")


def _values_in(row: object) -> Iterator[object]:
    """Everything in an object of JSON, names too."""
    waiting = [row]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            waiting += value
        else:
            yield value


def _flaw_of(value: object) -> str:
    """What in a value the database takes none of."""
    if isinstance(value, float) and not math.isfinite(value):
        return "a number beyond every number"
    return flaw_of(value) if isinstance(value, str) else ""


READERS: dict[str, Callable[[str, int, str], GivenPrompt]] = {"txt": _plain, "jsonl": _json}
