"""What a server is asked for one text, and what it answers: OpenAI's completions, with what vLLM adds to them.

Another program's answers come in any shape. They are read into our own types here, and nowhere else.
"""

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, TypeGuard

import openai

from inference.contract import Sampling, Sequence, Text, TokenLogprob, clean
from inference.stream import DONE, Excess

LONGEST_TOKEN = 256
"""Characters: twice the longest token of any vocabulary in use. A text that is longer on average was not asked for."""
USUAL_TOKEN = 8
"""Characters: seldom is a text's average token longer. Where nobody counts, a long piece counts for several."""
TEMPLATE_TOKENS = 1_000
"""Tokens that a server may put around a prompt."""
LONGEST_WORDS = 300
"""Characters of what a server says that are passed on."""
REFUSALS = frozenset({"400", "413", "422"})
"""The codes by which a server finds fault with the text itself; vLLM may say so when the stream has begun."""
NOT_YET = frozenset({"", "none", "null", "false"})
BROKEN_OFF = frozenset({"abort", "aborted", "cancelled", "canceled", "error", "timeout"})
LONG_ENOUGH = frozenset({"length", "max_tokens", "max_length", "max_new_tokens", "model_length"})
FILTERED = frozenset({"content_filter", "content-filter", "blocked", "moderation", "refusal", "safety"})


class Refusal(Exception):
    """The server finds fault with the text itself; the message is what it says."""


