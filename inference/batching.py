"""Continuous batching on one checkpoint: sequences come and go between steps, and a step gives each a token."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from inference import sampling as choosing
from inference.loading import Checkpoint
from inference.sampling import Chosen, Draw, Watermark
from inference.scheduler import Scheduler, SequenceState


@dataclass(frozen=True)
class Token:
    """What one step gave one sequence; with an `error` it has left the batch, and the others go on."""

    state: SequenceState
    chosen: Chosen | None
    error: Exception | None = None


class Batch:
    """Sequences under one model, each in its slot of the KV cache. For one thread."""

    def __init__(self, checkpoint: Checkpoint, slots: int, context: int) -> None:
        self.checkpoint = checkpoint
        self.context = context
        self._ends = end_of_text(checkpoint)
        self._scheduler = Scheduler(slots)
        self._runner = checkpoint.backend.runner(checkpoint.model, slots, context)

    @property
    def is_idle(self) -> bool:
        """Whether no sequence is left."""
        return self._scheduler.is_idle

    @property
    def vocabulary(self) -> int:
        """How many tokens the model knows; its tokenizer may know more, that were added to it."""
        return vocabulary(self.checkpoint)

    def add(self, states: Iterable[SequenceState]) -> None:
        """Admit sequences as soon as there is a slot."""
        self._scheduler.add(states)

    def drop(self, gone: Callable[[SequenceState], bool]) -> list[SequenceState]:
        """Let go of every sequence that is `gone`; returns them."""
        return self._scheduler.drop(gone)

    @torch.inference_mode()
    def step(self, watermark: Watermark | None = None) -> list[Token]:
        """Carry out the next pass; returns the tokens that it gave."""
        scheduled = self._scheduler.schedule()
        if scheduled is None:
            return []
        logits = self._runner.run(scheduled)
        return self._extended(scheduled.decode, logits[: len(scheduled.decode)], watermark) if scheduled.decode else []

    def _extended(
        self, states: Sequence[SequenceState], logits: torch.Tensor, watermark: Watermark | None
    ) -> list[Token]:
        chosen = choosing.choose(logits, [_draw(state) for state in states], self._ends, watermark)
        tokens = [self._token(state, choice) for state, choice in zip(states, chosen, strict=True)]
        broken = {token.state for token in tokens if token.error}
        self._scheduler.drop(lambda state: bool(state.finish_reason) or state in broken)
        return tokens

    def _token(self, state: SequenceState, choice: Chosen | None) -> Token:
        """Extend a sequence. What goes wrong there fails that sequence alone."""
        if choice is None:
            return Token(state, None, FloatingPointError("The model's output holds a value that is not a number."))
        try:
            self._extend(state, choice.token)
        except Exception as error:
            return Token(state, choice, error)
        return Token(state, choice)

    def _extend(self, state: SequenceState, token: int) -> None:
        sampling = state.sequence.sampling
        state.tokens.append(token)
        may_stop = len(state.tokens) >= sampling.min_new_tokens
        if token in self._ends or (
            may_stop and self.checkpoint.detokenizer.ends_with_stop(state.tokens, sampling.stop)
        ):
            state.finish_reason = "stop"
        elif len(state.tokens) == sampling.max_new_tokens:
            state.finish_reason = "length"


def _draw(state: SequenceState) -> Draw:
    return Draw(state.sequence.sampling, state.sequence.seed, state.sequence.index, state.prompt, state.tokens)


def vocabulary(checkpoint: Checkpoint) -> int:
    """How many tokens the model has an embedding of."""
    count: int = checkpoint.model.get_input_embeddings().weight.shape[0]
    return count


def end_of_text(checkpoint: Checkpoint) -> set[int]:
    """The tokens that end a text, as the model's generation settings name them: one, several or none."""
    named: Any = checkpoint.model.generation_config.eos_token_id
    known = range(vocabulary(checkpoint))  # settings may name a token that the model does not have
    return {token for token in (named if isinstance(named, list) else [named]) if token in known}
