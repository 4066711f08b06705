"""Two ways to carry out a plan on a model: the engine's own attention, and transformers' own cache."""

from collections.abc import MutableMapping
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import torch
from torch.utils._pytree import tree_leaves

from inference.attention import Pass, Slots
from inference.scheduler import Plan, Row

CACHE_NAMES = ("past_key_values", "cache_params")
"""What models call what they keep of the tokens before."""


class Runner(Protocol):
    """What carries out plans. For one thread."""

    def run(self, plan: Plan) -> torch.Tensor:
        """The logits after the newest token of each of the plan's rows, `[rows or more, vocabulary]`."""


class SlotRunner:
    """All rows in one pass, over keys and values in slots. Passes of fewer tokens than `fewest_rows` are filled up."""

    def __init__(self, model: Any, slots: Slots, fewest_rows: int) -> None:
        self._model = model
        self._slots = slots
        self._fewest_rows = fewest_rows

    def run(self, plan: Plan) -> torch.Tensor:
        """See `Runner`."""
        self._slots.copy(plan.copies)
        tokens = [token for span in plan.spans for token in span.row.prompt[span.start : span.start + span.length]]
        positions = [place for span in plan.spans for place in range(span.start, span.start + span.length)]
        wanted = list(range(len(tokens), len(tokens) + len(plan.rows)))
        tokens += [row.newest for row in plan.rows]
        positions += [row.cached - 1 for row in plan.rows]
        output = self._model(
            input_ids=self._tensor([self._filled_up(tokens)]),
            position_ids=self._tensor([self._filled_up(positions)]),
            pass_=Pass(self._slots, plan.spans, plan.rows),
            use_cache=False,
            logits_to_keep=self._tensor(self._filled_up(wanted)),
        )
        logits: torch.Tensor = output.logits[0]
        return logits

    def _filled_up(self, numbers: list[int]) -> list[int]:
        return numbers + [0] * (self._fewest_rows - len(numbers))

    def _tensor(self, numbers: Any) -> torch.Tensor:
        return torch.tensor(numbers, device=self._model.device)


class PlainRunner:
    """Each row by itself, as `transformers.generate` runs it: for models that the engine's attention cannot serve.

    A prompt is filled in with the row's first token, whatever the plan's spans and copies say: not every model takes a
    prompt in pieces, and not every cache can be cut where another row's prompt ends. A model that hands out no cache
    keeps what it must in its layers, for one text at a time: it reads every text from the beginning at each token.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._has_cache = True
        self._caches: MutableMapping[Row, Any] = WeakKeyDictionary()

    def run(self, plan: Plan) -> torch.Tensor:
        """See `Runner`."""
        if not plan.rows:
            return torch.empty(0)
        return torch.stack([self._logits(row) for row in plan.rows])

    def bytes_of(self, row: Row) -> int:
        """Bytes of what is kept of a row."""
        layers = [vars(layer) for cache in (self._caches.get(row) or {}).values() for layer in cache.layers]
        return sum(held.nbytes for held in tree_leaves(layers) if isinstance(held, torch.Tensor))

    def _logits(self, row: Row) -> torch.Tensor:
        tokens = torch.tensor([[*row.prompt, *row.tokens]], device=self._model.device)
        cache = self._caches.get(row)
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
                return self._logits(row)
            self._caches[row] = {name: output[name] for name in CACHE_NAMES if name in output}
        logits: torch.Tensor = output.logits[0, -1]
        return logits
