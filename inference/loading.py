"""Bringing a checkpoint from the weights store into memory: verified, tried out, laid out for the device."""

import logging
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inference import checkpoints, sources
from inference.checkpoints import CheckpointError
from inference.detokenizer import Detokenizer

if TYPE_CHECKING:
    from inference.backends import Backend

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """A model in memory. `identity` names its weights, `backend` says how its passes are computed."""

    size: str
    identity: str
    model: Any
    tokenizer: Any
    detokenizer: Detokenizer
    backend: "Backend"

    def encode(self, prompt: str) -> tuple[int, ...]:
        """The tokens of a prompt."""
        return tuple(int(token) for token in self.tokenizer(prompt)["input_ids"])


def load(folder: Path, device: str, dtype: str, on: str = "this machine") -> Checkpoint:
    """Verify the files, then load model and tokenizer from them alone, and try the model out.

    Raises `CheckpointError`, also where no path of the engine computes what transformers computes.
    """
    checkpoints.verify(folder, on)
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    from inference import backends

    sources.hide_progress_bars()
    size = f"{folder.parent.name}/{folder.name}"
    only_these: Any = {"local_files_only": True, "trust_remote_code": False}
    config = AutoConfig.from_pretrained(folder, **only_these)
    if getattr(config, "activation_function", "") == "gelu_new":
        config.activation_function = "gelu_pytorch_tanh"  # the same function in one operation instead of eight
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            use_safetensors=True,
            dtype=getattr(torch, dtype),
            attn_implementation="eager",
            **only_these,
        )
    except ValueError as error:
        raise CheckpointError(f"The engine cannot run {size}: {error}") from error
    model = model.to(device).eval()
    try:
        backend = backends.choose(model)
    except Exception as error:  # families differ in how they fail
        raise CheckpointError(f"The engine cannot run {size}: {backends.reason(error)}") from error
    if backend.plain:
        logger.warning("%s runs on the plain path, which is slower: %s", size, backend.plain)
    tokenizer = AutoTokenizer.from_pretrained(folder, **only_these)
    return Checkpoint(size, checkpoints.identity(folder), model, tokenizer, Detokenizer(tokenizer), backend)


def parameters_of(folder: Path) -> int:
    """How many numbers the weights in `folder` have, read from the heads of their files."""
    from safetensors import safe_open

    count = 0
    for file in folder.glob("*.safetensors"):
        with safe_open(file, framework="np") as opened:
            count += sum(prod(opened.get_slice(name).get_shape()) for name in opened.keys())  # noqa: SIM118
    return count
