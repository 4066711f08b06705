"""What cannot be so in what a worker says: each function gives the reason in a few words, "" where there is none."""

import re

from django.conf import settings

from inference.contract import Heartbeat, Report, Text
from release_portal.lib.text import flaw_of

from .limits import LIMITS
from .models import FinishReason

LONGEST_TOKEN = 512
"""Characters; the longest tokens of the vocabularies in use, runs of spaces or of one sign, have 128 to 256."""
LONGEST_ERROR = 2_000  # characters
LONGEST_PROMPT_TOKENS = 10**6
MOST_SIZES = 200
MOST_TOKENS = 2**53
MANIFEST = re.compile(r"(?:[0-9a-f]{64})?")
WORDS = {"host": 200, "device": 80, "dtype": 20}
ENDS = {FinishReason.STOP, FinishReason.LENGTH}


def flaw_of_text(text: Text, max_new_tokens: int) -> str:
    """Of one text, as a worker says that it ended; `max_new_tokens` were asked for."""
    if text.finish_reason == FinishReason.REFUSED:
        return _flaw_of_refusal(text)
    if text.finish_reason not in ENDS:
        return "an unknown finish reason"
    if not 0 <= text.tokens <= max_new_tokens:
        return f"{text.tokens:,} tokens; {max_new_tokens:,} were asked for"
    if not 0 <= text.prompt_tokens <= LONGEST_PROMPT_TOKENS:
        return f"a prompt of {text.prompt_tokens:,} tokens"
    if text.error:
        return "an error beside a text"
    if len(text.text) > LONGEST_TOKEN * text.tokens:
        return f"{len(text.text):,} characters in {text.tokens:,} tokens"
    return flaw_of(text.text)


def _flaw_of_refusal(text: Text) -> str:
    if text.text or text.tokens:
        return "a refusal beside a text"
    if not 0 <= text.prompt_tokens <= LONGEST_PROMPT_TOKENS:
        return f"a prompt of {text.prompt_tokens:,} tokens"
    if not text.error.strip() or len(text.error) > LONGEST_ERROR:
        return "a refusal without a sentence, or with a very long one"
    return flaw_of(text.error)


def flaw_of_report(report: Report) -> str:
    """Of a report on an order; each of its texts is looked at apart."""
    most_tokens = int(settings.ORDER_SEQUENCES * LIMITS["max_new_tokens"].high)
    if not 0 <= report.tokens <= most_tokens:
        return f"{report.tokens:,} tokens; an order has at most {most_tokens:,}"
    if not MANIFEST.fullmatch(report.checkpoint):
        return "a checkpoint that is no SHA-256"
    if len(report.error) > LONGEST_ERROR:
        return f"an error of {len(report.error):,} characters"
    for things, number in {"texts": len(report.texts), "groups": len(report.groups)}.items():
        if number > settings.ORDER_SEQUENCES:
            return f"more {things} than an order has sequences, which are at most {settings.ORDER_SEQUENCES:,}"
    return flaw_of(report.error)


def flaw_of_heartbeat(heartbeat: Heartbeat) -> str:
    """Of a worker's introduction."""
    for name, longest in WORDS.items():
        word = getattr(heartbeat, name)
        if len(word) > longest or flaw_of(word):
            return f"a {name} of more than {longest} characters, or with what no text has"
    for paths in (heartbeat.sizes, heartbeat.loaded, heartbeat.plain):
        if len(paths) > MOST_SIZES or any(len(path) > 100 or flaw_of(path) for path in paths):
            return f"more than {MOST_SIZES} sizes, or one with a very long name"
    if len(heartbeat.checkpoints) > MOST_SIZES or not all(MANIFEST.fullmatch(each) for each in heartbeat.checkpoints):
        return "a checkpoint that is no SHA-256"
    if not (0 <= heartbeat.tokens <= MOST_TOKENS and 0 <= heartbeat.dropped <= MOST_TOKENS):
        return "a number of tokens or dropped messages that cannot be"
    return ""
