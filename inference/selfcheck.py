"""Whether the engine computes what transformers computes, tried out with a checkpoint's own weights as it is loaded.

What the engine's attention does not know of a model (sinks, biases by distance, caps on scores) would not fail: it
would write other text. So no family is believed: sequences of different lengths are prefilled in chunks, beside each
other, then given tokens, and their logits compared with those of transformers' eager attention.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from statistics import median
from typing import Any

import torch

from inference.contract import Sampling
from inference.contract import Sequence as Asked
from inference.runners import Runner
from inference.scheduler import PrefillChunk, SchedulerOutput, SequenceState

STEPS = 5
"""Tokens that each sequence is given after its prompt."""
LENGTHS = (43, 14, STEPS)
"""Tokens of each sequence, those included: a long prompt, a short one, and one of one token, which needs no prefill."""
PIECE = 16
"""Tokens of the longest prompt that are prefilled at once."""
TOLERANCES = {torch.float32: 1e-3, torch.bfloat16: 0.1, torch.float16: 0.05}
"""How far apart logits may be, as a part of their spread around their mean; more is not rounding."""
LAYER_TYPES = {"full_attention", "sliding_attention"}
ROPE_TYPES = {"default", "linear", "dynamic", "yarn", "longrope", "llama3"}
"""Rotary frequencies that are the same for every text, as long as `longest_of` allows."""


class Difference(Exception):
    """A model is not computed as transformers computes it, or could not be; the message says in what, in a sentence."""


def longest_of(config: Any) -> int | None:
    """Tokens of the longest text that a model takes; None where its configuration sets no limit.

    Beyond its original length, longrope takes other frequencies for all tokens in the pass. They would not fit the keys
    in the cache, and would change the texts beside a long one.
    """
    config = config.get_text_config(decoder=True)
    limits = [
        rope["original_max_position_embeddings"] for rope in _ropes(config) if rope.get("rope_type") == "longrope"
    ]
    return min([*limits, *filter(None, [getattr(config, "max_position_embeddings", None)])], default=None)


def check_config(config: Any) -> None:
    """Raise `Difference` where the configuration names what the engine's attention does not know."""
    config = config.get_text_config(decoder=True)
    if strange := sorted({*(getattr(config, "layer_types", None) or ())} - LAYER_TYPES):
        raise Difference(f"It has layers of the type {strange[0]}.")
    if strange := sorted({rope.get("rope_type") or "default" for rope in _ropes(config)} - ROPE_TYPES):
        raise Difference(f"Its rotary embedding is of the type {strange[0]}.")


@torch.inference_mode()
def reference(model: Any) -> list[torch.Tensor]:
    """What transformers computes without a cache: the last logits of each sequence, `[STEPS, vocabulary]`."""
    texts = [torch.tensor([tokens], device=model.device) for tokens in _texts(model)]
    return [model(input_ids=tokens, use_cache=False).logits[0, -STEPS:].float() for tokens in texts]


@torch.inference_mode()
def compare(model: Any, runner: Runner, expected: Sequence[torch.Tensor]) -> list[SequenceState]:
    """Run the sequences, and return their states; raises `Difference` where their logits are not as expected.

    In each sequence the median step counts: where a layer chooses experts by nearly equal scores, rounding may change
    one.
    """
    texts = _texts(model)
    states = [_state(tokens, slot) for slot, tokens in enumerate(texts)]
    steps = []
    for scheduled in _schedule(states):
        logits = runner.run(scheduled)
        if scheduled.decode:
            steps.append(logits[: len(states)].float())
            for state, tokens in zip(states, texts, strict=True):
                state.tokens += tokens[state.cached : state.cached + 1]
    tolerance = TOLERANCES[model.dtype]
    for length, own, other in zip(LENGTHS, torch.stack(steps, dim=1), expected, strict=True):
        apart = median(map(_distance, own, other))
        if not apart <= tolerance:
            raise Difference(
                f"Logits after {length} tokens differ from those of transformers by {apart:.1g} of their spread;"
                f" rounding explains {tolerance:g}."
            )
    return states


def _schedule(states: Sequence[SequenceState]) -> Iterator[SchedulerOutput]:
    """The longest prompt by pieces, the last of them beside the others; then a token at a time."""
    longest = states[0]
    while len(longest.prompt) - 1 - longest.cached > PIECE:
        yield SchedulerOutput((), (_chunk(longest, PIECE),))
    chunks = tuple(_chunk(state, left) for state in states if (left := len(state.prompt) - 1 - state.cached))
    for _ in range(STEPS):
        for state in states:
            state.cached += 1
        yield SchedulerOutput((), chunks, tuple(states))
        chunks = ()


def _chunk(state: SequenceState, length: int) -> PrefillChunk:
    chunk = PrefillChunk(state, state.cached, length)
    state.cached += length
    return chunk


def _state(tokens: Sequence[int], slot: int) -> SequenceState:
    asked = Asked(str(slot), "", 0, slot, Sampling(STEPS))
    return SequenceState(asked, tuple(tokens[: len(tokens) - STEPS + 1]), slot=slot)


def _texts(model: Any) -> list[list[int]]:
    """Any tokens will do but those with a meaning of their own, such as an image's place."""
    config = model.config.get_text_config(decoder=True)
    special = {value for name, value in vars(config).items() if name.endswith("_token_id") and isinstance(value, int)}
    known = [token for token in range(model.get_input_embeddings().weight.shape[0]) if token not in special]
    drawn = torch.randint(len(known), (sum(LENGTHS),), generator=torch.Generator().manual_seed(0)).tolist()
    tokens = iter([known[place] for place in drawn])
    return [list(islice(tokens, length)) for length in LENGTHS]


def _ropes(config: Any) -> list[dict[str, Any]]:
    """The settings of its rotary embeddings: one for all layers, or one for each of their types."""
    given = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    nested = [value for value in given.values() if isinstance(value, dict)]
    return nested or [given]


def _distance(one: torch.Tensor, other: torch.Tensor) -> float:
    """Root of the mean square of the difference, as a part of the other's spread; what is the same for all tokens does
    not change which is chosen."""
    one, other = one - one.mean(), other - other.mean()
    return float((one - other).norm() / other.norm())
