"""Tiny random models for tests: a GPT-2 over single bytes, which knows nothing but runs the real code fast."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from inference import checkpoints, sources

END_OF_TEXT = "<|endoftext|>"


def install_tiny_gpt2(
    root: Path,
    size: str = "gpt2/124M",
    seed: int = 0,
    layers: int = 2,
    width: int = 64,
    context: int = 256,
    added: tuple[str, ...] = (),
) -> Path:
    """Install a random GPT-2 as `size`, by the same way as real weights.

    More `layers` and `width` (a multiple of 4) make it slower. `added` are tokens that its tokenizer has and the model
    does not. Returns its folder in the store.
    """
    return install(root, size, lambda folder: save_tiny_gpt2(folder, seed, layers, width, context, added))


def install(root: Path, size: str, save: Callable[[Path], None]) -> Path:
    """Install what `save` writes into a folder; returns its folder in the store."""
    with tempfile.TemporaryDirectory() as source:
        save(Path(source))
        return checkpoints.install(size, source, root)


def save_tiny_gpt2(
    folder: Path,
    seed: int = 0,
    layers: int = 2,
    width: int = 64,
    context: int = 256,
    added: tuple[str, ...] = (),
) -> None:
    """Write the model and its tokenizer as transformers does."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    sources.hide_progress_bars()
    torch.manual_seed(seed)
    shape = {"n_layer": layers, "n_embd": width, "n_head": 4, "n_positions": context, "vocab_size": 257}
    ends = {"bos_token_id": 256, "eos_token_id": 256, "pad_token_id": 256}
    # Wider than GPT-2's own initial 0.02, so that the tokens are not all about equally likely.
    model = GPT2LMHeadModel(GPT2Config(**shape, **ends, initializer_range=0.2))
    model.save_pretrained(folder)
    tokenizer = byte_tokenizer()
    tokenizer.add_tokens(list(added))
    tokenizer.save_pretrained(folder)


def byte_tokenizer():
    """A tokenizer of single bytes, and the end of the text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({byte: place for place, byte in enumerate(vocabulary)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END_OF_TEXT, bos_token=END_OF_TEXT)
