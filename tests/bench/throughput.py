"""W4: what is left of the engine's speed at the other end of the portal."""

from pathlib import Path
from typing import Any

from inference import contract
from tests.bench import model
from tests.bench.engine import engine_rate
from tests.bench.portal import Client, paused, running
from tests.bench.rounds import interleaved, own_process, tokens_per_s

PROMPTS = 256
ROUNDS = 3
ASK_SECONDS = contract.REPORT_SECONDS


def w4(home: Path) -> dict[str, Any]:
    """256 prompts of W1's kind through the whole portal, from submission to the last text fetched, beside the engine.

    One worker with default settings. The engine runs in a process of its own, with the worker's dtype, over the same
    prompts, settings and seed; the portal's processes stand still meanwhile.
    """
    prompts = model.prompts(PROMPTS)
    with running(home, "generate") as client:
        dtype = worker_dtype()
        with own_process(engine_rate, model.install(home), dtype, prompts, 0) as measure:

            def alone() -> float:
                with paused(client.portal):
                    return measure()

            portal = tokens_per_s(lambda: through_portal(client, prompts))
            rates = interleaved({"portal": portal, "engine": alone}, ROUNDS)
    return {
        "portal": {"tokens_per_s": rates["portal"], "dtype": dtype},
        "engine": {"tokens_per_s": rates["engine"], "dtype": dtype},
        "portal_to_engine": rates["portal"] / rates["engine"],
    }


def through_portal(client: Client, prompts: list[list[int]]) -> int:
    """Submit a job, ask after it as often as there is news, fetch its texts; returns how many tokens they have."""
    texts = [model.as_text(prompt) for prompt in prompts]
    settings = {"size": model.SIZE, "max_new_tokens": model.NEW_TOKENS, "top_k": model.TOP_K, "seed": 1}
    job = client.call("POST", "/jobs", json={"prompts": texts, **settings})
    client.wait(job, ASK_SECONDS)
    fetched = client.call("GET", f"/jobs/{job['id']}/texts", params={"limit": len(prompts)})["items"]
    assert [text["prompt"] for text in fetched] == texts
    return sum(text["tokens"] for text in fetched)


def worker_dtype() -> str:
    """The dtype that the worker measured to be fastest, as it reported to the site."""
    from release_portal.jobs.models import Worker

    return Worker.objects.latest("seen_at").dtype
