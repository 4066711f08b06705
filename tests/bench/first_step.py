"""The first step: how soon an idle system begins to compute what was just submitted."""

import statistics
import time
from pathlib import Path
from typing import Any

from tests.bench import model, noop
from tests.bench.portal import Client, running
from tests.live import procfile

JOBS = 25
ROUND_TRIPS = 50
WARM_UP = 3
TOKENS = 4
IDLE_SECONDS = 0.3
"""The pause before each measurement, beside what it takes until the job before is seen to be finished."""


def first_step(home: Path) -> dict[str, Any]:
    """One prompt on an idle system: from the 201 to the start of the engine's first step, beside Celery's no-op.

    `portal_s` is from the moment when the client has the answer to the moment when the worker's engine, its model in
    memory, begins the first pass of the model; the worker runs with `watched_worker.py`, which notes that moment on the
    same clock. `from_sending_s` starts when the request is sent. `noop_s` is the round trip of a task that does
    nothing, in a worker process of its own on the same broker, its result coming back through Redis. All are medians.
    """
    generate = procfile()["generate"].replace("inference.worker", "tests.bench.watched_worker")
    with running(home, "generate", "noop", commands={"generate": generate, "noop": noop.COMMAND}) as client:
        steps = client.portal.home / "steps"
        from_answer, from_sending, trips = [], [], []
        for number in range(-WARM_UP, JOBS):
            after_answer, after_sending = submit(client, steps)
            two_trips = [noop.round_trip() for _ in range(ROUND_TRIPS // JOBS)]
            if number >= 0:
                from_answer.append(after_answer)
                from_sending.append(after_sending)
                trips += two_trips
    portal, trip = statistics.median(from_answer), statistics.median(trips)
    print(f"    {JOBS} jobs: {portal:.4f} s, {len(trips)} no-ops: {trip:.4f} s", flush=True)
    return {
        "portal_s": portal,
        "from_sending_s": statistics.median(from_sending),
        "noop_s": trip,
        "portal_to_noop": portal / trip,
    }


def submit(client: Client, steps: Path) -> tuple[float, float]:
    """Submit one prompt; returns the seconds to the first step from the answer, and from sending."""
    time.sleep(IDLE_SECONDS)
    steps.unlink(missing_ok=True)
    sent = time.time()
    job = client.call("POST", "/jobs", json={"size": model.SIZE, "prompts": ["t1 t2 t3 t4"], "max_new_tokens": TOKENS})
    answered = time.time()
    client.wait(job, every=0.1)
    first = float(steps.read_text().split()[0])
    return first - answered, first - sent
