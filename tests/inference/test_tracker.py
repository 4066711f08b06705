"""The tracker: what is in hand, what the site hears, and what happens when nobody listens."""

import threading
import time
from dataclasses import replace

import pytest

from inference import tracker as trackers
from inference.checkpoints import CheckpointError
from inference.contract import Sampling, Sequence, Text, WorkOrder
from inference.engine import EngineAway, RequestOutput
from inference.tracker import OrderTracker
from tests.patience import PATIENCE, until

LONG = 10**6  # seconds


class Broker:
    """Takes reports, unless it is down."""

    def __init__(self):
        self.taken = []
        self.down = False

    def send(self, report):
        if not self.down:
            self.taken.append(report)
        return not self.down

    @property
    def last(self):
        return [report for report in self.taken if report.ended]


class StepwiseEngine:
    """Finishes one text each time the test allows a step."""

    def __init__(self, error=None):
        self.error = error
        self.steps = threading.Semaphore(0)
        self.sizes = []

    def generate(self, size, sequences, stopped, urgent):
        self.sizes.append(size)
        if self.error:
            raise self.error
        for sequence in sequences:
            while not self.steps.acquire(timeout=0.01):
                if stopped(sequence.group):
                    return
            yield RequestOutput(5, (Text(sequence.key, "words", 2, 5, "length"),), "weights-1")


@pytest.fixture
def broker():
    return Broker()


@pytest.fixture
def engine():
    return StepwiseEngine()


@pytest.fixture
def tracker(engine, broker):
    return OrderTracker(engine, "anna", broker.send)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(trackers, "REPORT_SECONDS", 0.01)


def order(token=1, name="order-1", count=3, **fields):
    sequences = tuple(Sequence(str(number), "Once", 0, number, Sampling(5)) for number in range(count))
    return WorkOrder(name, token, "gpt2/124M", sequences, **fields)


def start(tracker, order):
    thread = threading.Thread(target=tracker.carry_out, args=[order], daemon=True)
    thread.start()
    until(lambda: order.id in tracker._tracked)
    return thread


def finished_texts(tracker):
    return len(tracker._tracked["order-1"].texts)


def end(thread):
    thread.join(timeout=PATIENCE)
    assert not thread.is_alive()


def keys(report):
    return [text.key for text in report.texts]


def test_tell_that_an_order_was_begun_before_anything_can_go_wrong_with_it(broker):
    reports = []
    engine = StepwiseEngine()
    engine.generate = lambda *_: reports.extend(broker.taken) or iter(())

    OrderTracker(engine, "anna", broker.send).carry_out(order())

    assert [(report.order, report.token, report.ended) for report in reports] == [("order-1", 1, False)]


def begun(broker):
    """The orders that were reported to the broker as begun, each once, in the order of that."""
    return list(dict.fromkeys(report.order for report in broker.taken if not report.waiting))


def test_carry_an_order_out_alone(tracker, engine, broker):
    """It waits for those before it, and those after it wait for it; the lease of what waits is renewed."""
    threads = [start(tracker, order(name=name, count=1)) for name in ("before-1", "before-2")]
    until(lambda: begun(broker) == ["before-1", "before-2"])
    threads.append(start(tracker, order(name="alone", count=1, alone=True)))
    threads += [start(tracker, order(name=name, count=1)) for name in ("after-1", "after-2")]
    tracker.report()
    assert {report.order for report in broker.taken if report.waiting} == {"alone", "after-1", "after-2"}

    engine.steps.release()
    until(lambda: len(broker.last) == 1)
    assert len(begun(broker)) == 2
    engine.steps.release()
    until(lambda: len(begun(broker)) == 3)
    assert begun(broker)[-1] == "alone"
    time.sleep(2 * trackers.LOOK_SECONDS)
    assert len(begun(broker)) == 3

    engine.steps.release()
    until(lambda: len(begun(broker)) == 5)
    engine.steps.release(2)
    for thread in threads:
        end(thread)
    assert {report.order for report in broker.last} == {"before-1", "before-2", "alone", "after-1", "after-2"}
    assert not any(report.stopped or report.waiting for report in broker.last)


