"""What a job may ask for. Every door reads its input through here, so each limit and its sentence exist once."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

from release_portal.lib.states import Refused
from release_portal.lib.text import flaw_of

MOST_PROMPTS = 50_000
MOST_SEQUENCES = 250_000
LONGEST_PROMPT = 20_000  # characters; the worker then counts tokens against the model's context
LONGEST_SEED = 2**63 - 1
LONGEST_NAME = 120  # characters
LONGEST_KEY = 100  # characters of an idempotency key
LONGEST_FIELDS = 4_000  # characters of JSON beside a prompt in its line


@dataclass(frozen=True)
class GivenPrompt:
    """A prompt out of a file: its text, what else its line holds, and how an error names it."""

    text: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""


@dataclass(frozen=True)
class Limit:
    """A setting that is a number: what it is called, its type, from where to where it goes, and what it is where it is
    left out."""

    field: str
    label: str
    kind: type[int] | type[float]
    low: float
    high: float
    help: str
    default: int | float | None = None

    def read(self, given: object) -> int | float:
        """The number that was given, typed or sent. Raises Refused with the limit and what was given."""
        try:
            number = self.kind(str(given).strip())
        except ValueError:
            number = math.nan
        if not self.low <= number <= self.high:
            noun = "whole number" if self.kind is int else "number"
            raise Refused(
                f"{self.label} is a {noun} from {self.low:,} to {self.high:,}; you gave “{str(given)[:40]}”.",
                field=self.field,
                limit=[self.low, self.high],
                given=given,
            )
        return number


LIMITS = {
    limit.field: limit
    for limit in [
        Limit("samples", "Samples per prompt", int, 1, 1_000, "How many texts to generate for each prompt.", 1),
        Limit(
            "max_new_tokens", "Longest text", int, 1, 1_024, "Tokens; a text ends earlier where the model ends it.", 64
        ),
        Limit(
            "temperature",
            "Temperature",
            float,
            0,
            2,
            "0 always takes the most likely token; 1 samples as trained.",
            1.0,
        ),
        Limit("top_k", "Top-k", int, 0, 1_000, "Sample among the k most likely tokens; 0 keeps all.", 40),
        Limit(
            "top_p",
            "Top-p",
            float,
            0.01,
            1,
            "Sample among the most likely tokens that make up this share; 1 keeps all.",
            1.0,
        ),
        Limit("seed", "Seed", int, 0, LONGEST_SEED, "The same seed and settings give the same texts again."),
    ]
}


class Settings(TypedDict, total=False):
    """What may be given of LIMITS; None is the default."""

    samples: int | None
    max_new_tokens: int | None
    temperature: float | None
    top_k: int | None
    top_p: float | None
    seed: int | None


def read_settings(given: Mapping[str, object]) -> dict[str, int | float | None]:
    """The settings of a job by the field, each in its default where it is left out. Raises Refused."""
    if unknown := given.keys() - LIMITS.keys():
        raise TypeError(f"A job has no setting {min(unknown)}.")
    return {
        field: limit.default if given.get(field) is None else limit.read(given[field])
        for field, limit in LIMITS.items()
    }


WEIGHT = Limit(
    "weight", "Weight", float, 0.1, 100, "0.1 to 100. Beside others at work, 2 gets twice the tokens that 1 gets."
)
"""Of an organisation's turns at a size."""


def check_text(field: str, label: str, noun: str, text: str, longest: int) -> None:
    """Raise Refused where a text is too long, or has what no text has: a null character or half a character."""
    if len(text) > longest:
        raise Refused(
            f"{label} has {len(text):,} characters; a {noun} takes at most {longest:,}.",
            field=field,
            limit=longest,
            given=len(text),
        )
    if flaw := flaw_of(text):
        raise Refused(f"{label} contains {flaw}, which no text has.", field=field)


def checked_prompts(prompts: Iterable[str | GivenPrompt]) -> Iterator[GivenPrompt]:
    """The prompts, as they come. Raises Refused unless there are some, not too many, none empty and none too long."""
    number = 0
    for number, given in enumerate(prompts, start=1):
        if number > MOST_PROMPTS:
            continue  # only counted, for the sentence
        prompt = GivenPrompt(given) if isinstance(given, str) else given
        label, where = prompt.label or f"Prompt {number:,}", "file" if prompt.label else "prompts"
        if not prompt.text.strip():
            raise Refused(f"{label} is empty.", field=where, given=number)
        check_text(where, label, "prompt", prompt.text, LONGEST_PROMPT)
        if prompt.fields:
            beside = json.dumps(prompt.fields, ensure_ascii=False)
            check_text(where, f"What stands beside {label[0].lower()}{label[1:]}", "line", beside, LONGEST_FIELDS)
        yield prompt
    if not number:
        raise Refused("Type a prompt, or choose a file of prompts.", field="prompts")
    if number > MOST_PROMPTS:
        raise Refused(
            f"A job takes at most {MOST_PROMPTS:,} prompts; this has {number:,}. Split it and submit several jobs.",
            field="prompts",
            limit=MOST_PROMPTS,
            given=number,
        )


def check_sequences(prompts: int, samples: int) -> None:
    if prompts * samples > MOST_SEQUENCES:
        raise Refused(
            f"A job takes at most {MOST_SEQUENCES:,} texts; {prompts:,} prompts with {samples:,} samples each are "
            f"{prompts * samples:,}. Split it and submit several jobs.",
            field="samples",
            limit=MOST_SEQUENCES,
            given=prompts * samples,
        )
