"""What turns sequences into texts: one engine per process, with one checkpoint in memory.

torch and transformers are imported at the first order, so that a worker is up, and says hello, before they are.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from inference import checkpoints, contract
from inference.checkpoints import Checkpoint
from inference.config import Config
from inference.contract import Text

if TYPE_CHECKING:
    from inference.batching import Row


@dataclass(frozen=True)
class Step:
    """What one step of the model brought: how many new tokens, and the texts that finished by it."""

    tokens: int
    texts: tuple[Text, ...]


class Engine:
    """Holds one checkpoint and generates with it; takes another when asked for it. For one thread at a time."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._held: Checkpoint | None = None

    def identity(self) -> str:
        """The identity of the checkpoint in memory, "" where there is none."""
        return self._held.identity if self._held else ""

    def generate(
        self, size: str, sequences: Sequence[contract.Sequence], stopped: Callable[[], bool]
    ) -> Iterator[Step]:
        """Extend every prompt, a batch at a time; ends before the next token once `stopped()`.

        A prompt that the model cannot take gives a refused `Text`. Raises `CheckpointError`.
        """
        checkpoint = self._checkpoint(size)
        rows, refused = _admitted(checkpoint, sequences)
        if refused:
            yield Step(0, tuple(refused))
        for start in range(0, len(rows), self._config.batch_rows):
            yield from _run(checkpoint, rows[start : start + self._config.batch_rows], stopped)

    def _checkpoint(self, size: str) -> Checkpoint:
        folder = checkpoints.folder_of(size, self._config.weights_root)
        if self._held and (self._held.size, self._held.identity) != (size, checkpoints.identity(folder)):
            self._held = None
        if self._held is None:
            on = f"worker {self._config.worker}"
            self._held = checkpoints.load(folder, self._config.chosen_device(), self._config.dtype, on)
        return self._held


def _admitted(checkpoint: Checkpoint, sequences: Sequence[contract.Sequence]) -> tuple[list["Row"], list[Text]]:
    from inference.batching import Row

    rows, refused = [], []
    for sequence in sequences:
        row = Row(sequence, checkpoint.tokenizer(sequence.prompt)["input_ids"])
        if error := _refusal(checkpoint, row):
            refused.append(Text(sequence.key, "", len(row.prompt), 0, "refused", error))
        else:
            rows.append(row)
    return rows, refused


def _refusal(checkpoint: Checkpoint, row: "Row") -> str:
    """Why the model cannot take this prompt, in a sentence; "" where it can."""
    given, new = len(row.prompt), row.sequence.sampling.max_new_tokens
    limit = getattr(checkpoint.model.config, "max_position_embeddings", None)
    if not given:
        return f"This prompt is empty; {checkpoint.size} needs at least one token to continue from."
    if limit and given + new > limit:
        return (
            f"This prompt has {given:,} tokens; with {new:,} new tokens the text would have {given + new:,}, and"
            f" {checkpoint.size} takes at most {limit:,}."
        )
    return ""


def _run(checkpoint: Checkpoint, rows: list["Row"], stopped: Callable[[], bool]) -> Iterator[Step]:
    from inference.batching import Batch

    if stopped():
        return
    batch = Batch(checkpoint, rows)
    while batch.rows and not stopped():
        tokens = len(batch.rows)
        yield Step(tokens, tuple(_text(checkpoint, row) for row in batch.step()))


def _text(checkpoint: Checkpoint, row: "Row") -> Text:
    return Text(row.sequence.key, _continuation(checkpoint, row), len(row.prompt), len(row.tokens), row.finish_reason)


def _continuation(checkpoint: Checkpoint, row: "Row") -> str:
    """What the new tokens add to the prompt: decoded alone, some tokenizers lose the space before the first word."""
    shown = {"skip_special_tokens": True, "clean_up_tokenization_spaces": False}
    prompt: str = checkpoint.tokenizer.decode(row.prompt, **shown)
    whole: str = checkpoint.tokenizer.decode(row.prompt + row.tokens, **shown)
    return whole.removeprefix(prompt)
