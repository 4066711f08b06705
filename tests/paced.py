"""A generation worker that pauses before each pass: work is under way whenever a test looks, and the machine is left to
the other tests. `make faults`, which measures rates, does without."""

import time

from inference.batching import Batch

PAUSE = 0.005  # seconds
_step = Batch.step


def step(batch: Batch, *arguments):
    """The next pass, after a pause."""
    time.sleep(PAUSE)
    return _step(batch, *arguments)


Batch.step = step


def __getattr__(name: str):
    """Celery's `app`: the worker reads its environment only where there is one."""
    from inference import worker

    return getattr(worker, name)
