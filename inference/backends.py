"""Which backend computes a model's attention: the engine's own where it is right, else transformers', else none."""

from dataclasses import dataclass
from typing import Any

from inference import attention, packing, selfcheck
from inference.attention import KVCache
from inference.runners import BatchRunner, Runner, TransformersRunner
from inference.selfcheck import Difference

LONGEST_REASON = 300


@dataclass(frozen=True)
class Backend:
    """How the passes of a model are computed.

    Passes of fewer rows than `fewest_rows` are padded: else a row's rounding would depend on the rows beside it.
    `plain` says why transformers' own cache is used, "" where the engine's attention is. Such a cache then takes
    `bytes_per_token` and `bytes_per_slot`.
    """

    fewest_rows: int = 1
    plain: str = ""
    bytes_per_token: int = 0
    bytes_per_slot: int = 0

    def runner(self, model: Any, slots: int, context: int) -> Runner:
        """What runs forward passes over that number of slots, each of `context` tokens."""
        return (
            TransformersRunner(model)
            if self.plain
            else BatchRunner(model, KVCache(model, slots, context), self.fewest_rows)
        )


def choose(model: Any) -> Backend:
    """The backend that computes what transformers computes, tried out; the model, in eager attention, is made ready for
    it. Raises `Difference` where there is none."""
    expected = selfcheck.reference(model)
    try:
        return _in_slots(model, expected)
    except Exception as error:  # whatever it is, this model is not for the engine's attention
        why = reason(error)
    model.set_attn_implementation("eager")
    runner = TransformersRunner(model)
    try:
        long, *_, short = selfcheck.compare(model, runner, expected)
    except Exception as error:
        raise Difference(f"Its attention: {why} With transformers' own cache: {reason(error)}") from error
    tokens, more = short.cached, long.cached - short.cached
    per_token = (runner.bytes_of(long) - runner.bytes_of(short)) // more
    per_slot = runner.bytes_of(short) - per_token * tokens
    return Backend(plain=why, bytes_per_token=per_token, bytes_per_slot=per_slot)


def reason(error: Exception) -> str:
    """An error of a model in a line. It quotes nobody: what a model is tried out with is drawn at random."""
    words = str(error) if isinstance(error, Difference | NotImplementedError) else f"{type(error).__name__}: {error}"
    return " ".join(words.split())[:LONGEST_REASON]


def _in_slots(model: Any, expected: Any) -> Backend:
    selfcheck.check_config(model.config)
    model.set_attn_implementation(attention.NAME)
    if model.config.get_text_config(decoder=True)._attn_implementation != attention.NAME:
        raise Difference("Its code has an attention of its own.")
    cache = KVCache(model, len(selfcheck.LENGTHS), max(selfcheck.LENGTHS))
    selfcheck.compare(model, BatchRunner(model, cache, 1), expected)
    fewest_rows = packing.pack(model)
    selfcheck.compare(model, BatchRunner(model, cache, fewest_rows), expected)
    return Backend(fewest_rows)
