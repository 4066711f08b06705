"""The running batch of one checkpoint: rows come and go between steps, and one step gives each seated row a token."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from inference import sampling as choosing
from inference.loading import Checkpoint
from inference.sampling import Chosen, Draw, Watermark
from inference.scheduler import Row, Scheduler


@dataclass(frozen=True)
class Token:
    """What one step gave one row; with an `error` the row has left the batch, and the others go on."""

    row: Row
    chosen: Chosen | None
    error: Exception | None = None


class Batch:
    """Rows under one model, each in its slot. For one thread."""

    def __init__(self, checkpoint: Checkpoint, slots: int, context: int) -> None:
        self.checkpoint = checkpoint
        self.context = context
        self._ends = end_of_text(checkpoint)
        self._scheduler = Scheduler(slots)
        self._runner = checkpoint.backend.runner(checkpoint.model, slots, context)

    @property
    def is_idle(self) -> bool:
        """Whether no row is left."""
        return self._scheduler.is_idle

    @property
    def vocabulary(self) -> int:
        """How many tokens the model knows; its tokenizer may know more, that were added to it."""
        return vocabulary(self.checkpoint)

    def add(self, rows: Iterable[Row]) -> None:
        """Let rows join as soon as there is a slot."""
        self._scheduler.add(rows)

    def drop(self, gone: Callable[[Row], bool]) -> list[Row]:
        """Let go of every row that is `gone`; returns them."""
        return self._scheduler.drop(gone)

    @torch.inference_mode()
    def step(self, watermark: Watermark | None = None) -> list[Token]:
        """Carry out the next pass; returns the tokens that it gave."""
        plan = self._scheduler.next()
        if plan is None:
            return []
        logits = self._runner.run(plan)
        return self._extended(plan.rows, logits[: len(plan.rows)], watermark) if plan.rows else []

    def _extended(self, rows: Sequence[Row], logits: torch.Tensor, watermark: Watermark | None) -> list[Token]:
        chosen = choosing.choose(logits, [_draw(row) for row in rows], self._ends, watermark)
        tokens = [self._token(row, choice) for row, choice in zip(rows, chosen, strict=True)]
        broken = {token.row for token in tokens if token.error}
        self._scheduler.drop(lambda row: bool(row.finish_reason) or row in broken)
        return tokens

    def _token(self, row: Row, choice: Chosen | None) -> Token:
        """Extend a row. What goes wrong there is the row's own affair."""
        if choice is None:
            return Token(row, None, FloatingPointError("The model's output holds a value that is not a number."))
        try:
            self._extend(row, choice.token)
        except Exception as error:
            return Token(row, choice, error)
        return Token(row, choice)

    def _extend(self, row: Row, token: int) -> None:
        sampling = row.sequence.sampling
        row.tokens.append(token)
        may_stop = len(row.tokens) >= sampling.min_new_tokens
        if token in self._ends or (may_stop and self.checkpoint.detokenizer.ends_with_stop(row.tokens, sampling.stop)):
            row.finish_reason = "stop"
        elif len(row.tokens) == sampling.max_new_tokens:
            row.finish_reason = "length"


def _draw(row: Row) -> Draw:
    return Draw(row.sequence.sampling, row.sequence.seed, row.sequence.index, row.prompt, row.tokens)


def vocabulary(checkpoint: Checkpoint) -> int:
    """How many tokens the model has an embedding of."""
    count: int = checkpoint.model.get_input_embeddings().weight.shape[0]
    return count


def end_of_text(checkpoint: Checkpoint) -> set[int]:
    """The tokens that end a text, as the model's generation settings name them: one, several or none."""
    named: Any = checkpoint.model.generation_config.eos_token_id
    known = range(vocabulary(checkpoint))  # settings may name a token that the model does not have
    return {token for token in (named if isinstance(named, list) else [named]) if token in known}
