"""What turns sequences into texts: one engine per process, with one running batch for each checkpoint in memory.

torch and transformers are imported at the first order, so that a worker is up, and says hello, before they are.
"""

import logging
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from inference import contract, limits
from inference.config import Config
from inference.contract import Text, TokenLogprob
from inference.failures import Failures
from inference.memory import Memory
from inference.tracebacks import without_words

if TYPE_CHECKING:
    from inference.batching import Batch, Token
    from inference.loading import Checkpoint
    from inference.sampling import Chosen, Watermark
    from inference.scheduler import Row

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
"""How often an engine that has nothing to compute looks whether waiting orders were stopped."""


class EngineAway(Exception):
    """Nothing can be generated for now, and no text is the reason; the message is for the operator."""


@dataclass(frozen=True)
class Step:
    """What a step of the model brought to one order: how many new tokens, the texts that finished by it, and the
    identity of the checkpoint that wrote them."""

    tokens: int
    texts: tuple[Text, ...] = ()
    checkpoint: str = ""


@dataclass(eq=False)
class Run:
    """An order's sequences in the engine. What they become arrives in `steps`; None is the last thing to arrive."""

    size: str
    sequences: Sequence[contract.Sequence]
    stopped: Callable[[str], bool]
    urgent: bool
    groups: set[str] = field(init=False)
    """The groups of its sequences that were not stopped."""
    steps: "queue.SimpleQueue[Step | Exception | None]" = field(default_factory=queue.SimpleQueue)
    left: int = 0
    batch: "Batch | None" = None
    logprobs: "dict[Row, list[Chosen]]" = field(default_factory=dict)
    failures: Failures = field(default_factory=Failures)

    def __post_init__(self) -> None:
        self.groups = {sequence.group for sequence in self.sequences}

    def newly_stopped(self) -> set[str]:
        """The groups that were stopped since the last time it was asked."""
        gone = {group for group in self.groups if self.stopped(group)}
        self.groups -= gone
        return gone

    def end(self, error: Exception | None = None) -> None:
        """Let the one who waits for this run go on, with the error where there is one."""
        self.steps.put(error)


