"""An engine whose model runs elsewhere: behind a server that speaks OpenAI's completions, such as vLLM.

One streamed request a text: a stop closes the stream, and the server lets go of the text. What weights the server
computes with cannot be known from here, so texts and hellos name no checkpoint.
"""

import asyncio
import logging
import queue
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field

import httpx2
import openai

from inference import contract, limits, stream, wire
from inference.checkpoints import CheckpointError
from inference.config import Config
from inference.contract import HEARTBEAT_SECONDS, Text
from inference.engine import LOOK_SECONDS, EngineAway, RequestOutput
from inference.failures import Failures

logger = logging.getLogger(__name__)

RETRIES = 5
"""How often a request that the server did not take is sent again: ever later, or when the server says."""
BEGINNINGS = 3
"""How often a text is begun, where the server breaks it off."""
SILENCE = openai.Timeout(300, connect=5)
"""Seconds without a sign from the server, and until it takes a connection, before a request is given up."""
LONGEST_SECONDS = 3600.0
"""How long a text may take each time. A server that only says that it is still there gets no longer."""
AFTERWARDS_SECONDS = 5.0
"""How long a server may go on after a text's end: it then counts the tokens."""
AWAY = frozenset({429, 502, 503, 504})
"""What a server, or a proxy before it, answers to everything while it has too much to do, starts, or is not there."""
NO_KEY = "EMPTY"
"""What vLLM's manual sends to a server that asks for no key."""


class ServerError(Exception):
    """The server answers with an error of its own, with what is no text, or breaks off. It may pass."""


@dataclass(eq=False)
class GenerationRequest:
    """An order's sequences at the server. What they become arrives in `outputs`; None is the last thing to arrive."""

    size: str
    model: str
    sequences: Sequence[contract.Sequence]
    stopped: Callable[[str], bool]
    urgent: bool
    groups: set[str] = field(init=False)
    """The groups of its sequences that were not stopped."""
    outputs: "queue.SimpleQueue[RequestOutput | None]" = field(default_factory=queue.SimpleQueue)
    tokens: dict[str, int] = field(default_factory=dict)
    """How many tokens each sequence has, by its key."""
    reported: int = 0
    failures: Failures = field(default_factory=Failures)

    def __post_init__(self) -> None:
        self.groups = {sequence.group for sequence in self.sequences}

    def newly_stopped(self) -> set[str]:
        """The groups that were stopped since the last time it was asked."""
        gone = {group for group in self.groups if self.stopped(group)}
        self.groups -= gone
        return gone

    def tell(self, *texts: Text) -> None:
        """Hand over finished texts, and how many tokens are new.

        A text that is begun again counts only for what it has beyond its first beginning.
        """
        self.tokens |= {text.key: text.tokens for text in texts}
        new = max(0, sum(self.tokens.values()) - self.reported)
        self.reported += new
        if new or texts:
            self.outputs.put(RequestOutput(new, texts))