def test_stop_an_order_that_waits_for_its_turn(tracker, engine, broker):
    first = start(tracker, order())
    waiting = start(tracker, order(name="alone", alone=True))

    assert tracker.stop("alone", 1)
    end(waiting)

    assert [(report.order, report.stopped, report.waiting) for report in broker.last] == [("alone", True, True)]
    tracker.close()
    end(first)


def test_report_what_is_new_and_at_the_end_everything(tracker, engine, broker):
    thread = start(tracker, order())
    for number in (1, 2):
        engine.steps.release()
        until(lambda number=number: finished_texts(tracker) == number)
        tracker.report()
    engine.steps.release()
    end(thread)

    assert [keys(report) for report in broker.taken] == [[], ["0"], ["1"], ["0", "1", "2"]]
    assert [report.tokens for report in broker.taken] == [0, 5, 10, 15]
    last = broker.taken[-1]
    assert (last.ended, last.stopped, last.error, last.checkpoint) == (True, False, "", "weights-1")


def test_keep_texts_for_the_next_report_while_the_broker_is_down(tracker, engine, broker):
    thread = start(tracker, order())
    engine.steps.release()
    until(lambda: finished_texts(tracker) == 1)
    broker.down = True
    tracker.report()
    broker.down = False
    tracker.report()

    assert [keys(report) for report in broker.taken] == [[], ["0"]]
    tracker.close()
    end(thread)


def test_offer_the_last_report_until_the_broker_takes_it(tracker, engine, broker):
    broker.down = True
    thread = start(tracker, order(count=1))
    engine.steps.release()
    until(lambda: finished_texts(tracker) == 1)
    broker.down = False
    end(thread)

    assert [report.ended for report in broker.taken] == [True]


def test_give_up_the_last_report_in_the_end(tracker, engine, broker, monkeypatch):
    monkeypatch.setattr(trackers, "FINAL_SECONDS", 0.05)
    broker.down = True
    engine.steps.release()

    tracker.carry_out(order(count=1))

    assert not tracker._tracked


def test_report_every_order_in_hand_but_rarely_where_there_is_no_news(tracker, broker, monkeypatch):
    monkeypatch.setattr(trackers, "QUIET_SECONDS", LONG)
    first = start(tracker, order(lease_seconds=LONG))
    second = start(tracker, order(name="order-2", lease_seconds=LONG))
    until(lambda: len(broker.taken) == 2)
    tracker.report()
    assert len(broker.taken) == 2
    monkeypatch.setattr(trackers, "QUIET_SECONDS", 0)
    tracker.report()

    assert [report.order for report in broker.taken[2:]] == ["order-1", "order-2"]
    tracker.close()
    end(first)
    end(second)


def test_report_so_often_that_a_short_lease_is_renewed(tracker, broker, monkeypatch):
    """Five times in it: one report that is late loses no order."""
    monkeypatch.setattr(trackers, "REPORT_SECONDS", 1.0)
    monkeypatch.setattr(trackers, "QUIET_SECONDS", LONG)
    assert tracker.pace() == 1.0
    threads = [start(tracker, order(name=name, lease_seconds=lease)) for name, lease in (("long", LONG), ("short", 2))]
    until(lambda: len(broker.taken) == 2)
    assert tracker.pace() == 0.4
    for held in tracker._tracked.values():
        held.reported_at -= 1  # so long ago, and there is nothing new
    tracker.report()
    assert [report.order for report in broker.taken[2:]] == ["short"]
    tracker.close()
    for thread in threads:
        end(thread)


def test_stop_one_of_two_orders(tracker, engine, broker):
    first = start(tracker, order())
    second = start(tracker, order(name="order-2"))

    assert tracker.stop("order-2", 1)
    end(second)

    assert [(report.order, report.stopped) for report in broker.last] == [("order-2", True)]
    assert first.is_alive()
    tracker.close()
    end(first)


def test_stop_one_group_of_an_order(tracker):
    held = tracker.take(order())

    assert tracker.stop("order-1", 1, "job-2")
    assert (held.is_stopped("job-1"), held.is_stopped("job-2")) == (False, True)


