"""W1 to W3: the engine alone."""

import statistics
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from inference.config import Config
from inference.contract import Sampling, Sequence
from inference.engine import Engine
from tests.bench import model, peers
from tests.bench.rounds import apart, interleaved, own_process, tokens_per_s

ROUNDS = 5
ARRIVALS = 24
APART_SECONDS = 0.05


def our_engine(root: Path, dtype: str = "") -> Engine:
    """Our engine over the bench's model, with the settings that a worker has by default."""
    return Engine(Config("redis://", "", root, (model.SIZE,), "bench", dtype=dtype))


def run(engine: Engine, sequences: list[Sequence]) -> int:
    """Generate everything; returns the number of tokens."""
    return sum(step.tokens for step in engine.generate(model.SIZE, sequences, lambda group: False))


def w1(home: Path) -> dict[str, Any]:
    """32 prompts of 8 to 192 tokens, 64 new tokens each, top-k 40, beside peers; greedy texts checked in float32."""
    root, prompts = model.install(home), model.prompts(32)
    dtype = Config("redis://", "", root, (model.SIZE,), "bench").chosen_dtype()
    makers: dict[str, tuple[Any, ...]] = {
        "engine": (engine_rate, root, dtype, prompts),
        "transformers_generate_32": (_peer, prompts, peers.transformers_generate, root, dtype),
        "ctranslate2_int8": (_peer, prompts, peers.ctranslate2_int8, root, home),
    }
    with ExitStack() as processes:
        contestants = {name: processes.enter_context(own_process(*maker)) for name, maker in makers.items()}
        rates = interleaved(contestants, ROUNDS)
    measured: dict[str, Any] = {name: {"tokens_per_s": rate} for name, rate in rates.items()}
    measured["engine"]["dtype"] = measured["transformers_generate_32"]["dtype"] = dtype
    measured["greedy_texts_same_as_transformers"] = apart(_same_greedy_texts, root, prompts[:8])
    ours = measured["engine"]["tokens_per_s"]
    for peer in ("transformers_generate_32", "ctranslate2_int8"):
        measured[f"engine_to_{peer}"] = ours / measured[peer]["tokens_per_s"]
    return measured


def engine_rate(
    root: Path, dtype: str, prompts: list[list[int]], fewest: int = model.NEW_TOKENS
) -> Callable[[], float]:
    """Measures the engine at these prompts; each text has `fewest` tokens at least."""
    engine, sequences = our_engine(root, dtype), model.sequences(prompts, min_new_tokens=fewest)
    return tokens_per_s(lambda: run(engine, sequences))


def _peer(prompts: list[list[int]], make: Callable[..., peers.Generate], *given: Any) -> Callable[[], float]:
    generate = make(*given)
    return tokens_per_s(lambda: sum(map(len, generate(prompts))))


def w2(home: Path) -> dict[str, Any]:
    """8 prompts with 32 samples each, beside W1 on the same engine."""
    return apart(_w2, model.install(home))


def _w2(root: Path) -> dict[str, Any]:
    engine, several, one = our_engine(root), model.sequences(model.prompts(8), 32), model.sequences(model.prompts(32))
    contestants = {"engine": lambda: run(engine, several), "w1": lambda: run(engine, one)}
    rates = interleaved({name: tokens_per_s(contestant) for name, contestant in contestants.items()}, 3)
    return {
        "engine": {"tokens_per_s": rates["engine"]},
        "w1_engine": {"tokens_per_s": rates["w1"]},
        "w2_to_w1": rates["engine"] / rates["w1"],
    }


def w3(home: Path) -> dict[str, Any]:
    """24 requests of one prompt, one every 50 ms, as people's are: the median time to the first token, beside idle."""
    return apart(_w3, model.install(home))


def _w3(root: Path) -> dict[str, Any]:
    engine = our_engine(root)
    requests = model.sequences(model.prompts(ARRIVALS))
    run(engine, requests[:1])
    contestants = {"idle": lambda: _one_by_one(engine, requests), "arriving": lambda: _arriving(engine, requests)}
    medians = interleaved(contestants, 3, unit="s to the first token")
    return {
        "time_to_first_token": {f"{name}_s": median for name, median in medians.items()},
        "arriving_to_idle": medians["arriving"] / medians["idle"],
    }


def _one_by_one(engine: Engine, requests: list[Sequence]) -> float:
    return statistics.median(_first_token(engine, request) for request in requests)


def _arriving(engine: Engine, requests: list[Sequence]) -> float:
    taken: list[float] = []
    threads = []
    for request in requests:
        threads.append(threading.Thread(target=lambda request=request: taken.append(_first_token(engine, request))))
        threads[-1].start()
        time.sleep(APART_SECONDS)
    for thread in threads:
        thread.join()
    return statistics.median(taken)


def _first_token(engine: Engine, request: Sequence) -> float:
    start, first = time.perf_counter(), 0.0
    for step in engine.generate(model.SIZE, [request], lambda group: False, urgent=True):
        first = first or (step.tokens and time.perf_counter() - start)
    return first


def _same_greedy_texts(root: Path, prompts: list[list[int]]) -> bool:
    """Whether our float32 texts at temperature 0 are transformers' own, token by token."""
    expected = peers.greedy(root)(prompts)
    wanted = model.sequences(prompts, temperature=0, top_k=0)
    assert all(isinstance(one.sampling, Sampling) for one in wanted)
    texts = {
        text.key: text.text
        for step in our_engine(root, "float32").generate(model.SIZE, wanted, lambda group: False)
        for text in step.texts
    }
    return all(
        texts[f"{number}/0"].split() == [f"t{token}" for token in tokens] for number, tokens in enumerate(expected)
    )
