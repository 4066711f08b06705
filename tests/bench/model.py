"""The model and the work that every engine is given: GPT-2 124M with seeded random weights, prompts of known length."""

import random
from pathlib import Path

from inference import checkpoints, sources
from inference.contract import Sampling, Sequence

SIZE = "gpt2/124M"
NEW_TOKENS = 64
TOP_K = 40
VOCABULARY = 50_257


def install(home: Path) -> Path:
    """The weights store under `home`, with the model in it; made at the first call."""
    source = home / "source"
    if not (source / "config.json").exists():
        _save(source)
    root = home / "weights"
    if not checkpoints.is_installed_from(str(source), root / SIZE):
        checkpoints.install(SIZE, str(source), root)
    return root


def prompts(count: int, seed: int = 1) -> list[list[int]]:
    """Token prompts of 8 to 192 tokens, evenly spread and shuffled."""
    drawn = random.Random(seed)
    lengths = [8 + round(184 * number / max(1, count - 1)) for number in range(count)]
    drawn.shuffle(lengths)
    return [[drawn.randrange(VOCABULARY - 1) for _ in range(length)] for length in lengths]


def sequences(prompts: list[list[int]], samples: int = 1, **settings: float) -> list[Sequence]:
    """The prompts as work for our engine: exactly 64 new tokens each, unless settings say otherwise."""
    given = {"max_new_tokens": NEW_TOKENS, "min_new_tokens": NEW_TOKENS, "top_k": TOP_K} | settings
    sampling = Sampling(**given)  # type: ignore[arg-type]
    texts = [as_text(prompt) for prompt in prompts]
    return [
        Sequence(f"{number}/{sample}", text, 1, number * samples + sample, sampling)
        for number, text in enumerate(texts)
        for sample in range(samples)
    ]


def as_text(prompt: list[int]) -> str:
    """What the bench's tokenizer reads as these tokens."""
    return " ".join(f"t{token}" for token in prompt)


def _save(folder: Path) -> None:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    sources.hide_progress_bars()
    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config()).save_pretrained(folder)
    words = {f"t{token}": token for token in range(VOCABULARY - 1)} | {"<|endoftext|>": VOCABULARY - 1}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<|endoftext|>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    end = "<|endoftext|>"
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=end, bos_token=end, unk_token=end).save_pretrained(
        folder
    )
