"""What turns sequences into texts: one engine per process, with one running batch for each checkpoint in memory.

torch and transformers are imported at the first order, so that a worker runs and sends heartbeats before they are.
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
    from inference.scheduler import SequenceState

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
"""How often an engine that has nothing to compute looks whether waiting orders were stopped."""


class EngineAway(Exception):
    """Nothing can be generated for now, and no text is the reason; the message is for the operator."""


@dataclass(frozen=True)
class RequestOutput:
    """What a step of the model brought to one request: the number of new tokens, the texts that finished by it, and the
    identity of the checkpoint that wrote them."""

    tokens: int
    texts: tuple[Text, ...] = ()
    checkpoint: str = ""


@dataclass(eq=False)
class GenerationRequest:
    """An order's sequences in the engine. What they become arrives in `outputs`; None is the last thing to arrive."""

    size: str
    sequences: Sequence[contract.Sequence]
    stopped: Callable[[str], bool]
    urgent: bool
    groups: set[str] = field(init=False)
    """The groups of its sequences that were not stopped."""
    outputs: "queue.SimpleQueue[RequestOutput | Exception | None]" = field(default_factory=queue.SimpleQueue)
    left: int = 0
    batch: "Batch | None" = None
    logprobs: "dict[SequenceState, list[Chosen]]" = field(default_factory=dict)
    failures: Failures = field(default_factory=Failures)

    def __post_init__(self) -> None:
        self.groups = {sequence.group for sequence in self.sequences}

    def newly_stopped(self) -> set[str]:
        """The groups that were stopped since the last time it was asked."""
        gone = {group for group in self.groups if self.stopped(group)}
        self.groups -= gone
        return gone

    def end(self, error: Exception | None = None) -> None:
        """Let the caller who waits for this request go on, with the error where there is one."""
        self.outputs.put(error)


