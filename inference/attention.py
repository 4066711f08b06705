"""The KV cache and attention over it, behind transformers' own attention registry.

A forward pass lays the tokens of all its sequences end to end, without padding. The model's code is transformers'
own: it hands each layer's queries, keys and values to the function registered here, which writes them in place and
attends.
"""

import mmap
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface

from inference import kernel
from inference.scheduler import CacheCopy, PrefillChunk, SequenceState

NAME = "release_portal"
KERNEL_DTYPES = (torch.float32, torch.bfloat16)
LENGTH_STEP = 64
"""torch's kernel is given a whole number of these positions: a longer neighbour then does not change the rounding."""


class KVCache:
    """Keys and values of every layer, `[slots, key-value heads, context, head size]`, written in place."""

    def __init__(self, model: Any, slots: int, context: int) -> None:
        self.shape = shape = Shape.of(model.config)
        room = (slots, shape.heads, context, shape.head_size)
        dtype, device = model.dtype, model.device
        self.keys = [_zeros(room, dtype, device) for _ in range(shape.layers)]
        self.values = [_zeros(room, dtype, device) for _ in range(shape.layers)]
        self.context, self.dtype = context, dtype
        self.windows = windows_of(model.config)

    def copy(self, copies: Sequence[CacheCopy]) -> None:
        """Carry out copies, in their order."""
        for copy in copies:
            for held in (*self.keys, *self.values):
                held[copy.target, :, : copy.length] = held[copy.source, :, : copy.length]


