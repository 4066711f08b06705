"""Rows that a model extends together, one token a step."""

from dataclasses import dataclass, field

import torch
from transformers import DynamicCache

from inference import contract, sampling
from inference.checkpoints import Checkpoint


@dataclass
class Row:
    """A sequence on its way: its prompt and its text so far, in tokens."""

    sequence: contract.Sequence
    prompt: list[int]
    tokens: list[int] = field(default_factory=list)
    finish_reason: str = ""

    def draw(self) -> sampling.Draw:
        """How this row's next token is chosen."""
        return sampling.Draw(self.sequence.sampling, self.sequence.seed, self.sequence.index, len(self.tokens))

    def extend(self, token: int, end_of_text: set[int]) -> None:
        """Append the token, and finish where it ends the text or is the last one asked for."""
        self.tokens.append(token)
        if token in end_of_text:
            self.finish_reason = "stop"
        elif len(self.tokens) == self.sequence.sampling.max_new_tokens:
            self.finish_reason = "length"


class Batch:
    """Rows of different length under one model, padded on the left; a finished row leaves at once."""

    def __init__(self, checkpoint: Checkpoint, rows: list[Row]) -> None:
        self.rows = rows
        self._model = checkpoint.model
        self._end_of_text = end_of_text(checkpoint)
        self._cache = DynamicCache(config=checkpoint.model.config)
        width = max(len(row.prompt) for row in rows)
        padding = [width - len(row.prompt) for row in rows]
        self._tokens = self._tensor([[0] * pad + row.prompt for pad, row in zip(padding, rows, strict=True)])
        self._mask = self._tensor([[0] * pad + [1] * (width - pad) for pad in padding])
        self._positions = (self._mask.cumsum(1) - 1).clamp(min=0)

    def step(self) -> list[Row]:
        """Give every row one more token; returns the rows that finished by it, which are no longer in `rows`."""
        tokens = sampling.choose(self._logits(), [row.draw() for row in self.rows])
        for row, token in zip(self.rows, tokens, strict=True):
            row.extend(token, self._end_of_text)
        finished = [row for row in self.rows if row.finish_reason]
        if finished:
            self._drop_finished()
        self._append([row.tokens[-1] for row in self.rows])
        return finished

    @torch.inference_mode()
    def _logits(self) -> sampling.Floats:
        output = self._model(
            input_ids=self._tokens,
            attention_mask=self._mask,
            position_ids=self._positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: sampling.Floats = output.logits[:, -1].float().cpu().numpy()
        return logits

    def _drop_finished(self) -> None:
        staying = self._tensor([place for place, row in enumerate(self.rows) if not row.finish_reason])
        self._cache.batch_select_indices(staying)
        self._mask = self._mask[staying]
        self._positions = self._positions[staying]
        self.rows = [row for row in self.rows if not row.finish_reason]

    def _append(self, tokens: list[int]) -> None:
        self._tokens = self._tensor(tokens).unsqueeze(1)
        self._mask = torch.cat([self._mask, torch.ones_like(self._mask[:, :1])], dim=1)
        self._positions = self._positions[:, -1:] + 1

    def _tensor(self, values: list[int] | list[list[int]]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.long, device=self._model.device)


def end_of_text(checkpoint: Checkpoint) -> set[int]:
    """The tokens that end a text, as the model's generation settings name them: one, several or none."""
    named = checkpoint.model.generation_config.eos_token_id
    return set(named) if isinstance(named, list) else {named} - {None}