class ServedEngine:
    """Generates for any number of threads at a time: one more thread speaks with the server.

    It asks for `batch_rows` texts at a time; a quarter of these places is kept for urgent orders.
    """

    def __init__(self, config: Config) -> None:
        for talkative in ("openai", "httpx2"):  # they log each request, and at DEBUG the prompt in it
            logging.getLogger(talkative).setLevel(logging.WARNING)
        self._config = config
        self._server = f"The server at {config.server_url}"
        self._client = openai.AsyncOpenAI(
            base_url=config.server_url,
            api_key=config.server_key or NO_KEY,
            max_retries=RETRIES,
            timeout=SILENCE,
            default_headers={"Accept-Encoding": "identity"},
            http_client=openai.DefaultAsyncHttpxClient(event_hooks={"response": [stream.bound]}),
        )
        self._places = asyncio.Semaphore(config.batch_rows)
        self._ordinary_places = asyncio.Semaphore(max(1, config.batch_rows - config.batch_rows // 4))
        self._models: frozenset[str] = frozenset()
        self._answer = ""
        self._is_away = False
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=_speak, args=[self._loop], name="server", daemon=True).start()
        weakref.finalize(self, _hang_up, self._client, self._loop).atexit = False

    def sizes(self) -> tuple[str, ...]:
        """The sizes that it takes orders of: none while the server cannot be reached."""
        return () if self._is_away else self._config.sizes

    def loaded(self) -> tuple[str, ...]:
        """The sizes whose models the server serves, as it answered to the call before; this one only asks it again."""
        asyncio.run_coroutine_threadsafe(self._look(), self._loop)
        return tuple(sorted(size for size in self._config.sizes if self._config.model_of(size) in self._models))

    def plain(self) -> tuple[str, ...]:
        """None: how the server computes is its own affair."""
        return ()

    def generate(
        self, size: str, sequences: Sequence[contract.Sequence], stopped: Callable[[str], bool], urgent: bool = False
    ) -> Iterator[RequestOutput]:
        """Extend every prompt. The server is asked to drop a group of sequences that is `stopped`.

        A text that the server will not write is refused with its words, one that it fails at where it wrote others
        too. Raises `CheckpointError` where the operator has to act, `EngineAway` where there is no server for now,
        `ServerError` where it wrote none of the texts.
        """
        request = GenerationRequest(size, self._config.model_of(size), sequences, stopped, urgent)
        future = asyncio.run_coroutine_threadsafe(self._carry_out(request), self._loop)
        future.add_done_callback(lambda _: request.outputs.put(None))
        try:
            while (output := request.outputs.get()) is not None:
                yield output
            future.result()
        finally:
            future.cancel()

    async def _carry_out(self, request: GenerationRequest) -> None:
        groups = {asyncio.create_task(self._write(request, sequence)): sequence.group for sequence in request.sequences}
        left = set(groups)
        try:
            while left:
                gone = request.newly_stopped()
                for task in left:
                    if groups[task] in gone:
                        task.cancel()
                done, left = await asyncio.wait(left, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_EXCEPTION)
                for task in done:
                    if not task.cancelled():
                        task.result()
                request.tell()
            if request.groups:
                request.tell(*request.failures.refused())
        finally:
            for task in groups:
                task.cancel()
            await asyncio.gather(*groups, return_exceptions=True)

    async def _write(self, request: GenerationRequest, sequence: contract.Sequence) -> None:
        if sequence.sampling.watermark_key:
            worker = self._config.worker
            error = f"This text was to carry a watermark, and worker {worker} generates on a server that has none."
            return request.tell(_refused(sequence, error))
        if flaw := limits.flaw_of(sequence):
            return request.tell(_refused(sequence, flaw))
        async with self._place(request.urgent):
            try:
                text = await self._text(request, sequence)
            except wire.Refusal as refusal:
                return request.tell(_refused(sequence, f"The server refused this text: {refusal}"))
            except ServerError as error:
                return request.failures.hold(_refused(sequence, str(error)), error)
            except openai.APIError as error:
                if wire.is_refusal(error):
                    return request.tell(_refused(sequence, f"The server refused this text: {wire.said(error.body)}"))
                failure = await self._held_back(request, error)
                return request.failures.hold(_refused(sequence, str(failure)), failure)
            request.failures.one_came_through = True
            return request.tell(text)

    @asynccontextmanager
    async def _place(self, urgent: bool) -> AsyncIterator[None]:
        async with AsyncExitStack() as held:
            if not urgent:
                await held.enter_async_context(self._ordinary_places)
            await held.enter_async_context(self._places)
            yield

    async def _text(self, request: GenerationRequest, sequence: contract.Sequence) -> Text:
        """One text, begun again where the server broke it off, and only there."""
        for _ in range(BEGINNINGS):
            reading = wire.Reading(sequence)
            try:
                await self._read(request, sequence, reading)
            except wire.Refusal:
                if not reading.is_complete:
                    raise
            except (stream.Excess, TimeoutError) as error:
                if not reading.is_complete:
                    why = str(error) or f"did not end a text within {LONGEST_SECONDS:,.0f} s"
                    raise ServerError(f"{self._server} {why}.") from None
            if reading.is_complete:
                return reading.finished()
            logger.warning("%s broke off a text of %s.", self._server, request.model)
        raise ServerError(f"{self._server} broke off a text of {request.model} {BEGINNINGS} times.")

    async def _read(self, request: GenerationRequest, sequence: contract.Sequence, reading: wire.Reading) -> None:
        """One request, as far as the server answers it."""
        asked = wire.request(request.model, sequence)
        answer = self._client.completions.with_streaming_response.create(stream=True, **asked)
        is_ending = False
        async with asyncio.timeout(LONGEST_SECONDS) as limit, answer as response:
            try:
                async with aclosing(stream.events(response)) as events:
                    async for event in events:
                        if reading.is_done:
                            continue  # the connection can be used again once it is read to its end
                        reading.take(event)
                        request.tokens[sequence.key] = reading.tokens
                        if reading.is_complete and not is_ending:
                            is_ending = True
                            limit.reschedule(self._loop.time() + AFTERWARDS_SECONDS)
            except (httpx2.HTTPError, ValueError) as error:
                logger.debug("%s broke off with %s.", self._server, type(error).__name__)

    async def _held_back(self, request: GenerationRequest, error: openai.APIError) -> Exception:
        """The failure of one text; raises it at once where it would be that of every text."""
        if isinstance(error, openai.APIConnectionError):
            await self._look()
        failure = self._failure(request, error)
        if isinstance(failure, EngineAway) or isinstance(error, openai.AuthenticationError | openai.NotFoundError):
            raise failure from None  # its words may quote the prompt
        return failure

    def _failure(
        self, request: GenerationRequest, error: openai.APIError
    ) -> CheckpointError | EngineAway | ServerError:
        worker = f"worker {self._config.worker}"
        match error:
            case openai.AuthenticationError() | openai.PermissionDeniedError():
                return CheckpointError(
                    f"{self._server} does not take the key of {worker} (it answered {error.status_code}). The operator"
                    " corrects SERVER_KEY."
                )
            case openai.NotFoundError():
                return CheckpointError(
                    f"{self._server} has no model {request.model!r} (it answered 404), which {worker} asks it for as"
                    f" {request.size}. The operator corrects SERVER_MODELS or SERVER_URL, or lets the server serve it"
                    " under this name."
                )
            case openai.APIStatusError(status_code=code) if code in AWAY:
                return EngineAway(f"{self._server} answers {code} to {worker}.")
            case openai.APIStatusError():
                return ServerError(f"{self._server} answered {error.status_code} to {worker}.")
            case openai.APITimeoutError() if not self._is_away:
                return ServerError(f"{self._server} did not answer {worker} in time.")
            case openai.APIConnectionError() if not self._is_away:
                return ServerError(f"{self._server} closed the connection to {worker} without an answer.")
        why = wire.in_short(str(error.__cause__ or error))
        return EngineAway(f"{self._server} cannot be reached from {worker}: {why}.")

    async def _look(self) -> None:
        """Ask the server what it serves, and log its answer where that is news."""
        client = self._client.with_options(max_retries=0, timeout=HEARTBEAT_SECONDS)
        try:
            async with asyncio.timeout(2 * HEARTBEAT_SECONDS):
                models = wire.models_of(await client.get("/models", cast_to=object))
            self._models = frozenset(models) & {self._config.model_of(size) for size in self._config.sizes}
            self._is_away = False
            level, answer = logging.INFO, f"serves {wire.in_short(', '.join(sorted(models))) or 'nothing'}"
        except Exception as error:
            self._models = frozenset()
            unreachable = isinstance(error, openai.APIConnectionError | TimeoutError)
            self._is_away = unreachable or getattr(error, "status_code", 0) in AWAY
            level, answer = logging.WARNING, f"does not say what it serves: {wire.in_short(str(error))}"
        if answer != self._answer:
            logger.log(level, "%s %s", self._server, answer)
        self._answer = answer


def _refused(sequence: contract.Sequence, error: str) -> Text:
    return Text(sequence.key, "", 0, 0, "refused", error)


def _speak(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


def _hang_up(client: openai.AsyncOpenAI, loop: asyncio.AbstractEventLoop) -> None:
    """Close the connections of an engine that nobody holds any more, and end its thread."""

    async def close() -> None:
        await client.close()
        loop.stop()

    asyncio.run_coroutine_threadsafe(close(), loop)
