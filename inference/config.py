"""What a worker reads from its environment."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from inference import contract

MOST_MEMORY = 0.7
"""The part of a device's memory that a worker takes where nothing else is said."""
CONTAINER_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
"""Where Linux says how many bytes a container may use, by the second and the first version of its control groups."""
REQUIRED = ("REDIS_URL", "WORKER_NAME", "WORKER_KEY", "SIZES")


class ConfigError(Exception):
    """The environment is incomplete or malformed; the message names what is wrong."""


@dataclass(frozen=True)
class Config:
    """One worker's settings.

    `device` "" means: a GPU where there is one. `dtype` is a torch name such as "float32"; "" means: the one that is
    measured to be fastest. `context` is the longest text in tokens, prompt included; `memory_gib` 0 means: most of what
    the device has.

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

    @cache  # noqa: B019 - one configuration a process, and the measurement is not to be repeated
    def chosen_dtype(self) -> str:
        """The torch dtype to compute with; measured where the environment leaves the choice open."""
        if self.dtype:
            return self.dtype
        from inference import packing

        return packing.fastest_dtype(self.chosen_device())

    def memory_bytes(self) -> int:
        """How many bytes weights, keys and values may take together."""
        if self.memory_gib:
            return int(self.memory_gib * 2**30)
        import torch

        device = self.chosen_device()
        if torch.device(device).type == "cuda":
            return int(MOST_MEMORY * torch.cuda.mem_get_info(device)[1])
        return int(MOST_MEMORY * _machine_bytes())


def _machine_bytes() -> int:
    """The memory of the machine, or of the container where that has less."""
    told = [path.read_text().strip() for path in CONTAINER_LIMITS if path.exists()]
    limits = [int(limit) for limit in told if limit.isdigit()]
    return min([os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), *limits])


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
