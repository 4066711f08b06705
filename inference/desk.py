"""The orders that a worker has in hand, and what it tells the site about them. Knows neither broker nor model."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from inference.checkpoints import CheckpointError
from inference.contract import REPORT_SECONDS, Report, Text, WorkOrder
from inference.engine import Engine, Step

logger = logging.getLogger(__name__)

FINAL_SECONDS = 60.0
"""How long the last report of an order is offered to a broker that does not take it; then the lease brings it back."""
LOOK_SECONDS = 0.1
"""How often an order that waits for the engine looks whether it was stopped."""


class InHand:
    """One order in hand: its counters, its finished texts, and whether it must stop. Shared by threads."""

    def __init__(self, order: WorkOrder) -> None:
        self.order = order
        self.stop = threading.Event()
        self.tokens = 0
        self.texts: tuple[Text, ...] = ()
        self.reported = 0
        """How many of `texts` the broker has taken."""
        self.checkpoint = ""

    def add(self, step: Step, checkpoint: str) -> None:
        """Keep what the engine made, and with which checkpoint."""
        self.tokens += step.tokens
        self.texts += step.texts
        self.checkpoint = checkpoint


class Desk:
    """Takes orders, carries them out one at a time on the engine, and reports.

    `send` gives a report to the broker and returns whether the broker took it; it must not raise or wait long.
    """

    def __init__(self, engine: Engine, worker: str, send: Callable[[Report], bool]) -> None:
        self._engine = engine
        self._worker = worker
        self._send = send
        self._turn = threading.Lock()
        self._in_hand: dict[str, InHand] = {}
        self._taking = threading.RLock()  # a signal may interrupt the thread that holds it
        self._closing = threading.Event()

    def carry_out(self, order: WorkOrder) -> None:
        """Generate every text of the order and send its last report. An order already in hand is ignored."""
        held = self.take(order)
        if held is None:
            logger.info("Order %s (token %d) is already in hand.", order.id, order.token)
            return
        try:
            self._deliver(self._finished(held))
        finally:
            self._put_down(held)

    def take(self, order: WorkOrder) -> InHand | None:
        """Take the order in hand; None where it, or a later hand-out of it, is in hand. An earlier one is stopped."""
        held = InHand(order)
        with self._taking:
            before = self._in_hand.get(order.id)
            if before and before.order.token >= order.token:
                return None
            if before:
                before.stop.set()
            if self._closing.is_set():
                held.stop.set()
            self._in_hand[order.id] = held
        return held

    def stop(self, order: str, token: int) -> bool:
        """Stop this hand-out of the order at its next token; returns whether it was in hand."""
        held = self._in_hand.get(order)
        if held is None or held.order.token != token:
            return False
        held.stop.set()
        return True

    def close(self) -> None:
        """Stop everything in hand, and whatever arrives from now on: the worker is shutting down."""
        with self._taking:
            self._closing.set()
            for held in self._in_hand.values():
                held.stop.set()

    def report(self) -> None:
        """Report on every order in hand, those that wait for the engine too: it renews their leases."""
        for held in list(self._in_hand.values()):
            texts = held.texts
            if self._send(self._so_far(held, texts[held.reported :])):
                held.reported = len(texts)

    def _finished(self, held: InHand) -> Report:
        """Generate, and say how it ended."""
        try:
            self._generate(held)
        except CheckpointError as error:
            logger.error("%s", error)
            return self._last(held, error=str(error))
        except Exception as error:
            logger.exception("Order %s (token %d) failed.", held.order.id, held.order.token)
            sentence = f"Generation failed on worker {self._worker} with {type(error).__name__}."
            return self._last(held, error=sentence, retry=True)
        return self._last(held, stopped=len(held.texts) < len(held.order.sequences))

    def _generate(self, held: InHand) -> None:
        order = held.order
        if not self._engine_turn(held.stop):
            return
        try:
            for step in self._engine.generate(order.size, order.sequences, held.stop.is_set):
                held.add(step, self._engine.identity())
        finally:
            self._turn.release()

    def _engine_turn(self, stop: threading.Event) -> bool:
        """Wait for the engine; False where the order was stopped before its turn came."""
        while not stop.is_set():
            if self._turn.acquire(timeout=LOOK_SECONDS):
                return True
        return False

    def _deliver(self, last: Report) -> None:
        deadline = time.monotonic() + FINAL_SECONDS
        while not self._send(last):
            if self._closing.is_set() or time.monotonic() > deadline:
                logger.error("The last report on order %s (token %d) was not delivered.", last.order, last.token)
                return
            self._closing.wait(REPORT_SECONDS)

    def _put_down(self, held: InHand) -> None:
        with self._taking:
            if self._in_hand.get(held.order.id) is held:
                del self._in_hand[held.order.id]

    def _so_far(self, held: InHand, texts: tuple[Text, ...]) -> Report:
        return Report(
            order=held.order.id,
            token=held.order.token,
            worker=self._worker,
            tokens=held.tokens,
            texts=texts,
            checkpoint=held.checkpoint,
        )

    def _last(self, held: InHand, stopped: bool = False, error: str = "", retry: bool = False) -> Report:
        report = self._so_far(held, held.texts)
        return replace(report, ended=True, stopped=stopped, error=error, retry=retry)
