"""The orders that a worker has in hand, and what it tells the site about them. Knows neither broker nor model."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from inference.checkpoints import CheckpointError
from inference.contract import QUIET_SECONDS, REPORT_SECONDS, REPORTS_IN_A_LEASE, Report, Text, WorkOrder
from inference.engine import LOOK_SECONDS, Engine, EngineAway, Step
from inference.tracebacks import without_words

if TYPE_CHECKING:
    from inference.remote import ServedEngine

logger = logging.getLogger(__name__)

FINAL_SECONDS = 60.0
"""How long the last report of an order is offered to a broker that does not take it; then the lease brings it back."""


class InHand:
    """One order in hand: its counters, its finished texts, and whether it must stop. Shared by threads."""

    def __init__(self, order: WorkOrder) -> None:
        self.order = order
        self.stop = threading.Event()
        self.stopped_groups: set[str] = set()
        self.tokens = 0
        self.texts: tuple[Text, ...] = ()
        self.told: tuple[int, int] | None = None
        """How many texts and tokens the last report that the broker took told of."""
        self.told_at = 0.0
        self.checkpoint = ""
        self.begun = False

    def is_stopped(self, group: str) -> bool:
        """Whether sequences of that group are to get no further token."""
        return self.stop.is_set() or group in self.stopped_groups

    def groups(self) -> tuple[str, ...]:
        """The groups of which it has sequences left to generate."""
        finished = {text.key for text in self.texts}
        left = {one.group for one in self.order.sequences if one.key not in finished}
        return tuple(sorted(left - self.stopped_groups))

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing to tell for now."""
        quiet_until = self.told_at + min(QUIET_SECONDS, self.longest_silence)
        return self.told == (len(self.texts), self.tokens) and time.monotonic() < quiet_until

    @property
    def longest_silence(self) -> float:
        """Seconds between two reports, at the most."""
        return self.order.lease_seconds / REPORTS_IN_A_LEASE

    def add(self, step: Step) -> None:
        """Keep what the engine made, and with which checkpoint."""
        self.tokens += step.tokens
        self.texts += step.texts
        self.checkpoint = step.checkpoint


class Desk:
    """Takes orders, lets the engine carry them out beside each other or one alone, and reports.

    `send` gives a report to the broker and returns whether the broker took it; it must not raise or wait long.
    """

    def __init__(self, engine: "Engine | ServedEngine", worker: str, send: Callable[[Report], bool]) -> None:
        self._engine = engine
        self._worker = worker
        self._send = send
        self._in_hand: dict[str, InHand] = {}
        self._arrived: list[InHand] = []  # earlier hand-outs that are being stopped are here too
        self._taking = threading.RLock()  # a signal may interrupt the thread that holds it
        self._put_one_down = threading.Condition(self._taking)
        self._closing = threading.Event()
        self.tokens = 0
        """All tokens generated since the start."""

    def carry_out(self, order: WorkOrder) -> None:
        """Generate every text of the order and send its last report. An order already in hand is ignored.

        That it was begun is told first: of an order whose worker dies at once, the site then knows that it was tried.
        """
        held = self.take(order)
        if held is None:
            logger.info("Order %s (token %d) is already in hand.", order.id, order.token)
            return
        try:
            self._wait_for_turn(held)
            self._tell(held)
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
            self._arrived.append(held)
        return held

    def stop(self, order: str, token: int, group: str = "") -> bool:
        """Stop this hand-out of the order, or one group of it, at its next token; returns whether it was in hand."""
        held = self._in_hand.get(order)
        if held is None or held.order.token != token:
            return False
        if group:
            held.stopped_groups.add(group)
        else:
            held.stop.set()
        return True

    def close(self) -> None:
        """Stop everything in hand, and whatever arrives from now on: the worker is shutting down."""
        with self._taking:
            self._closing.set()
            for held in self._in_hand.values():
                held.stop.set()

    def report(self) -> None:
        """Report on the orders in hand, now and then on those that wait for the engine too: it renews their leases."""
        for held in list(self._in_hand.values()):
            if not held.is_quiet:
                self._tell(held)

    def pace(self) -> float:
        """Seconds until the next report is due."""
        return min([REPORT_SECONDS, *(held.longest_silence for held in list(self._in_hand.values()))])

    def _wait_for_turn(self, held: InHand) -> None:
        """Until it may be begun, or is stopped."""
        with self._taking:
            while not self._may_begin(held) and not held.stop.is_set():
                self._put_one_down.wait(LOOK_SECONDS)
            held.begun = self._may_begin(held)

    def _may_begin(self, held: InHand) -> bool:
        """In the order of arrival, and so that an order that is to be alone is."""
        before = self._arrived[: self._arrived.index(held)]
        return not before if held.order.alone else not any(other.order.alone for other in before)

    def _tell(self, held: InHand) -> None:
        """Report what is new of an order; what the broker does not take is new the next time."""
        texts, at = held.texts, time.monotonic()
        report = self._so_far(held, texts[held.told[0] if held.told else 0 :])
        if self._send(report):
            held.told, held.told_at = (len(texts), report.tokens), at

    def _finished(self, held: InHand) -> Report:
        """Generate, and say how it ended."""
        try:
            self._generate(held)
        except EngineAway as error:
            logger.warning("Order %s (token %d) is handed back: %s", held.order.id, held.order.token, error)
            return self._last(held, stopped=True)
        except CheckpointError as error:
            logger.error("%s", error)
            return self._last(held, error=str(error))
        except Exception as error:
            logger.error("Order %s (token %d) failed.\n%s", held.order.id, held.order.token, without_words(error))
            sentence = f"Generation failed on worker {self._worker} with {type(error).__name__}."
            return self._last(held, error=sentence, retry=True)
        return self._last(held, stopped=len(held.texts) < len(held.order.sequences))

    def _generate(self, held: InHand) -> None:
        order = held.order
        for step in self._engine.generate(order.size, order.sequences, held.is_stopped, order.urgent):
            held.add(step)
            with self._taking:
                self.tokens += step.tokens

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
            self._arrived.remove(held)
            self._put_one_down.notify_all()

    def _so_far(self, held: InHand, texts: tuple[Text, ...]) -> Report:
        return Report(
            order=held.order.id,
            token=held.order.token,
            worker=self._worker,
            tokens=held.tokens,
            texts=texts,
            checkpoint=held.checkpoint,
            waiting=not held.begun,
            groups=held.groups(),
        )

    def _last(self, held: InHand, stopped: bool = False, error: str = "", retry: bool = False) -> Report:
        report = self._so_far(held, held.texts)
        return replace(report, ended=True, stopped=stopped, error=error, retry=retry, groups=())
