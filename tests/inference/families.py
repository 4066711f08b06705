"""Decoder families, tiny and random, and how the engine runs each.

`python -m tests.inference.families` prints the table of `inference/README.md`.
"""

import logging
import tempfile
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from inference import loading, sources
from inference.checkpoints import CheckpointError
from tests.inference.tiny import byte_tokenizer, install

SMALL = {
    "vocab_size": 257, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 256, "bos_token_id": 256, "eos_token_id": 256,
    "pad_token_id": 256,
}  # fmt: skip
EXPERTS = {
    "num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32,
    "shared_expert_intermediate_size": 32, "decoder_sparse_step": 1,
}  # fmt: skip
OLD = {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 256, "n_ctx": 256, "n_inner": None}
STATE = {"mamba_n_heads": 8, "mamba_d_head": 16, "mamba_d_state": 16, "mamba_chunk_size": 16, "mamba_n_groups": 1}
LONGROPE = {
    "rope_type": "longrope", "rope_theta": 10000.0, "short_factor": [1.0] * 8, "long_factor": [4.0] * 8,
    "original_max_position_embeddings": 64,
}  # fmt: skip
FAMILIES = {
    "apertus": {},
    "bamba": {**STATE, "attn_layer_indices": [1]},
    "bloom": {"n_layer": 2, "n_head": 4},
    "codegen": {**OLD, "rotary_dim": 8},
    "cohere2": {"sliding_window": 8},
    "deepseek_v3": {
        "num_key_value_heads": 4, "q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 8,
        "v_head_dim": 16, "n_routed_experts": 4, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1,
        "moe_intermediate_size": 32, "first_k_dense_replace": 1, "head_dim": 8,
    },
    "diffllama": {},
    "exaone4": {"sliding_window": 8},
    "falcon": {"new_decoder_architecture": False, "multi_query": True, "alibi": False},
    "falcon_h1": {**STATE, "mamba_d_ssm": 128},
    "gemma": {},
    "gemma2": {"sliding_window": 8},
    "gemma3_text": {"sliding_window": 8},
    "glm4": {},
    "gpt2": {**OLD, "activation_function": "gelu_new"},
    "gpt_bigcode": {**OLD},
    "gpt_neo": {
        "num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]], "window_size": 8,
        "intermediate_size": 96,
    },
    "gpt_neox": {},
    "gpt_oss": {**EXPERTS, "sliding_window": 8},
    "gptj": {**OLD, "rotary_dim": 8},
    "granite": {},
    "granitemoehybrid": {**STATE, **EXPERTS, "layer_types": ["mamba", "attention"]},
    "lfm2": {"layer_types": ["conv", "full_attention"]},
    "llama": {},
    "llama4_text": {**EXPERTS, "intermediate_size_mlp": 96, "attention_chunk_size": 8},
    "mamba": {"state_size": 16},
    "minimax": {**EXPERTS, "layer_types": ["linear_attention", "full_attention"], "block_size": 16},
    "mistral": {"sliding_window": 8},
    "mixtral": {**EXPERTS},
    "mpt": {"d_model": 64, "n_heads": 4, "n_layers": 2, "max_seq_len": 256},
    "nemotron": {},
    "olmo2": {},
    "openai-gpt": {**OLD},
    "opt": {"ffn_dim": 96, "word_embed_proj_dim": 64},
    "phi": {},
    "phi3": {"rope_parameters": LONGROPE, "original_max_position_embeddings": 64},
    "qwen2": {},
    "qwen3": {},
    "qwen3_moe": {**EXPERTS},
    "qwen3_next": {
        **EXPERTS, "layer_types": ["linear_attention", "full_attention"], "linear_key_head_dim": 16,
        "linear_value_head_dim": 16, "linear_num_key_heads": 2, "linear_num_value_heads": 4,
    },
    "recurrent_gemma": {"block_types": ["recurrent", "attention"], "attention_window_size": 8},
    "smollm3": {},
    "stablelm": {},
    "starcoder2": {"sliding_window": 8},
    "zamba2": {
        "num_hidden_layers": 3, "layers_block_type": ["mamba", "hybrid", "mamba"], "mamba_d_state": 16,
        "n_mamba_heads": 8, "mamba_headdim": 16, "chunk_size": 16, "num_key_value_heads": 4,
    },
}  # fmt: skip
"""Model types with what makes them small, beside `SMALL`. Windows are shorter than the texts they are tried with."""


@dataclass(frozen=True)
class Finding:
    """How the engine runs a family: "same", "plain" or "refused", and why."""

    family: str
    how: str
    why: str = ""


def save(family: str, folder: Path) -> None:
    """Write a tiny random model of a family, with a tokenizer of single bytes."""
    torch.manual_seed(0)
    kind = type(AutoConfig.for_model(family))
    known = {field.name for field in fields(kind)} | kind.attribute_map.keys()
    config = kind(**{name: value for name, value in SMALL.items() if name in known} | FAMILIES[family])
    model = AutoModelForCausalLM.from_config(config)
    for name, parameter in model.named_parameters():
        _spread(name, parameter.data)
    model.save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)


def look_at(family: str, root: Path) -> Finding:
    """Load a family as a worker does."""
    install(root, f"{family}/tiny", lambda folder: save(family, folder))
    try:
        checkpoint = loading.load(root / family / "tiny", "cpu", "float32")
    except CheckpointError as error:
        return Finding(family, "refused", str(error).partition(": ")[2])
    return Finding(family, "plain" if checkpoint.backend.plain else "same", checkpoint.backend.plain)


def _spread(name: str, values: torch.Tensor) -> None:
    """Wider than most families begin with: each part of a model then has a part in what it writes."""
    if values.dim() > 1 and "A_log" not in name:
        values.normal_(0, 1.2 * values.shape[-1] ** -0.5)
    elif name.endswith(("bias", "sinks")):
        values.normal_(0, 0.3)


def table() -> str:
    """A row of each family, as Markdown."""
    with tempfile.TemporaryDirectory() as root:
        findings = [look_at(family, Path(root)) for family in FAMILIES]
    rows = [f"| {found.family} | {found.how} | {found.why} |" for found in findings]
    return "\n".join(["| family | the engine's attention | why not |", "|---|---|---|", *rows])


if __name__ == "__main__":
    sources.hide_progress_bars()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    print(table())
