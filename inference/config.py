"""What a worker reads from its environment."""

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from inference import contract

MOST_MEMORY = 0.7
"""The part of a device's free memory that a worker takes where nothing else is said."""
MOST_CACHED = 4 * 2**30
"""Bytes of keys and values of a model on a CPU, at the most, where nothing else is said."""
CONTAINERS = (
    (Path("/sys/fs/cgroup/memory.max"), "anon"),
    (Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"), "total_rss"),
)
"""Where Linux says how many bytes a container may use, by the second and the first version of its control groups, and
what `memory.stat` beside it calls those in use."""
MEMORY = Path("/proc/meminfo")
REQUIRED = ("REDIS_URL", "WORKER_NAME", "WORKER_KEY", "SIZES")


class ConfigError(Exception):
    """The environment is incomplete or malformed; the message names what is wrong."""


@dataclass(frozen=True)
class Config:
    """One worker's settings.

    `device` "" means: a GPU where there is one. `dtype` is a torch name such as "float32"; "" means: the one that the
    device has instructions for. `context` is the longest text in tokens, prompt included; `memory_gib` 0 means: most of
    what is free on the device, and on a CPU at most 4 GiB for the keys and values of a model.

    With a `server_url` the worker has no model of its own: an OpenAI-compatible server there generates, under the
    names that `server_models` gives to sizes. `batch_rows` is then how many texts are asked for at a time; weights,
    device, dtype, context and memory are the server's.
    """

    redis_url: str
    worker_key: str = field(repr=False)
    weights_root: Path
    sizes: tuple[str, ...]
    worker: str
    device: str = ""
    dtype: str = ""
    batch_rows: int = 64
    context: int = 4096
    memory_gib: float = 0
    server_url: str = ""
    server_key: str = field(default="", repr=False)
    server_models: Mapping[str, str] = field(default_factory=dict, hash=False)

    def model_of(self, size: str) -> str:
        """What the server calls a size: its own name where `server_models` gives no other."""
        return self.server_models.get(size, size)

    def chosen_device(self) -> str:
        """The torch device to use; imports torch where the environment leaves the choice open."""
        if self.device:
            return self.device
        import torch

        return "cuda" if torch.cuda.is_available() else "cpu"

    @cache  # noqa: B019 - one configuration a process, and the log says the reason once
    def chosen_dtype(self) -> str:
        """The torch dtype to compute with; by the device where the environment leaves the choice open."""
        if self.dtype:
            return self.dtype
        from inference import packing

        return packing.fastest_dtype(self.chosen_device())

    @cache  # noqa: B019 - what is free when a worker begins; later it holds a part itself
    def memory_bytes(self) -> int:
        """How many bytes weights, keys and values may take together."""
        if self.memory_gib:
            return int(self.memory_gib * 2**30)
        import torch

        device = self.chosen_device()
        if torch.device(device).type == "cuda":
            return int(MOST_MEMORY * torch.cuda.mem_get_info(device)[0])
        return int(MOST_MEMORY * _free_bytes())

    def cached_bytes(self) -> int:
        """How many bytes the keys and values of one model may take."""
        on_cpu = self.chosen_device().startswith("cpu")
        return min(MOST_CACHED, self.memory_bytes()) if on_cpu and not self.memory_gib else self.memory_bytes()


def _free_bytes() -> int:
    """The memory that nobody uses on the machine, or in the container where that is less."""
    return min([_free_on_machine(), *(_free_in(limit, used) for limit, used in CONTAINERS if limit.exists())])


def _free_on_machine() -> int:
    """What Linux could give without swapping; elsewhere, all there is."""
    if MEMORY.exists():
        return 1024 * int(_table(MEMORY)["MemAvailable:"])
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _free_in(limit: Path, used: str) -> int:
    """What is left of a container's limit, which may be "max"."""
    written = limit.read_text().strip()
    return int(written) - int(_table(limit.with_name("memory.stat"))[used]) if written.isdigit() else sys.maxsize


def _table(file: Path) -> dict[str, str]:
    """The first two words of each line."""
    name_and_number = (line.split()[:2] for line in file.read_text().splitlines())
    return dict(pair for pair in name_and_number if len(pair) == 2)


def from_environment(environ: Mapping[str, str] = os.environ) -> Config:
    """The settings; raises `ConfigError` naming every required variable that is missing, or what is malformed."""
    required = REQUIRED if environ.get("SERVER_URL") else (*REQUIRED, "WEIGHTS_ROOT")
    if missing := [name for name in required if not environ.get(name)]:
        raise ConfigError(f"A worker needs these environment variables, which are not set: {', '.join(missing)}.")
    sizes = tuple(size.strip() for size in environ["SIZES"].split(","))
    return Config(
        redis_url=environ["REDIS_URL"],
        worker_key=environ["WORKER_KEY"],
        weights_root=Path(environ.get("WEIGHTS_ROOT", "")),
        sizes=sizes,
        worker=_worker_name(environ["WORKER_NAME"]),
        device=environ.get("DEVICE", ""),
        dtype=environ.get("DTYPE", ""),
        batch_rows=int(environ.get("BATCH_ROWS") or Config.batch_rows),
        context=int(environ.get("CONTEXT") or Config.context),
        memory_gib=float(environ.get("MEMORY_GIB") or Config.memory_gib),
        server_url=_server_url(environ.get("SERVER_URL", "")),
        server_key=_server_key(environ.get("SERVER_KEY", "")),
        server_models=_server_models(environ.get("SERVER_MODELS", ""), sizes),
    )


def _worker_name(given: str) -> str:
    if not contract.WORKER_NAME.fullmatch(given):
        raise ConfigError(
            "WORKER_NAME is at most 63 letters, digits, dots, dashes and underscores, the first a letter or a digit;"
            f" this one is {given[:80]!r}."
        )
    return given


def _server_url(given: str) -> str:
    if "@" in given:
        raise ConfigError("SERVER_URL holds an @: the address is written without a name or key; a key is SERVER_KEY.")
    if given and not _is_address(given):
        raise ConfigError(
            f"SERVER_URL is the address of an OpenAI-compatible server such as http://127.0.0.1:8001/v1, not {given!r}."
        )
    return given.rstrip("/")


def _is_address(given: str) -> bool:
    try:
        url = urlsplit(given)
        return url.scheme in ("http", "https") and bool(url.hostname and url.port != 0 and not url.query)
    except ValueError:
        return False


def _server_key(given: str) -> str:
    if not re.fullmatch("[!-~]*", given):
        raise ConfigError(
            "SERVER_KEY has a space, a line break or a letter that is not ASCII: no HTTP header takes it."
        )
    return given


def _server_models(given: str, sizes: tuple[str, ...]) -> dict[str, str]:
    """The server's name of each size that has one there."""
    models = {}
    for pair in filter(None, given.split(",")):
        size, _, model = (part.strip() for part in pair.partition("="))
        if not size or not model:
            raise ConfigError(f"SERVER_MODELS is written size=model, with commas between; this part is not: {pair!r}.")
        if size not in sizes:
            raise ConfigError(f"SERVER_MODELS names the size {size}, which is not among SIZES: {', '.join(sizes)}.")
        models[size] = model
    return models
