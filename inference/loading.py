"""Bringing a checkpoint from the weights store into memory: verified, laid out for the device, with its tokenizer."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from inference import checkpoints, sources
from inference.checkpoints import CheckpointError


@dataclass(frozen=True)
class Checkpoint:
    """A model in memory. `identity` names the weights it was loaded from.

    Passes of fewer rows than `fewest_rows` are padded: else a row's rounding would depend on the rows beside it.
    """

    size: str
    identity: str
    model: Any
    tokenizer: Any
    fewest_rows: int = 1

    def encode(self, prompt: str) -> tuple[int, ...]:
        """The tokens of a prompt."""
        return tuple(int(token) for token in self.tokenizer(prompt)["input_ids"])

    def token(self, token: int) -> str:
        """One token as text."""
        text: str = self.tokenizer.decode([token], clean_up_tokenization_spaces=False)
        return text

    def continuation(self, prompt: Sequence[int], tokens: Sequence[int], stop: Sequence[str] = ()) -> str:
        """What the new tokens add to the prompt, up to the first of the `stop` strings.

        Decoded alone, some tokenizers would lose the space before the first word.
        """
        text = self._decode([*prompt, *tokens]).removeprefix(self._decode(prompt))
        cuts = [place for string in stop if (place := text.find(string)) >= 0]
        return text[: min(cuts)] if cuts else text

    def ends_with_stop(self, tokens: Sequence[int], stop: Sequence[str]) -> bool:
        """Whether the newest token completed one of the `stop` strings."""
        if not stop:
            return False
        # A token is a byte at least, so the string lies within as many tokens as it has bytes, and a broken character.
        tail = self._decode(tokens[-(max(len(string.encode()) for string in stop) + 4) :])
        return any(string in tail for string in stop)

    def _decode(self, tokens: Sequence[int]) -> str:
        text: str = self.tokenizer.decode(tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text


def load(folder: Path, device: str, dtype: str, on: str = "this machine") -> Checkpoint:
    """Verify the files, then load model and tokenizer from them alone; raises `CheckpointError`."""
    checkpoints.verify(folder, on)
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    from inference import attention, packing

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
            attn_implementation=attention.NAME,
            **only_these,
        )
    except ValueError as error:
        raise CheckpointError(f"The engine cannot run {size}: {error}") from error
    model = model.to(device).eval()
    fewest_rows = packing.pack(model)
    tokenizer = AutoTokenizer.from_pretrained(folder, **only_these)
    return Checkpoint(size, checkpoints.identity(folder), model, tokenizer, fewest_rows)


def parameters_of(folder: Path) -> int:
    """How many numbers the weights in `folder` have, read from the heads of their files."""
    from safetensors import safe_open

    count = 0
    for file in folder.glob("*.safetensors"):
        with safe_open(file, framework="np") as opened:
            count += sum(prod(opened.get_slice(name).get_shape()) for name in opened.keys())  # noqa: SIM118
    return count
