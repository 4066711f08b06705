"""Servers that speak OpenAI's completions, started on loopback: real ones, and one whose faults a test can choose."""

import asyncio
import os
import shutil
import socket
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from inference.config import Config
from inference.remote import ServedEngine
from tests.inference.tiny import save_tiny_gpt2
from tests.live import free_port
from tests.patience import until

SIZE = "gpt2/124M"
KEY = "open-sesame"
COMMANDS = {
    "vllm": "serve {model} --host 127.0.0.1 --port {port} --dtype float32 --enforce-eager --generation-config vllm",
    "transformers": "serve --host 127.0.0.1 --port {port} --device cpu",
}
"""vLLM is tried where it is installed: its CPU build is too large a dependency for tests alone."""


@contextmanager
def real_server(program: str, folder: Path) -> Iterator[Config]:
    """Serve a tiny GPT-2 with `vllm` or `transformers`; gives the settings of a worker that asks this server."""
    model, port = folder / "model", free_port()
    model.mkdir()
    save_tiny_gpt2(model, layers=4, width=128)
    arguments = COMMANDS[program].format(model=model, port=port).split()
    quietly = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
    without_ours = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with (folder / "log").open("w") as log:
        command = [shutil.which(program), *arguments]
        process = subprocess.Popen(command, env=without_ours | quietly, stdout=log, stderr=log, cwd=folder)
    try:
        until(lambda: answers(f"http://127.0.0.1:{port}/health", process), what="the server to start")
        yield settings(f"http://127.0.0.1:{port}/v1", server_models={SIZE: str(model)})
    finally:
        process.kill()
        process.wait()


def answers(url: str, process: "subprocess.Popen[bytes]") -> bool:
    assert process.poll() is None, "the server did not start"
    try:
        return requests.get(url, timeout=10).ok
    except requests.RequestException:
        return False


def settings(url: str, **given) -> Config:
    return Config("redis://", "key", Path(), (SIZE,), "anna", server_url=url, **given)


class StandIn:
    """Stands in for vLLM where a test needs its faults: it speaks vLLM 0.32's format of `/v1/completions` and
    `/v1/models`, as recorded, but counts instead of generating: " 1 2 3" is a text of three tokens.

    `answers` are what the next requests get instead of a text: a response, "break off" or "silence"; `by_prompt` what
    every request of a prompt gets; `listing` what is said instead of the models. `requests` are the bodies that came;
    `abandoned` the prompts whose stream the client closed.
    """

    def __init__(self, pace: float = 0.0) -> None:
        self.pace = pace
        self.models = [SIZE]
        self.answers: deque[Response | str] = deque()
        self.by_prompt: dict[str, Callable[[], Response]] = {}
        self.listing: Response | None = None
        self.requests: list[dict] = []
        self.abandoned: list[str] = []
        self.running = self.most_running = 0
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        routes = [Route("/v1/completions", self.complete, methods=["POST"]), Route("/v1/models", self.list_models)]
        self.app = Starlette(routes=routes)
        self.start()

    def engine(self, **given) -> ServedEngine:
        return ServedEngine(settings(f"http://127.0.0.1:{self.port}/v1", **{"server_key": KEY} | given))

    def start(self) -> None:
        config = uvicorn.Config(self.app, log_level="critical", timeout_graceful_shutdown=0)
        self.server = uvicorn.Server(config)
        listening = [socket.create_server(("127.0.0.1", self.port))]
        self.thread = threading.Thread(target=self.server.run, args=[listening], daemon=True)
        self.thread.start()
        until(lambda: self.server.started, what="the server to start")

    def stop(self) -> None:
        """Go away at once, whatever is under way."""
        self.server.should_exit = True
        self.thread.join(10)

    async def list_models(self, request: Request) -> Response:
        return self.listing or JSONResponse(
            {"object": "list", "data": [{"id": model, "object": "model"} for model in self.models]}
        )

    async def complete(self, request: Request) -> Response:
        body = await request.json()
        self.requests.append(body)
        if request.headers["authorization"] != f"Bearer {KEY}":
            return JSONResponse({"error": "Unauthorized"}, 401)
        if body["model"] not in self.models:
            return fault(404, f"The model `{body['model']}` does not exist.")
        answer = self.answers.popleft() if self.answers else ""
        if body["prompt"] in self.by_prompt:
            return self.by_prompt[body["prompt"]]()
        if answer == "silence":
            await asyncio.sleep(5)
        if isinstance(answer, Response):
            return answer
        return StreamingResponse(self.stream(body, answer), media_type="text/event-stream")

    async def stream(self, body: dict, answer: str) -> Iterator[str]:
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        try:
            for number in range(1, body["max_tokens"] + 1):
                await asyncio.sleep(self.pace)
                yield event({"choices": [choice(number, body)]})
                if answer == "break off" and number == 3:
                    raise ConnectionAbortedError
        except asyncio.CancelledError:
            self.abandoned.append(body["prompt"])
            raise
        finally:
            self.running -= 1
        tokens = body["max_tokens"]
        yield event({"choices": [], "usage": {"prompt_tokens": 2, "completion_tokens": tokens, "total_tokens": tokens}})
        yield "data: [DONE]\n\n"


def choice(number: int, body: dict) -> dict:
    token = f" {number}"
    logprobs = {"tokens": [token], "token_logprobs": [-2.0], "top_logprobs": [{token: -2.0, " a": -0.5, " b": -1.0}]}
    return {
        "index": 0,
        "text": token,
        "logprobs": logprobs if "logprobs" in body else None,
        "finish_reason": "length" if number == body["max_tokens"] else None,
    }


def event(body: dict) -> str:
    whole = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": SIZE} | body
    return f"data: {JSONResponse(whole).body.decode()}\n\n"


def fault(status: int, message: str, **headers: str) -> JSONResponse:
    """An error as vLLM words it."""
    return JSONResponse({"error": {"message": message, "code": status}}, status, headers)