def _zeros(shape: Sequence[int], dtype: Any, device: Any) -> Any:
    """Zeros that take memory, on a CPU, only page by page where they are written: most slots are never full.

    They have to be zeros: what a mask hides is multiplied by zero, and zero times garbage may not be a number.
    """
    if device.type != "cpu":
        return torch.zeros(shape, dtype=dtype, device=device)
    pages = mmap.mmap(-1, prod(shape) * dtype.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return torch.frombuffer(pages, dtype=dtype).view(*shape)


def windows_of(config: Any) -> list[int | None]:
    """How many tokens back each layer sees, by a transformers configuration of a decoder; None for all."""
    config = config.get_text_config(decoder=True)
    window = getattr(config, "sliding_window", None) if getattr(config, "use_sliding_window", True) else None
    kinds = getattr(config, "layer_types", None) or ["sliding_attention"] * config.num_hidden_layers
    return [window if kind == "sliding_attention" else None for kind in kinds]


@dataclass(frozen=True)
class Shape:
    """What of a model's configuration decides the size of its keys and values."""

    layers: int
    heads: int
    head_size: int

    @classmethod
    def of(cls, config: Any) -> "Shape":
        """The shape; `config` is a transformers configuration of a decoder. One without attention heads has one."""
        config = config.get_text_config(decoder=True)
        all_heads = getattr(config, "num_attention_heads", None) or 1
        heads = getattr(config, "num_key_value_heads", None) or all_heads
        size = getattr(config, "head_dim", None) or config.hidden_size // all_heads
        return cls(config.num_hidden_layers, heads, size)

    @property
    def heads_and_size(self) -> tuple[int, int]:
        """Key-value heads, and numbers of each."""
        return self.heads, self.head_size

    def bytes_per_token(self, item: int) -> int:
        """Bytes of keys and values of one token where a number takes `item` bytes."""
        return 2 * self.layers * self.heads * self.head_size * item


class ForwardPass:
    """One forward pass: the tokens of the chunks, then the newest token of each decoding sequence, then padding."""

    def __init__(self, cache: KVCache, chunks: Sequence[PrefillChunk], states: Sequence[SequenceState]) -> None:
        prefilled = sum(chunk.length for chunk in chunks)
        self._cache = cache
        self._parts: list[Prefill | Decode] = []
        if chunks:
            self._parts.append(Prefill(cache, chunks))
        if states:
            self._parts.append(Decode(cache, states, prefilled))

    def attend(self, layer: int, query: Any, key: Any, value: Any, scaling: float | None, window: int | None) -> Any:
        """Queries `[heads, tokens, size]` to outputs `[tokens, heads, size]`; padding gets zeros.

        Raises NotImplementedError where the model says its window by a mask alone, which is not read here, or has keys
        or values of another size than the slots.
        """
        if window != self._cache.windows[layer]:
            raise NotImplementedError("It does not say to its attention how far back a layer sees.")
        if not self._cache.shape.heads_and_size == key.shape[::2] == value.shape[::2]:
            raise NotImplementedError("Its keys and values are not of the size that its configuration names.")
        heads, tokens, size = query.shape
        out = query.new_zeros(tokens, heads, size)
        for part in self._parts:
            part.attend(layer, query, key, value, scaling, window, out)
        return out


class Prefill:
    """Chunks of prompts: each attends to its own slot, up to itself."""

    def __init__(self, cache: KVCache, chunks: Sequence[PrefillChunk]) -> None:
        self._cache = cache
        self._chunks = chunks

    def attend(
        self, layer: int, query: Any, key: Any, value: Any, scaling: float | None, window: int | None, out: Any
    ) -> None:
        """Write to `out` what the pass's first tokens, those of the chunks, see."""
        at = 0
        for chunk in self._chunks:
            piece = slice(at, at + chunk.length)
            end = chunk.start + chunk.length
            keys = self._cache.keys[layer][chunk.state.slot : chunk.state.slot + 1]
            values = self._cache.values[layer][chunk.state.slot : chunk.state.slot + 1]
            keys[0, :, chunk.start : end] = key[:, piece]
            values[0, :, chunk.start : end] = value[:, piece]
            mask = self._mask(chunk, window, query.device)
            seen = _attention(query[None, :, piece], keys[:, :, :end], values[:, :, :end], scaling, mask)
            out[piece] = seen[0].transpose(0, 1)
            at += chunk.length

    def _mask(self, chunk: PrefillChunk, window: int | None, device: Any) -> Any:
        """Which positions each of the chunk's tokens sees; None stands for all up to itself, from position 0."""
        end = chunk.start + chunk.length
        if not chunk.start and not (window and end > window):
            return None
        own = torch.arange(chunk.start, end, device=device)[:, None]
        others = torch.arange(end, device=device)[None]
        seen = others <= own
        return seen & (others > own - window) if window else seen


class Decode:
    """One new token of each sequence, at its own position; in the pass they begin at token `start`."""

    def __init__(self, cache: KVCache, states: Sequence[SequenceState], start: int) -> None:
        self._cache = cache
        self._own = slice(start, start + len(states))
        device = cache.keys[0].device
        self._places = torch.tensor([state.slot for state in states], device=device)
        self._positions = torch.tensor([state.cached - 1 for state in states], device=device)
        self._longest = max(state.cached for state in states)
        side_by_side = [state.slot for state in states] == list(range(len(states)))
        self._held = slice(len(states)) if side_by_side else self._places
        self._masks: dict[int | None, Any] = {}
        self._kernel: Any = kernel.attend() if device.type == "cpu" and cache.dtype in KERNEL_DTYPES else None

    def attend(
        self, layer: int, query: Any, key: Any, value: Any, scaling: float | None, window: int | None, out: Any
    ) -> None:
        """Write to `out` what the new tokens see."""
        keys, values = self._cache.keys[layer], self._cache.values[layer]
        query, key, value = (given[:, self._own].transpose(0, 1).contiguous() for given in (query, key, value))
        if self._kernel:
            self._by_kernel(query, key, value, keys, values, scaling, window or 0, out[self._own])
        else:
            keys[self._places, :, self._positions] = key
            values[self._places, :, self._positions] = value
            out[self._own] = self._by_torch(query, keys, values, scaling, window)

    def _by_kernel(
        self, query: Any, key: Any, value: Any, keys: Any, values: Any, scaling: float | None, window: int, out: Any
    ) -> None:
        rows, heads, size = query.shape
        scale = size**-0.5 if scaling is None else scaling
        tensors = (query, key, value, keys, values, out, self._places, self._positions)
        shape = (rows, heads, keys.shape[1], keys.shape[2], size, window)
        self._kernel(*(held.data_ptr() for held in tensors), *shape, scale, query.dtype == torch.bfloat16)

    def _by_torch(self, query: Any, keys: Any, values: Any, scaling: float | None, window: int | None) -> Any:
        mask = self._mask(window, query.dtype)
        length = mask.shape[-1]
        keys, values = keys[self._held, :, :length], values[self._held, :, :length]
        return _attention(query[:, :, None], keys, values, scaling, mask)[:, :, 0]

    def _mask(self, window: int | None, dtype: Any) -> Any:
        if window not in self._masks:
            own = self._positions[:, None]
            length = min(-(-self._longest // LENGTH_STEP) * LENGTH_STEP, self._cache.context)
            others = torch.arange(length, device=self._positions.device)[None]
            seen = others <= own
            if window:
                seen &= others > own - window
            nothing = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
            self._masks[window] = nothing.masked_fill(~seen, float("-inf"))[:, None, None]
        return self._masks[window]


def _attention(query: Any, keys: Any, values: Any, scaling: float | None, mask: Any) -> Any:
    grouped = query.shape[1] != keys.shape[1]
    return scaled_dot_product_attention(
        query, keys, values, attn_mask=mask, is_causal=mask is None, scale=scaling, enable_gqa=grouped
    )


HARMLESS = {
    "dropout", "output_attentions", "output_hidden_states", "output_router_logits", "position_ids", "use_cache",
    "forward_pass",
}  # fmt: skip
"""What models hand to any attention function, and which changes nothing here."""


def _attend(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    scaling: float | None = None,
    sliding_window: int | None = None,
    is_causal: bool | None = None,
    **given: Any,
) -> tuple[Any, None]:
    """What a transformers model calls; `given["forward_pass"]` is the pass that the runner handed to the model.

    Raises NotImplementedError where it asks for more than is done here.
    """
    if is_causal is False or not getattr(module, "is_causal", True):
        raise NotImplementedError("Its tokens see those that follow them.")
    if strange := sorted(name for name, held in given.items() if name not in HARMLESS and held is not None):
        raise NotImplementedError(f"Its attention takes {strange[0]}, which the engine's does not.")
    if "forward_pass" not in given:
        raise NotImplementedError("Its layers do not hand on to their attention what the model was given.")
    layer = module.layer_idx
    return given["forward_pass"].attend(layer, query[0], key[0], value[0], scaling, sliding_window)[None], None


AttentionInterface.register(NAME, _attend)
AttentionMaskInterface.register(NAME, lambda *_, **__: None)
