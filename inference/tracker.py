"""The orders that a worker has in hand, and its reports on them. Knows neither broker nor model."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from inference.checkpoints import CheckpointError
from inference.contract import QUIET_SECONDS, REPORT_SECONDS, REPORTS_IN_A_LEASE, Report, Text, WorkOrder
from inference.engine import LOOK_SECONDS, Engine, EngineAway, RequestOutput
from inference.tracebacks import without_words

if TYPE_CHECKING:
    from inference.remote import ServedEngine

logger = logging.getLogger(__name__)

FINAL_SECONDS = 60.0
"""How long the last report of an order is offered to a broker that does not take it; then the lease brings it back."""


class TrackedOrder:
    """One order in hand: its counters, its finished texts, and whether it must stop. Shared by threads."""

    def __init__(self, order: WorkOrder) -> None:
        self.order = order
        self.stop = threading.Event()
        self.stopped_groups: set[str] = set()
        self.tokens = 0
        self.texts: tuple[Text, ...] = ()
        self.reported: tuple[int, int] | None = None
        """Texts and tokens in the last report that the broker took."""
        self.reported_at = 0.0
        self.checkpoint = ""
        self.begun = False

    def is_stopped(self, group: str) -> bool:
        """Whether sequences of that group are to get no further token."""
        return self.stop.is_set() or group in self.stopped_groups

    def groups(self) -> tuple[str, ...]:
        """The groups that have sequences left to generate."""
        finished = {text.key for text in self.texts}
        left = {one.group for one in self.order.sequences if one.key not in finished}
        return tuple(sorted(left - self.stopped_groups))

    @property
    def is_quiet(self) -> bool:
        """Whether there is nothing to tell for now."""
        quiet_until = self.reported_at + min(QUIET_SECONDS, self.longest_silence)
        return self.reported == (len(self.texts), self.tokens) and time.monotonic() < quiet_until

    @property
    def longest_silence(self) -> float:
        """Seconds between two reports, at the most."""
        return self.order.lease_seconds / REPORTS_IN_A_LEASE

    def add(self, output: RequestOutput) -> None:
        """Keep what the engine made, and with which checkpoint."""
        self.tokens += output.tokens
        self.texts += output.texts
        self.checkpoint = output.checkpoint


class OrderTracker:
    """Takes orders, lets the engine carry them out beside each other or one alone, and reports.

    `send` gives a report to the broker and returns whether the broker took it; it must not raise or wait long.
    """

    def __init__(self, engine: "Engine | ServedEngine", worker: str, send: Callable[[Report], bool]) -> None:
        self._engine = engine
        self._worker = worker
        self._send = send
        self._tracked: dict[str, TrackedOrder] = {}
        self._arrived: list[TrackedOrder] = []  # earlier hand-outs that are being stopped are here too
        self._taking = threading.RLock()  # a signal may interrupt the thread that holds it
        self._one_forgotten = threading.Condition(self._taking)
        self._closing = threading.Event()
        self.tokens = 0
        """All tokens generated since the start."""

    def carry_out(self, order: WorkOrder) -> None:
        """Generate every text of the order and send its last report. An order already in hand is ignored.

        That it was begun is reported first: if its worker dies at once, the site knows that the order was tried.
        """
        tracked = self.take(order)
        if tracked is None:
            logger.info("Order %s (token %d) is already in hand.", order.id, order.token)
            return
        try:
            self._wait_for_turn(tracked)
            self._report_on(tracked)
            self._deliver(self._finished(tracked))
        finally:
            self._forget(tracked)

    def take(self, order: WorkOrder) -> TrackedOrder | None:
        """Take the order in hand; None where it, or a later hand-out of it, is in hand. An earlier one is stopped."""
        tracked = TrackedOrder(order)
        with self._taking:
            before = self._tracked.get(order.id)
            if before and before.order.token >= order.token:
                return None
            if before:
                before.stop.set()
            if self._closing.is_set():
                tracked.stop.set()
            self._tracked[order.id] = tracked
            self._arrived.append(tracked)
        return tracked

    def stop(self, order: str, token: int, group: str = "") -> bool:
        """Stop this hand-out of the order, or one group of it, at its next token; returns whether it was in hand."""
        tracked = self._tracked.get(order)
        if tracked is None or tracked.order.token != token:
            return False
        if group:
            tracked.stopped_groups.add(group)
        else:
            tracked.stop.set()
        return True

    def close(self) -> None:
        """Stop everything in hand, and whatever arrives from now on: the worker is shutting down."""
        with self._taking:
            self._closing.set()
            for tracked in self._tracked.values():
                tracked.stop.set()

    def report(self) -> None:
        """Report on the orders in hand, now and then on those that wait for the engine too: it renews their leases."""
        for tracked in list(self._tracked.values()):
            if not tracked.is_quiet:
                self._report_on(tracked)

    def pace(self) -> float:
        """Seconds until the next report is due."""
        return min([REPORT_SECONDS, *(tracked.longest_silence for tracked in list(self._tracked.values()))])

    def _wait_for_turn(self, tracked: TrackedOrder) -> None:
        """Until it may be begun, or is stopped."""
        with self._taking:
            while not self._may_begin(tracked) and not tracked.stop.is_set():
                self._one_forgotten.wait(LOOK_SECONDS)
            tracked.begun = self._may_begin(tracked)

    def _may_begin(self, tracked: TrackedOrder) -> bool:
        """In the order of arrival, and so that an order that is to be alone is."""
        before = self._arrived[: self._arrived.index(tracked)]
        return not before if tracked.order.alone else not any(other.order.alone for other in before)

    def _report_on(self, tracked: TrackedOrder) -> None:
        """Report what is new of an order; what the broker does not take is new the next time."""
        texts, at = tracked.texts, time.monotonic()
        report = self._so_far(tracked, texts[tracked.reported[0] if tracked.reported else 0 :])
        if self._send(report):
            tracked.reported, tracked.reported_at = (len(texts), report.tokens), at

    def _finished(self, tracked: TrackedOrder) -> Report:
        """Generate, and say how it ended."""
        try:
            self._generate(tracked)
        except EngineAway as error:
            logger.warning("Order %s (token %d) is handed back: %s", tracked.order.id, tracked.order.token, error)
            return self._last(tracked, stopped=True)
        except CheckpointError as error:
            logger.error("%s", error)
            return self._last(tracked, error=str(error))
        except Exception as error:
            logger.error("Order %s (token %d) failed.\n%s", tracked.order.id, tracked.order.token, without_words(error))
            sentence = f"Generation failed on worker {self._worker} with {type(error).__name__}."
            return self._last(tracked, error=sentence, retry=True)
        return self._last(tracked, stopped=len(tracked.texts) < len(tracked.order.sequences))

    def _generate(self, tracked: TrackedOrder) -> None:
        order = tracked.order
        for output in self._engine.generate(order.size, order.sequences, tracked.is_stopped, order.urgent):
            tracked.add(output)
            with self._taking:
                self.tokens += output.tokens

    def _deliver(self, last: Report) -> None:
        deadline = time.monotonic() + FINAL_SECONDS
        while not self._send(last):
            if self._closing.is_set() or time.monotonic() > deadline:
                logger.error("The last report on order %s (token %d) was not delivered.", last.order, last.token)
                return
            self._closing.wait(REPORT_SECONDS)

    def _forget(self, tracked: TrackedOrder) -> None:
        with self._taking:
            if self._tracked.get(tracked.order.id) is tracked:
                del self._tracked[tracked.order.id]
            self._arrived.remove(tracked)
            self._one_forgotten.notify_all()

    def _so_far(self, tracked: TrackedOrder, texts: tuple[Text, ...]) -> Report:
        return Report(
            order=tracked.order.id,
            token=tracked.order.token,
            worker=self._worker,
            tokens=tracked.tokens,
            texts=texts,
            checkpoint=tracked.checkpoint,
            waiting=not tracked.begun,
            groups=tracked.groups(),
        )

    def _last(self, tracked: TrackedOrder, stopped: bool = False, error: str = "", retry: bool = False) -> Report:
        report = self._so_far(tracked, tracked.texts)
        return replace(report, ended=True, stopped=stopped, error=error, retry=retry, groups=())