class Reading:
    """What has arrived of one text."""

    def __init__(self, sequence: Sequence) -> None:
        self._sequence = sequence
        self._sampling = sequence.sampling
        self._text = ""
        self._pieces = 0
        self._logprobs: tuple[TokenLogprob, ...] = ()
        self._reason = ""
        self._counts: dict[str, Any] = {}
        self._began = self._is_counted = False
        self.is_done = False
        """Whether the server said that nothing follows."""

    @property
    def tokens(self) -> int:
        """How many tokens came, where the server does not count them: a piece is one, and may hold several."""
        fewest = -(-len(self._text) // USUAL_TOKEN)
        return min(max(self._pieces, len(self._logprobs), fewest), self._sampling.max_new_tokens)

    @property
    def is_complete(self) -> bool:
        """Whether the text came to its end. Not every server says why, but one that breaks off says nothing more."""
        if self._reason:
            return self._reason not in BROKEN_OFF
        is_long_enough = self.tokens >= self._sampling.max_new_tokens
        return self._began and (self.is_done or self._is_counted or is_long_enough)

    def take(self, event: bytes) -> None:
        """Add what an event brings.

        Raises ValueError where it cannot be read, `Refusal` where the server finds fault with the text, `Excess` where
        it is longer than was asked.
        """
        if event.startswith(DONE):
            self.is_done = True
            return
        chunk = _mapping(_parsed(event))
        if error := chunk.get("error"):
            if any(_is_refusal(code) for code in _mapping(error).values()):
                raise Refusal(said(error))
            raise ValueError("The server tells of an error of its own.")
        choices, counts = _items(chunk.get("choices")), _mapping(chunk.get("usage"))
        self._counts = counts or self._counts
        self._is_counted |= bool(counts) and not choices  # else it may be the count so far
        for choice in choices:
            if isinstance(choice, dict) and str(choice.get("index") or 0) == "0":
                self._add(choice)

    def _add(self, choice: dict[str, Any]) -> None:
        text = choice.get("text")
        if not isinstance(text, str | None):
            raise ValueError("A text is no string.")
        self._began = True
        self._text += text or ""
        self._pieces += bool(text)
        reason = str(choice.get("finish_reason")).lower()
        self._reason = reason if reason not in NOT_YET else self._reason
        if self._sampling.logprobs is not None:
            self._logprobs += _logprobs(choice.get("logprobs"), self._sampling.logprobs)
        if len(self._text) > LONGEST_TOKEN * self._sampling.max_new_tokens:
            most = self._sampling.max_new_tokens
            self._reason = "error"  # such a text is none, though it be said to have ended
            raise Excess(f"wrote {len(self._text):,} characters for at most {most:,} tokens")

    def finished(self) -> Text:
        """The text. One that a filter ended is refused: what stands there is not what the model would write."""
        prompt_tokens = _count(self._counts.get("prompt_tokens"), 0, len(self._sequence.prompt) * 4 + TEMPLATE_TOKENS)
        if self._reason in FILTERED:
            error = f"The server's filter ended this text (it says {clean(self._reason)[:40]!r})."
            return Text(self._sequence.key, "", prompt_tokens or 0, 0, "refused", error)
        most = self._sampling.max_new_tokens
        tokens = _count(self._counts.get("completion_tokens"), bool(self._text), most)
        is_long = self._reason in LONG_ENOUGH or (not self._reason and self.tokens >= most)
        return Text(
            self._sequence.key,
            _up_to(self._text, self._sampling.stop),
            prompt_tokens or 0,
            self.tokens if tokens is None else tokens,
            "length" if is_long else "stop",
            logprobs=self._logprobs[:most],
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


def is_refusal(error: openai.APIError) -> bool:
    """Whether the server found fault with the text itself."""
    return _is_refusal(getattr(error, "status_code", None)) or _is_refusal(error.code)


def _is_refusal(code: object) -> bool:
    return str(code) in REFUSALS


def said(body: object) -> str:
    """What a server said in the body of an error, in whatever shape."""
    for name in ("message", "detail", "error"):
        if isinstance(body, dict) and body.get(name):
            return said(body[name])
    return in_short(str(body or "nothing"))


def in_short(words: str) -> str:
    """Another program's words, on one line that can be shown and logged."""
    line = " ".join(clean(words[: 2 * LONGEST_WORDS]).split())
    return line if len(line) <= LONGEST_WORDS else line[:LONGEST_WORDS] + "…"


def models_of(answer: object) -> list[str]:
    """The names of the models that a server says it serves: a list, or one under `data` or `models`, of names or of
    objects that have one."""
    listed = _first(answer, "data", "models") if isinstance(answer, dict) else answer
    named = [_first(one, "id", "name", "model") if isinstance(one, dict) else one for one in _items(listed)]
    return [str(name) for name in named if isinstance(name, str | int)]


def _first(given: dict[str, Any], *names: str) -> object:
    return next((given[name] for name in names if given.get(name)), None)


def _logprobs(given: object, top: int) -> tuple[TokenLogprob, ...]:
    """Of each token that has one; vLLM adds the chosen one to the likeliest, where it is not among them."""
    held = _mapping(given)
    tokens, own = _items(held.get("tokens")), _items(held.get("token_logprobs"))
    likeliest = [*_items(held.get("top_logprobs")), *[None] * len(tokens)]
    return tuple(
        TokenLogprob(str(token), float(logprob), tuple(_likeliest(_mapping(others).items(), top)))
        for token, logprob, others in zip(tokens, own, likeliest, strict=False)
        if _is_number(logprob)
    )


def _likeliest(others: Iterable[tuple[str, object]], top: int) -> list[tuple[str, float]]:
    numbered = [(token, float(logprob)) for token, logprob in others if _is_number(logprob)]
    return sorted(numbered, key=lambda other: -other[1])[:top]


def _is_number(given: object) -> TypeGuard[float]:
    return (type(given) is float and given == given) or (type(given) is int and abs(given) < 2**63)


def _parsed(event: bytes) -> object:
    try:
        return json.loads(event)
    except RecursionError:
        raise ValueError("An event is nested too deeply.") from None


def _mapping(given: object) -> dict[str, Any]:
    return given if isinstance(given, dict) else {}


def _items(given: object) -> list[Any]:
    return given if isinstance(given, list) else []


def _count(given: Any, least: int, most: int) -> int | None:
    """A count, where it can be one."""
    with suppress(TypeError, ValueError, OverflowError):
        count = int(given)
        return count if least <= count <= most else None
    return None


def _up_to(text: str, stop: Iterable[str]) -> str:
    """The text before the first of the stop strings, which some servers leave in."""
    return text[: min((place for string in stop if (place := text.find(string)) >= 0), default=len(text))]
