"""The worker process, and the only file here that knows Celery.

`celery -A inference.worker worker --pool threads --without-gossip --without-mingle --without-heartbeat`
"""

import logging
import os
import signal
import socket
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import redis
from celery import Celery, signals
from kombu import Exchange, Queue

from inference import broker, checkpoints, config, contract
from inference.contract import Heartbeat, Report, Revoked, Stop, WorkOrder
from inference.engine import Engine
from inference.seal import Once, Seal, SealError, addressed
from inference.tracebacks import without_words
from inference.tracker import OrderTracker

if TYPE_CHECKING:
    from inference.remote import ServedEngine

logger = logging.getLogger(__name__)

ORDERS_OF_A_SIZE = 4
"""Orders of each size in hand at once: the site hands out three, and one more may be ending."""
NOTICE_SECONDS = 2
"""How long it waits for a notice before it looks whether it is to end; less than the broker's time limit."""

settings = config.from_environment()
seal, once = Seal(settings.worker_key), Once()
orders, keys = contract.orders_of(settings.worker), contract.keys_of(settings.worker)
app = Celery("inference", broker=contract.broker_url(settings.redis_url), set_as_current=False)
app.conf.update(
    # Named and never declared: a worker's account on the broker reaches the keys of its worker, and no exchange.
    task_queues=[Queue(orders, Exchange(""), routing_key=orders, no_declare=True)],
    task_default_queue=orders,
    accept_content=["json"],
    task_serializer="json",
    task_ignore_result=True,
    worker_pool="threads",
    worker_concurrency=ORDERS_OF_A_SIZE * len(settings.sizes),
    worker_prefetch_multiplier=1,
    worker_enable_remote_control=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options=contract.BROKER_OPTIONS
    | {"unacked_key": keys + "unacked", "unacked_index_key": keys + "unacked_index"},
)
client = redis.Redis.from_url(settings.redis_url, **contract.BROKER_OPTIONS)


def send(message: Report | Heartbeat) -> bool:
    """Give a message to the broker; returns whether the broker took it."""
    try:
        client.lpush(contract.REPORTS, addressed(settings.worker, seal.close(message)))
    except redis.RedisError as error:
        logger.warning("The broker did not take a %s: %s", type(message).__name__, error)
        return False
    return True


def chosen_engine() -> "Engine | ServedEngine":
    """The server that the environment names; the built-in engine where it names none."""
    if not settings.server_url:
        return Engine(settings)
    from inference.remote import ServedEngine

    return ServedEngine(settings)


dropped = 0
"""Messages that could not be read, since the start."""


@broker.on_drop
def count_drop(_reason: str) -> None:
    """Have the next heartbeat say so."""
    global dropped
    dropped += 1


engine = chosen_engine()
tracker = OrderTracker(engine, settings.worker, send)
leaving = threading.Event()


@app.task(name=contract.GENERATE)
def generate(sealed: str) -> None:
    """Carry out one sealed work order."""
    try:
        opened = seal.open(sealed)
        once.check(opened)
        order = opened.read(WorkOrder)
    except SealError as error:
        broker.drop(error)
        return
    tracker.carry_out(order)


def keep_listening() -> None:
    """Take notices until the worker leaves."""
    while not leaving.is_set():
        try:
            if notice := client.brpop([contract.notices_of(settings.worker)], NOTICE_SECONDS):
                take_notice(notice[1])
        except redis.RedisError:
            leaving.wait(NOTICE_SECONDS)
        except Exception as error:
            logger.error("A notice failed.\n%s", without_words(error))


def take_notice(sealed: bytes | str) -> None:
    """Stop what the site says is to stop; end where it says that this worker's key was revoked."""
    try:
        opened = seal.open(sealed)
        if opened.kind == Revoked.__name__:
            end_revoked(opened.read(Revoked))
        else:
            stop = opened.read(Stop)
            tracker.stop(stop.order, stop.token, stop.group)
    except SealError as error:
        broker.drop(error)


def end_revoked(notice: Revoked) -> None:
    """Stop at the next token, and end as at a signal."""
    logger.error("The key of worker %s was revoked. It ends.", notice.worker)
    tracker.close()
    os.kill(os.getpid(), signal.SIGTERM)


def heartbeat() -> Heartbeat:
    """What this worker is and holds. Of a server's machine and weights it knows nothing, and says so."""
    loaded, sizes = engine.loaded(), engine.sizes()
    here = Heartbeat(
        worker=settings.worker,
        host=socket.gethostname(),
        device=f"server {urlsplit(settings.server_url).netloc}",
        dtype="",
        sizes=sizes,
        checkpoints=("",) * len(sizes),
        loaded=loaded,
        plain=engine.plain(),
        tokens=tracker.tokens,
        dropped=dropped,
    )
    if settings.server_url:
        return here
    return replace(
        here,
        device=settings.chosen_device(),
        dtype=settings.chosen_dtype(),
        checkpoints=tuple(checkpoints.identity(settings.weights_root / size) for size in settings.sizes),
    )


def keep_telling() -> None:
    """Report and send heartbeats at the pace the contract sets, whatever happens, until the worker leaves."""
    next_heartbeat = time.monotonic()
    while not leaving.is_set():
        try:
            tracker.report()
            if time.monotonic() >= next_heartbeat:
                next_heartbeat = time.monotonic() + contract.HEARTBEAT_SECONDS
                send(heartbeat())
        except Exception as error:
            logger.error("A report or heartbeat failed.\n%s", without_words(error))
        leaving.wait(tracker.pace())


@signals.celeryd_after_setup.connect
def choose_dtype(**_: Any) -> None:
    """Import torch before the first order comes: transformers fails where two threads import it for the first time."""
    if not settings.server_url:
        settings.chosen_dtype()


@signals.worker_ready.connect
def start_telling(**_: Any) -> None:
    """Start the threads that report and send heartbeats, and that take notices."""
    threading.Thread(target=keep_telling, name="telling", daemon=True).start()
    threading.Thread(target=keep_listening, name="listening", daemon=True).start()


@signals.worker_shutting_down.connect
def stop_all_orders(**_: Any) -> None:
    """Say that this worker takes no more orders, and let every order in hand end at its next token."""
    threading.Thread(target=say_goodbye, name="goodbye").start()  # a signal is no place for the broker's locks
    tracker.close()


@signals.worker_shutdown.connect
def say_goodbye(**_: Any) -> None:
    """Tell the site that this worker takes no more orders; again at the end, since orders may have come meanwhile."""
    leaving.set()
    send(replace(heartbeat(), leaving=True))
