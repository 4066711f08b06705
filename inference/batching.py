"""The running batch of one checkpoint: rows come and go between steps, and one step gives each seated row a token."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from inference import sampling as choosing
from inference.attention import Pass, Slots
from inference.loading import Checkpoint
from inference.sampling import Chosen, Draw, Watermark
from inference.scheduler import Plan, Row, Scheduler


@dataclass(frozen=True)
class Token:
    """What one step gave one row; `chosen` is None where the model's output for it held something not a number."""

    row: Row
    chosen: Chosen | None


class Batch:
    """Rows under one model, each in its slot. For one thread."""

    def __init__(self, checkpoint: Checkpoint, slots: int, context: int) -> None:
        self.checkpoint = checkpoint
        self.context = context
        self._model = checkpoint.model
        self._ends = end_of_text(checkpoint)
        self._scheduler = Scheduler(slots)
        self._slots = Slots(checkpoint.model, slots, context)

    @property
    def is_idle(self) -> bool:
        """Whether no row is left."""
        return self._scheduler.is_idle

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
        self._slots.copy(plan.copies)
        logits = self._logits(plan)
        return self._extended(plan.rows, logits[: len(plan.rows)], watermark) if plan.rows else []

    def _logits(self, plan: Plan) -> torch.Tensor:
        """The model's output for the plan's rows, and for what fills it up behind them."""
        tokens = [token for span in plan.spans for token in span.row.prompt[span.start : span.start + span.length]]
        positions = [place for span in plan.spans for place in range(span.start, span.start + span.length)]
        wanted = list(range(len(tokens), len(tokens) + len(plan.rows)))
        tokens += [row.newest for row in plan.rows]
        positions += [row.cached - 1 for row in plan.rows]
        fewest = self.checkpoint.fewest_rows
        output = self._model(
            input_ids=self._tensor([tokens + [0] * (fewest - len(tokens))]),
            position_ids=self._tensor([positions + [0] * (fewest - len(tokens))]),
            pass_=Pass(self._slots, plan.spans, plan.rows),
            use_cache=False,
            logits_to_keep=self._tensor(wanted + [0] * (fewest - len(wanted))),
        )
        logits: torch.Tensor = output.logits[0]
        return logits

    def _tensor(self, numbers: Any) -> torch.Tensor:
        return torch.tensor(numbers, device=self._model.device)

    def _extended(self, rows: Sequence[Row], logits: torch.Tensor, watermark: Watermark | None) -> list[Token]:
        chosen = choosing.choose(logits, [_draw(row) for row in rows], self._ends, watermark)
        for row, choice in zip(rows, chosen, strict=True):
            if choice:
                self._extend(row, choice.token)
        self._scheduler.drop(lambda row: bool(row.finish_reason))
        return [Token(row, choice) for row, choice in zip(rows, chosen, strict=True)]

    def _extend(self, row: Row, token: int) -> None:
        sampling = row.sequence.sampling
        row.tokens.append(token)
        may_stop = len(row.tokens) >= sampling.min_new_tokens
        if token in self._ends or (may_stop and self.checkpoint.ends_with_stop(row.tokens, sampling.stop)):
            row.finish_reason = "stop"
        elif len(row.tokens) == sampling.max_new_tokens:
            row.finish_reason = "length"


def _draw(row: Row) -> Draw:
    return Draw(row.sequence.sampling, row.sequence.seed, row.sequence.index, row.prompt, row.tokens)


def end_of_text(checkpoint: Checkpoint) -> set[int]:
    """The tokens that end a text, as the model's generation settings name them: one, several or none."""
    named: Any = checkpoint.model.generation_config.eos_token_id
    return set(named) if isinstance(named, list) else {named} - {None}
