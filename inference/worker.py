"""The worker process, and the only file here that knows Celery.

`celery -A inference.worker worker --pool threads --without-gossip --without-mingle --without-heartbeat`
"""

import logging
import socket
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from celery import Celery, signals
from celery.worker.control import control_command
from kombu import Queue
from kombu.exceptions import OperationalError

from inference import checkpoints, config, contract
from inference.contract import Hello, Report, WorkOrder
from inference.desk import Desk
from inference.engine import Engine
from inference.seal import Seal, SealError

if TYPE_CHECKING:
    from inference.remote import ServedEngine

logger = logging.getLogger(__name__)

ORDERS_OF_A_SIZE = 4
"""So many orders of each size are in hand at once: the site hands out three, and one more may be ending."""
TASK_OF = {Report: contract.REPORT, Hello: contract.HELLO}

settings = config.from_environment()
seal = Seal(settings.worker_key)
app = Celery("inference", broker=contract.broker_url(settings.redis_url), set_as_current=False)
app.conf.update(
    task_queues=[Queue(contract.queue_of(size)) for size in settings.sizes],
    task_default_queue=contract.queue_of(settings.sizes[0]),
    accept_content=["json"],
    task_serializer="json",
    task_ignore_result=True,
    worker_pool="threads",
    worker_concurrency=ORDERS_OF_A_SIZE * len(settings.sizes),
    worker_prefetch_multiplier=1,
    worker_enable_remote_control=True,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options=contract.BROKER_OPTIONS,
)


def send(message: Report | Hello) -> bool:
    """Give a message to the broker; returns whether the broker took it."""
    try:
        app.send_task(TASK_OF[type(message)], [seal.close(message)], queue=contract.SITE_QUEUE, retry=False)
    except OperationalError as error:
        logger.warning("The broker did not take a %s: %s", type(message).__name__, error)
        return False
    return True


def chosen_engine() -> "Engine | ServedEngine":
    """The server that the environment names; the built-in engine where it names none."""
    if not settings.server_url:
        return Engine(settings)
    from inference.remote import ServedEngine

    return ServedEngine(settings)


engine = chosen_engine()
desk = Desk(engine, settings.worker, send)
leaving = threading.Event()


@app.task(name=contract.GENERATE)
def generate(sealed: str) -> None:
    """Carry out one sealed work order."""
    try:
        order = seal.open(WorkOrder, sealed)
    except SealError as error:
        logger.error("%s", error)
        return
    desk.carry_out(order)


@control_command(name=contract.STOP, args=[("order", str), ("token", int), ("group", str)])
def stop_order(_state: Any, order: str, token: int, group: str = "") -> dict[str, bool]:
    """Stop one hand-out of an order, or one group of its sequences, at its next token."""
    return {"stopped": desk.stop(order, token, group)}


def hello() -> Hello:
    """What this worker is and holds. Of a server's machine and weights it knows nothing, and says so."""
    loaded, sizes = engine.loaded(), engine.sizes()
    here = Hello(
        worker=settings.worker,
        host=socket.gethostname(),
        device=f"server {urlsplit(settings.server_url).netloc}",
        dtype="",
        sizes=sizes,
        checkpoints=("",) * len(sizes),
        loaded=loaded,
        tokens=desk.tokens,
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
    """Report and say hello at the pace the contract sets, whatever happens, until the worker leaves."""
    next_hello = time.monotonic()
    while not leaving.is_set():
        try:
            desk.report()
            if time.monotonic() >= next_hello:
                next_hello = time.monotonic() + contract.HELLO_SECONDS
                send(hello())
        except Exception:
            logger.exception("A report or hello failed.")
        leaving.wait(desk.pace())


@signals.celeryd_init.connect
def take_name(instance: Any, **_: Any) -> None:
    """Answer remote control under the name that reports and hellos give, so that the site can address a stop."""
    instance.hostname = settings.worker


@signals.celeryd_after_setup.connect
def choose_dtype(**_: Any) -> None:
    """Measure before the first order comes: transformers fails where two threads import it for the first time."""
    if not settings.server_url:
        settings.chosen_dtype()


@signals.worker_ready.connect
def start_telling(**_: Any) -> None:
    """Start the thread that reports and says hello."""
    threading.Thread(target=keep_telling, name="telling", daemon=True).start()


@signals.worker_shutting_down.connect
def stop_all_orders(**_: Any) -> None:
    """Let every order in hand end at its next token."""
    desk.close()


@signals.worker_shutdown.connect
def say_goodbye(**_: Any) -> None:
    """Tell the site that this worker takes no more orders."""
    leaving.set()
    send(replace(hello(), leaving=True))
