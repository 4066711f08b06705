"""Measuring one beside another: rounds that go A B A B, and their medians."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, TypeVar

Result = TypeVar("Result")
SPAWN = get_context("spawn")

SETTLE_SECONDS = 0.5
"""Between two contestants: the threads of some libraries spin on for a while after their work."""


def interleaved(
    contestants: Mapping[str, Callable[[], float]], rounds: int, *, unit: str = "tokens/s", warm_up: int = 1
) -> dict[str, float]:
    """The median of what each contestant measures, after rounds that only warm up."""
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(1 - warm_up, rounds + 1):
        for name, contestant in contestants.items():
            time.sleep(SETTLE_SECONDS)
            figure = contestant()
            if number > 0:
                taken[name].append(figure)
                print(f"    round {number} {name}: {figure:,.4g} {unit}", flush=True)
    return {name: statistics.median(figures) for name, figures in taken.items()}


def tokens_per_s(generate: Callable[[], int]) -> Callable[[], float]:
    """Measures how many tokens a second `generate` makes; it returns how many it made."""

    def measure() -> float:
        start = time.perf_counter()
        tokens = generate()
        return tokens / (time.perf_counter() - start)

    return measure


def apart(function: Callable[..., Result], *given: Any) -> Result:
    """What the function returns in a process of its own, for the same reason as `own_process`."""
    with ProcessPoolExecutor(1, mp_context=SPAWN) as process:
        return process.submit(function, *given).result()


@contextmanager
def own_process(make: Callable[..., Callable[[], float]], *given: Any) -> Iterator[Callable[[], float]]:
    """A contestant in a process of its own: there `make(*given)` is called once, and then measured at each call.

    In one process, the idle threads of one library would make those of another sleep after each operation.
    """
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=_compete, args=(theirs, make, given), daemon=True)
    process.start()
    theirs.close()

    def measure() -> float:
        ours.send("measure")
        figure: float = ours.recv()
        return figure

    try:
        yield measure
    finally:
        process.terminate()
        process.join()


def _compete(pipe: Connection, make: Callable[..., Callable[[], float]], given: tuple[Any, ...]) -> None:
    measure = make(*given)
    while pipe.recv():
        pipe.send(measure())
