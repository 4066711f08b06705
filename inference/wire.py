"""What a server is asked for one text, and what it answers: OpenAI's completions, with what vLLM adds to them."""

import hashlib
from dataclasses import dataclass
from typing import Any

import openai
from openai.types import Completion, CompletionUsage
from openai.types.completion_choice import Logprobs

from inference.contract import Sampling, Sequence, Text, TokenLogprob


@dataclass
class Reading:
    """What has arrived of one text."""

    text: str = ""
    tokens: int = 0
    logprobs: tuple[TokenLogprob, ...] = ()
    finish_reason: str = ""
    usage: CompletionUsage | None = None

    def take(self, chunk: Completion, top: int) -> None:
        """Add what a chunk brings, with the `top` likeliest tokens at each place.

        A chunk counts as one token, and may hold several, until the server counts them in its last.
        """
        for choice in chunk.choices:
            self.text += choice.text
            self.tokens += not choice.finish_reason
            self.finish_reason = choice.finish_reason or self.finish_reason
            if choice.logprobs:
                self.logprobs += _logprobs(choice.logprobs, top)
        self.usage = chunk.usage or self.usage

    def finished(self, key: str) -> Text | None:
        """The text; None where the server did not come to its end or did not count its tokens."""
        if self.finish_reason not in ("stop", "length") or self.usage is None:
            return None
        counts = self.usage
        return Text(
            key, self.text, counts.prompt_tokens, counts.completion_tokens, self.finish_reason, logprobs=self.logprobs
        )


def request(model: str, sequence: Sequence) -> dict[str, Any]:
    """What the server is asked for one text.

    The parameters that only vLLM and its like know are left out where they ask for nothing, since others refuse them.
    """
    sampling = sequence.sampling
    asked = {
        "model": model,
        "prompt": sequence.prompt,
        "max_tokens": sampling.max_new_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": seed_of(sequence),
        "stream_options": {"include_usage": True},
    }
    if sampling.stop:
        asked["stop"] = list(sampling.stop)
    if sampling.logprobs is not None:
        asked["logprobs"] = sampling.logprobs
    return asked | {"extra_body": _beyond_openai(sampling)}


def _beyond_openai(sampling: Sampling) -> dict[str, float]:
    neutral = Sampling(sampling.max_new_tokens)
    return {
        name: asked
        for name, asked, nothing in (
            ("top_k", sampling.top_k, neutral.top_k),
            ("repetition_penalty", sampling.repetition_penalty, neutral.repetition_penalty),
            ("min_tokens", sampling.min_new_tokens, neutral.min_new_tokens),
        )
        if asked != nothing
    }


def seed_of(sequence: Sequence) -> int:
    """The server's seed of one text: the first 48 bits of the SHA-256 of "seed:index", a number that every reader of
    JSON takes exactly."""
    return int.from_bytes(hashlib.sha256(f"{sequence.seed}:{sequence.index}".encode()).digest()[:6], "big")


def _logprobs(given: Logprobs, top: int) -> tuple[TokenLogprob, ...]:
    """Of each token; vLLM adds the chosen one to the likeliest, where it is not among them."""
    likeliest = given.top_logprobs or [{} for _ in given.tokens or ()]
    return tuple(
        TokenLogprob(token, logprob, tuple(sorted(others.items(), key=lambda other: -other[1])[:top]))
        for token, logprob, others in zip(given.tokens or (), given.token_logprobs or (), likeliest, strict=True)
    )


def is_refusal(error: openai.APIError) -> bool:
    """Whether the server found fault with the text itself; vLLM may say so when the stream has begun."""
    return isinstance(error, openai.BadRequestError | openai.UnprocessableEntityError) or error.code in ("400", "422")


def words(error: openai.APIError) -> str:
    """What the server said."""
    said = error.body if isinstance(error.body, dict) else {}
    return str(said.get("message") or said.get("detail") or error.message)
