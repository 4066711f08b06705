"""A Celery task that does nothing, on the portal's broker: what a message there and back costs."""

import os
import time

from celery import Celery

from inference.contract import broker_url

COMMAND = (
    "celery -A tests.bench.noop worker --queues noop --pool threads --concurrency 1"
    " --without-gossip --without-mingle --without-heartbeat --loglevel WARNING"
)

address = broker_url(os.environ["REDIS_URL"])
app = Celery("noop", broker=address, backend=address, set_as_current=False)
app.conf.update(task_default_queue="noop", worker_enable_remote_control=False)


@app.task(name="noop")
def nothing() -> None:
    """Nothing."""


def round_trip() -> float:
    """The seconds from sending the task to its result."""
    start = time.perf_counter()
    result = app.send_task("noop")
    result.get(timeout=20)
    seconds = time.perf_counter() - start
    result.forget()
    return seconds