def test_report_the_groups_that_have_sequences_left(tracker, engine, broker):
    whole = order()
    groups = [replace(one, group=group) for one, group in zip(whole.sequences, ("a", "b", "c"), strict=True)]
    thread = start(tracker, replace(whole, sequences=tuple(groups)))
    until(lambda: broker.taken)
    engine.steps.release()
    until(lambda: finished_texts(tracker) == 1)
    tracker.stop("order-1", 1, "b")
    tracker.report()
    tracker.close()
    end(thread)

    assert [report.groups for report in broker.taken] == [("a", "b", "c"), ("c",), ()]


def test_count_the_tokens_of_all_orders(tracker, engine):
    for name in ("order-1", "order-2"):
        engine.steps.release(3)
        tracker.carry_out(order(name=name))

    assert tracker.tokens == 30


def test_stop_keeps_what_is_finished(tracker, engine, broker):
    thread = start(tracker, order())
    engine.steps.release()
    until(lambda: finished_texts(tracker) == 1)

    assert tracker.stop("order-1", 1)
    end(thread)

    assert (keys(broker.taken[-1]), broker.taken[-1].stopped) == (["0"], True)


@pytest.mark.parametrize(("name", "token"), [("order-1", 1), ("order-1", 3), ("order-9", 2)])
def test_ignore_a_stop_for_another_hand_out(tracker, name, token):
    held = tracker.take(order(token=2))

    assert not tracker.stop(name, token)
    assert not held.stop.is_set()


@pytest.mark.parametrize("token", [1, 2])
def test_ignore_an_order_already_tracked(tracker, broker, token):
    held = tracker.take(order(token=2))

    tracker.carry_out(order(token=token))

    assert tracker._tracked == {"order-1": held}
    assert broker.taken == []


def test_replace_an_earlier_hand_out(tracker, engine, broker):
    earlier = start(tracker, order(token=1))
    until(lambda: engine.sizes)
    later = threading.Thread(target=tracker.carry_out, args=[order(token=2)], daemon=True)
    later.start()
    end(earlier)
    engine.steps.release(3)
    end(later)

    assert [(report.token, report.stopped, len(report.texts)) for report in broker.last] == [
        (1, True, 0),
        (2, False, 3),
    ]


def test_stop_everything_when_closing(tracker, broker):
    thread = start(tracker, order())
    tracker.close()
    end(thread)
    tracker.carry_out(order(name="too-late"))

    assert [(report.order, report.stopped) for report in broker.last] == [("order-1", True), ("too-late", True)]


def test_tell_the_operator_about_missing_weights(broker):
    OrderTracker(StepwiseEngine(CheckpointError("There are no weights.")), "anna", broker.send).carry_out(order())

    last = broker.taken[-1]
    assert (last.error, last.retry, last.ended) == ("There are no weights.", False, True)


def test_hand_an_order_back_while_the_engine_is_away(broker, caplog):
    OrderTracker(StepwiseEngine(EngineAway("The server cannot be reached.")), "anna", broker.send).carry_out(order())

    last = broker.taken[-1]
    assert (last.ended, last.stopped, last.error) == (True, True, "")
    assert "handed back: The server cannot be reached." in caplog.text


def test_let_another_worker_try_after_an_unexpected_error(broker, caplog):
    OrderTracker(StepwiseEngine(MemoryError("no room")), "anna", broker.send).carry_out(order())

    last = broker.taken[-1]
    assert (last.error, last.retry, last.ended) == ("Generation failed on worker anna with MemoryError.", True, True)
    assert "Traceback" in caplog.text


@pytest.mark.parametrize("error", [ValueError("a secret prompt"), KeyError("a secret prompt")])
def test_log_where_an_order_failed_and_not_what_the_error_quotes(broker, caplog, error):
    OrderTracker(StepwiseEngine(error), "anna", broker.send).carry_out(order())

    assert "raise self.error" in caplog.text
    assert f"\n{type(error).__name__}\n" in caplog.text
    assert "secret" not in caplog.text


def test_serve_the_next_order_after_an_error(broker):
    engine = StepwiseEngine(MemoryError("no room"))
    tracker = OrderTracker(engine, "anna", broker.send)
    tracker.carry_out(order())
    engine.error = None
    engine.steps.release(3)
    tracker.carry_out(order(token=2))

    assert len(broker.taken[-1].texts) == 3
