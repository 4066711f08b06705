"""What a sequence may ask for: of any model, and of the one that it joins. Plain Python.

It is checked when the sequence joins: the work that many texts share must not be where one of them is found wanting.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from inference.contract import Sequence, clean

if TYPE_CHECKING:
    from inference.batching import Batch
    from inference.loading import Checkpoint
    from inference.scheduler import SequenceState

LONGEST_PROMPT = 200_000
"""Characters. Tokens are counted later, and that takes the longer the more there are."""
MOST_STOPS = 64
LONGEST_STOP = 1_000
"""Characters. After every token, as much text as the longest stop string has is read again."""
LONGEST_KEY = 1_000


@dataclass(frozen=True)
class Range:
    """The numbers that a setting takes."""

    name: str
    label: str
    kinds: tuple[type, ...]
    low: float
    high: float

    def flaw_of(self, given: object) -> str:
        """What is wrong with a number, in a sentence; "" where nothing is. NaN lies in no range."""
        if type(given) in self.kinds and self.low <= given <= self.high:  # type: ignore[operator]
            return ""
        noun = "number" if float in self.kinds else "whole number"
        return f"{self.label} is a {noun} from {self.low:,} to {self.high:,}; this text asks for {_shown(given)}."


WHOLE, ANY = (int,), (int, float)
NAMES = (Range("seed", "A seed", WHOLE, 0, 2**64 - 1), Range("index", "An index", WHOLE, 0, 2**64 - 1))
"""What names a text's random numbers."""
SETTINGS = (
    Range("max_new_tokens", "The longest text, in tokens,", WHOLE, 1, 1_000_000),
    Range("min_new_tokens", "The shortest text, in tokens,", WHOLE, 0, 1_000_000),
    Range("temperature", "The temperature", ANY, 0, 100),
    Range("top_k", "Top-k", WHOLE, 0, 2**31 - 1),
    Range("top_p", "Top-p", ANY, 0, 1),
    Range("repetition_penalty", "The repetition penalty", ANY, 0.01, 100),
)
LOGPROBS = Range("logprobs", "The count of likeliest tokens", WHOLE, 0, 100)


def flaw_of(sequence: Sequence) -> str:
    """What is wrong with a sequence whatever the model, in a sentence; "" where nothing is."""
    sampling = sequence.sampling
    flaws = [
        _flaw_of_text("A prompt", sequence.prompt, LONGEST_PROMPT),
        *(one.flaw_of(getattr(sequence, one.name)) for one in NAMES),
        *(one.flaw_of(getattr(sampling, one.name)) for one in SETTINGS),
        LOGPROBS.flaw_of(sampling.logprobs) if sampling.logprobs is not None else "",
        _flaw_of_stops(sampling.stop),
        _flaw_of_text("A watermark key", sampling.watermark_key, LONGEST_KEY),
    ]
    return next(filter(None, flaws), "")


def refusal_of(state: "SequenceState", batch: "Batch", on: str) -> str:
    """Why the batch's model cannot take a sequence whose prompt is encoded, in a sentence; "" where it can."""
    sampling, size, known = state.sequence.sampling, batch.checkpoint.size, batch.vocabulary
    given, new = len(state.prompt), sampling.max_new_tokens
    if not given:
        return f"This prompt is empty; {size} needs at least one token to continue from."
    if strange := [token for token in state.prompt if not 0 <= token < known]:
        return (
            f"This prompt holds {_written(batch.checkpoint, strange[0])}, which the tokenizer of {size} has as token"
            f" {strange[0]:,}; the model takes tokens from 0 to {known - 1:,}."
        )
    if given + new > batch.context:
        return (
            f"This prompt has {given:,} tokens; with {new:,} new tokens the text would have {given + new:,}, and"
            f" {size} takes at most {batch.context:,} on {on}."
        )
    if sampling.logprobs and sampling.logprobs > known:
        return f"This text asks for the {sampling.logprobs:,} likeliest tokens; {size} knows only {known:,}."
    return ""


def _written(checkpoint: "Checkpoint", token: int) -> str:
    try:
        return f"“{checkpoint.detokenizer.text([token], special=True)}”"
    except Exception:  # what it cannot read may be what it cannot write
        return "a token"


def _flaw_of_stops(stop: object) -> str:
    if not isinstance(stop, tuple):
        return f"The stop strings are a list; this text has {_shown(stop)}."
    if len(stop) > MOST_STOPS:
        return f"A text takes at most {MOST_STOPS} stop strings; this one has {len(stop):,}."
    if "" in stop:
        return "A stop string has a character at least; one of this text is empty."
    return next(filter(None, (_flaw_of_text("A stop string", string, LONGEST_STOP) for string in stop)), "")


def _flaw_of_text(label: str, given: object, longest: int) -> str:
    if not isinstance(given, str):
        return f"{label} is a text; this one is {_shown(given)}."
    if len(given) > longest:
        return f"{label} has at most {longest:,} characters; this one has {len(given):,}."
    if clean(given) != given:
        return f"{label} holds a null character or half a character, which no text has."
    return ""


def _shown(given: object) -> str:
    """The beginning of a number; only the kind of anything else, which may be somebody's text."""
    if type(given) not in ANY:
        return f"a value of the kind {type(given).__name__}"
    try:
        return str(given)[:40]
    except ValueError:  # Python does not write numbers of thousands of digits
        return "a number of thousands of digits"