class Engine:
    """Generates for any number of threads at a time: their rows share a batch, whose steps one thread carries out."""

    def __init__(self, config: Config, watermark: "Watermark | None" = None) -> None:
        self._config = config
        self._watermark = watermark
        self._memory = Memory(config)
        self._inbox: queue.SimpleQueue[Run] = queue.SimpleQueue()
        self._waiting: list[Run] = []
        self._running: list[Run] = []
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def loaded(self) -> tuple[str, ...]:
        """The sizes whose weights are in memory."""
        return self._memory.sizes()

    def plain(self) -> tuple[str, ...]:
        """Those of them that the engine's own attention does not serve."""
        return self._memory.plain()

    def sizes(self) -> tuple[str, ...]:
        """The sizes that it takes orders of."""
        return self._config.sizes

    def generate(
        self, size: str, sequences: Sequence[contract.Sequence], stopped: Callable[[str], bool], urgent: bool = False
    ) -> Iterator[Step]:
        """Extend every prompt. A group of sequences that is `stopped` gets no further token.

        A sequence that the model cannot take, or that fails on the way, gives a refused `Text`. Raises
        `CheckpointError`.
        """
        given_up = threading.Event()
        run = Run(size, sequences, lambda group: given_up.is_set() or stopped(group), urgent)
        self._start()
        self._inbox.put(run)
        try:
            while (step := run.steps.get()) is not None:
                if isinstance(step, Exception):
                    raise step
                yield step
        finally:
            given_up.set()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._keep_going, name="engine", daemon=True)
                self._thread.start()

    def _keep_going(self) -> None:
        while True:
            self._take_in()
            for run in (*self._waiting, *self._running):
                self._look_at(run)
            self._admit()
            for batch in self._memory.busy():
                self._step(batch)

    def _look_at(self, run: Run) -> None:
        try:
            if gone := run.newly_stopped():
                self._drop(run, gone)
        except Exception as error:  # the thread that all orders share must not end
            logger.error("Whether an order of %s was stopped cannot be seen.\n%s", run.size, without_words(error))
            self._release(run, error)

    def _take_in(self) -> None:
        """Whatever has arrived; where there is nothing to compute, wait for it."""
        patience = 0 if self._memory.busy() else LOOK_SECONDS if self._waiting else None
        try:
            while True:
                self._waiting.append(self._inbox.get(timeout=patience))
                patience = 0
        except queue.Empty:
            return

    def _admit(self) -> None:
        """Let waiting runs into batches in their order; one that waits for memory holds back those behind it."""
        while self._waiting:
            run = self._waiting[0]
            try:
                batch = self._memory.batch_of(run.size)
                if batch is None:
                    return
                self._join(run, batch)
            except Exception as error:
                run.end(error)
            self._waiting.pop(0)

    def _join(self, run: Run, batch: "Batch") -> None:
        rows, refused = [], []
        for sequence in (one for one in run.sequences if one.group in run.groups):
            row, error = self._row(run, batch, sequence)
            refused.append(_refused(row, error)) if error else rows.append(row)
        if refused:
            run.steps.put(Step(0, tuple(refused), batch.checkpoint.identity))
        if not rows:
            return run.end()
        run.left, run.batch = len(rows), batch
        self._running.append(run)
        return batch.add(rows)

    def _row(self, run: Run, batch: "Batch", sequence: contract.Sequence) -> "tuple[Row, str]":
        """A sequence as a row, and why the batch does not take it. All that can be asked of one is asked here: in a
        pass, one bad row would fail those of everybody."""
        from inference.scheduler import Row

        row, on = Row(sequence, (), owner=run, urgent=run.urgent), f"worker {self._config.worker}"
        if flaw := limits.flaw_of(sequence):
            return row, flaw
        if sequence.sampling.watermark_key and not self._watermark:
            return row, f"This text was to carry a watermark, and {on} has none."
        try:
            row.prompt = batch.checkpoint.encode(sequence.prompt)
        except Exception as error:
            return row, f"The tokenizer of {batch.checkpoint.size} cannot read this prompt ({type(error).__name__})."
        return row, limits.refusal_of(row, batch, on)

    def _step(self, batch: "Batch") -> None:
        try:
            tokens = batch.step(self._watermark)
        except Exception as error:
            logger.error("A step of %s failed.\n%s", batch.checkpoint.size, without_words(error))
            self._memory.discard(batch)
            for run in [run for run in self._running if run.batch is batch]:
                self._release(run, error)
            return
        given: dict[Run, list[Token]] = {}
        for token in tokens:
            given.setdefault(token.row.owner, []).append(token)
        for run, own in given.items():
            try:
                self._hand_over(run, batch, own)
            except Exception as error:
                logger.error("What %s wrote could not be read.\n%s", batch.checkpoint.size, without_words(error))
                self._release(run, error)

    def _hand_over(self, run: Run, batch: "Batch", tokens: "list[Token]") -> None:
        texts = [text for token in tokens if (text := self._taken(run, batch.checkpoint, token))]
        run.failures.one_came_through |= bool(texts)
        new = sum(token.chosen is not None for token in tokens)
        run.steps.put(Step(new, tuple(texts), batch.checkpoint.identity))
        run.left -= sum(token.error is not None or bool(token.row.finish_reason) for token in tokens)
        if not run.left:
            self._release(run)

    def _taken(self, run: Run, checkpoint: "Checkpoint", token: "Token") -> Text | None:
        """The text that a token finished. What goes wrong in reading it is that text's failure alone."""
        try:
            if token.error:
                raise token.error
            if token.chosen and token.chosen.logprob is not None:
                run.logprobs.setdefault(token.row, []).append(token.chosen)
            if not token.row.finish_reason:
                return None
            return _text(checkpoint, token.row, run.logprobs.pop(token.row, []))
        except Exception as error:
            logger.warning("A text of %s failed with %s.", checkpoint.size, type(error).__name__)
            run.logprobs.pop(token.row, None)
            run.failures.hold(_refused(token.row, _failure(checkpoint, error)), error)
            return None

    def _drop(self, run: Run, groups: set[str]) -> None:
        """Let go of the rows of some groups; of the run, where it has no other."""
        if run.batch:
            run.left -= len(run.batch.drop(lambda row: row.owner is run and row.sequence.group in groups))
        if not run.groups or (run.batch and not run.left):
            self._release(run)

    def _release(self, run: Run, error: Exception | None = None) -> None:
        """Take a run out of the engine, whatever has become of it."""
        if run in self._waiting:
            self._waiting.remove(run)
        else:
            self._running.remove(run)
            if run.batch:
                run.batch.drop(lambda row: row.owner is run)
        run.end(error or self._settle(run))

    def _settle(self, run: Run) -> Exception | None:
        """Refuse the texts that failed, or return the error that their run fails with; nobody asks of a stopped one."""
        try:
            refused = run.failures.refused() if run.groups else ()
        except Exception as error:
            return error
        if refused and run.batch:
            run.steps.put(Step(0, refused, run.batch.checkpoint.identity))
        return None


def _refused(row: "Row", error: str) -> Text:
    return Text(row.sequence.key, "", len(row.prompt), 0, "refused", error)


def _failure(checkpoint: "Checkpoint", error: Exception) -> str:
    if isinstance(error, FloatingPointError):
        return f"{checkpoint.size} could not go on with this text: its output held a value that is not a number."
    return f"What {checkpoint.size} wrote for this text cannot be read ({type(error).__name__})."


def _text(checkpoint: "Checkpoint", row: "Row", chosen: "Sequence[Chosen]") -> Text:
    return Text(
        row.sequence.key,
        checkpoint.detokenizer.until_stop(row.tokens, row.sequence.sampling.stop),
        len(row.prompt),
        len(row.tokens),
        row.finish_reason,
        logprobs=tuple(_logprob(checkpoint, choice) for choice in chosen),
    )


def _logprob(checkpoint: "Checkpoint", chosen: "Chosen") -> TokenLogprob:
    def written(token: int) -> str:
        return checkpoint.detokenizer.text([token], special=True)

    top = tuple((written(token), logprob) for token, logprob in chosen.top)
    return TokenLogprob(written(chosen.token), chosen.logprob or 0.0, top)
