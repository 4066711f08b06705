"""What a worker reads from its environment."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

REQUIRED = ("REDIS_URL", "WORKER_KEY", "WEIGHTS_ROOT", "SIZES")


class ConfigError(Exception):
    """The environment is incomplete; the message names what is missing."""


@dataclass(frozen=True)
class Config:
    """One worker's settings. `device` "" means: a GPU where there is one. `dtype` is a torch name such as "float32"."""

    redis_url: str
    worker_key: str = field(repr=False)
    weights_root: Path
    sizes: tuple[str, ...]
    worker: str
    device: str = ""
    dtype: str = "float32"
    batch_rows: int = 16

    def chosen_device(self) -> str:
        """The torch device to use; imports torch where the environment leaves the choice open."""
        if self.device:
            return self.device
        import torch

        return "cuda" if torch.cuda.is_available() else "cpu"


def from_environment(environ: Mapping[str, str] = os.environ) -> Config:
    """The settings; raises `ConfigError` naming every required variable that is missing."""
    if missing := [name for name in REQUIRED if not environ.get(name)]:
        raise ConfigError(f"A worker needs these environment variables, which are not set: {', '.join(missing)}.")
    return Config(
        redis_url=environ["REDIS_URL"],
        worker_key=environ["WORKER_KEY"],
        weights_root=Path(environ["WEIGHTS_ROOT"]),
        sizes=tuple(size.strip() for size in environ["SIZES"].split(",")),
        worker=environ.get("WORKER_NAME") or f"{socket.gethostname()}-{os.getpid()}",
        device=environ.get("DEVICE", ""),
        dtype=environ.get("DTYPE") or "float32",
        batch_rows=int(environ.get("BATCH_ROWS") or 16),
    )
