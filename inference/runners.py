"""Two ways to run a forward pass: the engine's own attention over its KV cache, and transformers' own cache."""

from collections.abc import MutableMapping
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import torch
from torch.utils._pytree import tree_leaves

from inference.attention import ForwardPass, KVCache
from inference.scheduler import SchedulerOutput, SequenceState

CACHE_NAMES = ("past_key_values", "cache_params")
"""What models call what they keep of the tokens before."""


class Runner(Protocol):
    """What runs forward passes. For one thread."""

    def run(self, scheduled: SchedulerOutput) -> torch.Tensor:
        """The logits after the newest token of each sequence that decodes, `[sequences or more, vocabulary]`."""


class BatchRunner:
    """All sequences in one pass, over a KV cache. Passes of fewer tokens than `fewest_rows` are padded."""

    def __init__(self, model: Any, cache: KVCache, fewest_rows: int) -> None:
        self._model = model
        self._cache = cache
        self._fewest_rows = fewest_rows

    def run(self, scheduled: SchedulerOutput) -> torch.Tensor:
        """See `Runner`."""
        self._cache.copy(scheduled.copies)
        tokens = [
            token
            for chunk in scheduled.prefill
            for token in chunk.state.prompt[chunk.start : chunk.start + chunk.length]
        ]
        positions = [place for chunk in scheduled.prefill for place in range(chunk.start, chunk.start + chunk.length)]
        wanted = list(range(len(tokens), len(tokens) + len(scheduled.decode)))
        tokens += [state.newest for state in scheduled.decode]
        positions += [state.cached - 1 for state in scheduled.decode]
        output = self._model(
            input_ids=self._tensor([self._padded(tokens)]),
            position_ids=self._tensor([self._padded(positions)]),
            forward_pass=ForwardPass(self._cache, scheduled.prefill, scheduled.decode),
            use_cache=False,
            logits_to_keep=self._tensor(self._padded(wanted)),
        )
        logits: torch.Tensor = output.logits[0]
        return logits

    def _padded(self, numbers: list[int]) -> list[int]:
        return numbers + [0] * (self._fewest_rows - len(numbers))

    def _tensor(self, numbers: Any) -> torch.Tensor:
        return torch.tensor(numbers, device=self._model.device)


class TransformersRunner:
    """Each sequence by itself, as `transformers.generate` runs it: for models that the engine's attention cannot serve.

    A prompt is prefilled with the sequence's first token, whatever chunks and copies are scheduled: not every model
    takes a prompt in pieces, and not every cache can be cut where another prompt ends. A model that hands out no cache
    keeps what it must in its layers, for one text at a time: it reads every text from the beginning at each token.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._has_cache = True
        self._caches: MutableMapping[SequenceState, Any] = WeakKeyDictionary()

    def run(self, scheduled: SchedulerOutput) -> torch.Tensor:
        """See `Runner`."""
        if not scheduled.decode:
            return torch.empty(0)
        return torch.stack([self._logits(state) for state in scheduled.decode])

    def bytes_of(self, state: SequenceState) -> int:
        """Bytes of what is kept of a sequence."""
        layers = [vars(layer) for cache in (self._caches.get(state) or {}).values() for layer in cache.layers]
        return sum(held.nbytes for held in tree_leaves(layers) if isinstance(held, torch.Tensor))

    def _logits(self, state: SequenceState) -> torch.Tensor:
        tokens = torch.tensor([[*state.prompt, *state.tokens]], device=self._model.device)
        cache = self._caches.get(state)
        inputs = self._model.prepare_inputs_for_generation(
            tokens,
            next_sequence_length=1 if cache is not None else None,
            attention_mask=torch.ones_like(tokens),
            position_ids=torch.arange(tokens.shape[1], device=tokens.device)[None],
            use_cache=self._has_cache,
            is_first_iteration=cache is None,
            **cache or {},
        )
        output = self._model(**inputs, return_dict=True)
        if self._has_cache:
            self._has_cache = any(output.get(name) is not None for name in CACHE_NAMES)
            if not self._has_cache:
                return self._logits(state)
            self._caches[state] = {name: output[name] for name in CACHE_NAMES if name in output}
        logits: torch.Tensor = output.logits[0, -1]
        return logits
