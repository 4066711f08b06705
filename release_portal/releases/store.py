"""Files of artefacts on this machine: what is in a folder, and what each file hashes to.

The manifest of weights is the one that workers compute (`inference/checkpoints.py`), so that what is registered here
and what a worker holds have one name.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from release_portal.lib.states import Refused
from release_portal.lib.text import shortened

MOST_FILES = 10_000
LONGEST_PATH = 400  # characters
MANIFEST = "MANIFEST.json"
"""What `inference.checkpoints install` writes beside weights: it is about the files, and none of them."""


@dataclass(frozen=True)
class Found:
    """A file below a folder, as it stands."""

    path: str
    bytes: int
    changed_ns: int
    """When it was last written, in nanoseconds since 1970."""


@dataclass(frozen=True)
class Hashed:
    path: str
    sha256: str
    bytes: int


def folder_named(name: str) -> Path:
    """The folder of that name below ARTEFACTS_ROOT. Raises Refused where there is none, or it leads out of there."""
    root = settings.ARTEFACTS_ROOT.resolve()
    with suppress(OSError, ValueError):  # a name that no file system takes
        folder = (root / name).resolve()
        if root in folder.parents and folder.is_dir():
            return folder
    sentence = f"There is no folder “{shortened(name, 80)}” below ARTEFACTS_ROOT on the machine of the site."
    raise Refused(sentence, field="folder", given=name)


def files_below(folder: Path) -> list[Found]:
    """Every file, by its path. Raises Refused for none, for too many, and for what is no plain file."""
    found = sorted(_walk(folder), key=lambda file: file.path)
    if not found:
        raise Refused(f"The folder “{folder.name}” has no file.", field="folder", given=folder.name)
    return found


def _walk(folder: Path) -> Iterator[Found]:
    number = 0
    for place, folders, names in os.walk(folder):
        for name in (*folders, *names):
            path = Path(place, name)
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise Refused(f"“{path.relative_to(folder)}” is no plain file.", field="folder", given=folder.name)
        for name in names:
            if place == str(folder) and name == MANIFEST:
                continue
            number += 1
            if number > MOST_FILES:
                sentence = f"A folder has at most {MOST_FILES:,} files; “{folder.name}” has more."
                raise Refused(sentence, field="folder", limit=MOST_FILES)
            yield as_found(folder, Path(place, name).relative_to(folder).as_posix())


def as_found(folder: Path, path: str) -> Found:
    """The file as it stands. Raises OSError where it is not there."""
    if len(path) > LONGEST_PATH:
        sentence = f"A path has at most {LONGEST_PATH} characters; “{path[:80]}…” has {len(path)}."
        raise Refused(sentence, field="folder", limit=LONGEST_PATH, given=len(path))
    seen = (folder / path).stat()
    return Found(path, seen.st_size, seen.st_mtime_ns)


def sha256_of(file: Path) -> str:
    """Read once from the beginning to the end, a part at a time."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def manifest_sha256(files: Iterable[Hashed]) -> str:
    """SHA-256 of the files' names, hashes and sizes in canonical JSON."""
    described = {file.path: {"sha256": file.sha256, "bytes": file.bytes} for file in files}
    return hashlib.sha256(json.dumps(described, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