class Engine:
    """Generates for any number of threads at a time: their sequences share a batch, which one thread runs."""

    def __init__(self, config: Config, watermark: "Watermark | None" = None) -> None:
        self._config = config
        self._watermark = watermark
        self._memory = Memory(config)
        self._inbox: queue.SimpleQueue[GenerationRequest] = queue.SimpleQueue()
        self._waiting: list[GenerationRequest] = []
        self._running: list[GenerationRequest] = []
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
    ) -> Iterator[RequestOutput]:
        """Extend every prompt. A group of sequences that is `stopped` gets no further token.

        A sequence that the model cannot take, or that fails on the way, gives a refused `Text`. Raises
        `CheckpointError`.
        """
        given_up = threading.Event()
        request = GenerationRequest(size, sequences, lambda group: given_up.is_set() or stopped(group), urgent)
        self._start()
        self._inbox.put(request)
        try:
            while (output := request.outputs.get()) is not None:
                if isinstance(output, Exception):
                    raise output
                yield output
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
            for request in (*self._waiting, *self._running):
                self._look_at(request)
            self._admit()
            for batch in self._memory.busy():
                self._step(batch)

    def _look_at(self, request: GenerationRequest) -> None:
        try:
            if gone := request.newly_stopped():
                self._drop(request, gone)
        except Exception as error:  # the thread that all orders share must not end
            logger.error("Whether an order of %s was stopped cannot be seen.\n%s", request.size, without_words(error))
            self._release(request, error)

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
        """Admit waiting requests to batches in their order; one that waits for memory holds back those behind it."""
        while self._waiting:
            request = self._waiting[0]
            try:
                batch = self._memory.batch_of(request.size)
                if batch is None:
                    return
                self._join(request, batch)
            except Exception as error:
                request.end(error)
            self._waiting.pop(0)

    def _join(self, request: GenerationRequest, batch: "Batch") -> None:
        states, refused = [], []
        for sequence in (one for one in request.sequences if one.group in request.groups):
            state, error = self._state_of(request, batch, sequence)
            refused.append(_refused(state, error)) if error else states.append(state)
        if refused:
            request.outputs.put(RequestOutput(0, tuple(refused), batch.checkpoint.identity))
        if not states:
            return request.end()
        request.left, request.batch = len(states), batch
        self._running.append(request)
        return batch.add(states)

    def _state_of(
        self, request: GenerationRequest, batch: "Batch", sequence: contract.Sequence
    ) -> "tuple[SequenceState, str]":
        """A sequence at its start, and why the batch does not take it. All that can be wrong with one is looked for
        here: in a forward pass, one bad sequence would fail those of everybody."""
        from inference.scheduler import SequenceState

        state, on = SequenceState(sequence, (), owner=request, urgent=request.urgent), f"worker {self._config.worker}"
        if flaw := limits.flaw_of(sequence):
            return state, flaw
        if sequence.sampling.watermark_key and not self._watermark:
            return state, f"This text was to carry a watermark, and {on} has none."
        try:
            state.prompt = batch.checkpoint.encode(sequence.prompt)
        except Exception as error:
            return state, f"The tokenizer of {batch.checkpoint.size} cannot read this prompt ({type(error).__name__})."
        return state, limits.refusal_of(state, batch, on)

    def _step(self, batch: "Batch") -> None:
        try:
            tokens = batch.step(self._watermark)
        except Exception as error:
            logger.error("A step of %s failed.\n%s", batch.checkpoint.size, without_words(error))
            self._memory.discard(batch)
            for request in [request for request in self._running if request.batch is batch]:
                self._release(request, error)
            return
        given: dict[GenerationRequest, list[Token]] = {}
        for token in tokens:
            given.setdefault(token.state.owner, []).append(token)
        for request, own in given.items():
            try:
                self._hand_over(request, batch, own)
            except Exception as error:
                logger.error("What %s wrote could not be read.\n%s", batch.checkpoint.size, without_words(error))
                self._release(request, error)

    def _hand_over(self, request: GenerationRequest, batch: "Batch", tokens: "list[Token]") -> None:
        texts = [text for token in tokens if (text := self._taken(request, batch.checkpoint, token))]
        request.failures.one_came_through |= bool(texts)
        new = sum(token.chosen is not None for token in tokens)
        request.outputs.put(RequestOutput(new, tuple(texts), batch.checkpoint.identity))
        request.left -= sum(token.error is not None or bool(token.state.finish_reason) for token in tokens)
        if not request.left:
            self._release(request)

    def _taken(self, request: GenerationRequest, checkpoint: "Checkpoint", token: "Token") -> Text | None:
        """The text that a token finished. What goes wrong in reading it is that text's failure alone."""
        try:
            if token.error:
                raise token.error
            if token.chosen and token.chosen.logprob is not None:
                request.logprobs.setdefault(token.state, []).append(token.chosen)
            if not token.state.finish_reason:
                return None
            return _text(checkpoint, token.state, request.logprobs.pop(token.state, []))
        except Exception as error:
            logger.warning("A text of %s failed with %s.", checkpoint.size, type(error).__name__)
            request.logprobs.pop(token.state, None)
            request.failures.hold(_refused(token.state, _failure(checkpoint, error)), error)
            return None

    def _drop(self, request: GenerationRequest, groups: set[str]) -> None:
        """Let go of the sequences of some groups; of the request, where it has no other."""
        if request.batch:
            request.left -= len(
                request.batch.drop(lambda state: state.owner is request and state.sequence.group in groups)
            )
        if not request.groups or (request.batch and not request.left):
            self._release(request)

    def _release(self, request: GenerationRequest, error: Exception | None = None) -> None:
        """Take a request out of the engine, whatever has become of it."""
        if request in self._waiting:
            self._waiting.remove(request)
        else:
            self._running.remove(request)
            if request.batch:
                request.batch.drop(lambda state: state.owner is request)
        request.end(error or self._settle(request))

    def _settle(self, request: GenerationRequest) -> Exception | None:
        """Refuse the texts that failed, or return the error that their request fails with; a stopped one has none."""
        try:
            refused = request.failures.refused() if request.groups else ()
        except Exception as error:
            return error
        if refused and request.batch:
            request.outputs.put(RequestOutput(0, refused, request.batch.checkpoint.identity))
        return None


def _refused(state: "SequenceState", error: str) -> Text:
    return Text(state.sequence.key, "", len(state.prompt), 0, "refused", error)


def _failure(checkpoint: "Checkpoint", error: Exception) -> str:
    if isinstance(error, FloatingPointError):
        return f"{checkpoint.size} could not go on with this text: its output held a value that is not a number."
    return f"What {checkpoint.size} wrote for this text cannot be read ({type(error).__name__})."


def _text(checkpoint: "Checkpoint", state: "SequenceState", chosen: "Sequence[Chosen]") -> Text:
    return Text(
        state.sequence.key,
        checkpoint.detokenizer.until_stop(state.tokens, state.sequence.sampling.stop),
        len(state.prompt),
        len(state.tokens),
        state.finish_reason,
        logprobs=tuple(_logprob(checkpoint, choice) for choice in chosen),
    )


def _logprob(checkpoint: "Checkpoint", chosen: "Chosen") -> TokenLogprob:
    def written(token: int) -> str:
        return checkpoint.detokenizer.text([token], special=True)

    top = tuple((written(token), logprob) for token, logprob in chosen.top)
    return TokenLogprob(written(chosen.token), chosen.logprob or 0.0, top)
