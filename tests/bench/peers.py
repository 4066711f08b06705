"""The engines that ours is measured beside. Each is given token prompts and returns the new tokens of each."""

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.model import NEW_TOKENS, SIZE, TOP_K, VOCABULARY

Generate = Callable[[list[list[int]]], list[list[int]]]
CTRANSLATE2 = "ctranslate2==4.8.5"
END = VOCABULARY - 1


def transformers_generate(root: Path, dtype: str) -> Generate:
    """`model.generate` on one batch, padded on the left to its longest prompt: the usual worker."""
    import torch
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(root / SIZE, dtype=getattr(torch, dtype)).eval()

    def generate(prompts: list[list[int]]) -> list[list[int]]:
        width = max(map(len, prompts))
        padding = [width - len(prompt) for prompt in prompts]
        ids = torch.tensor([[END] * pad + prompt for pad, prompt in zip(padding, prompts, strict=True)])
        mask = torch.tensor([[0] * pad + [1] * (width - pad) for pad in padding])
        length = {"max_new_tokens": NEW_TOKENS, "min_new_tokens": NEW_TOKENS}
        whole = model.generate(ids, attention_mask=mask, do_sample=True, top_k=TOP_K, pad_token_id=END, **length)
        new: list[list[int]] = whole[:, width:].tolist()
        return new

    return generate


def greedy(root: Path) -> Generate:
    """transformers' own greedy choice in float32, prompt by prompt: what our texts are checked against."""
    import torch
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(root / SIZE, dtype=torch.float32).eval()
    length = {"max_new_tokens": NEW_TOKENS, "min_new_tokens": NEW_TOKENS}

    def generate(prompts: list[list[int]]) -> list[list[int]]:
        new = []
        for prompt in prompts:
            ids = torch.tensor([prompt])
            whole = model.generate(
                ids, attention_mask=torch.ones_like(ids), do_sample=False, pad_token_id=END, **length
            )
            new.append(whole[0, len(prompt) :].tolist())
        return new

    return generate


def ctranslate2_int8(root: Path, home: Path) -> Generate:
    """CTranslate2 with weights rounded to 8 bits, one batch of 32; installed beside the product, not into it."""
    _install(home / "peers")
    import ctranslate2
    from ctranslate2.converters import TransformersConverter

    folder = home / "ctranslate2-int8"
    if not (folder / "model.bin").exists():
        TransformersConverter(str(root / SIZE)).convert(str(folder), quantization="int8", force=True)
    import torch

    generator = ctranslate2.Generator(str(folder), device="cpu", intra_threads=torch.get_num_threads())

    def generate(prompts: list[list[int]]) -> list[list[int]]:
        results = generator.generate_batch(
            [[f"t{token}" for token in prompt] for prompt in prompts],
            min_length=NEW_TOKENS,
            max_length=NEW_TOKENS,
            sampling_topk=TOP_K,
            sampling_temperature=1,
            include_prompt_in_result=False,
            max_batch_size=len(prompts),
        )
        return [result.sequences_ids[0] for result in results]

    return generate


def _install(folder: Path) -> None:
    if not (folder / "ctranslate2").exists():
        print(f"installing the peer {CTRANSLATE2} into {folder}", flush=True)
        wanted = [CTRANSLATE2] if importlib.util.find_spec("yaml") else [CTRANSLATE2, "PyYAML"]
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--target", str(folder), *wanted], check=True)
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
