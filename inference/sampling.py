"""Choosing the next token. Every random number is named by (seed, index, position), never drawn in turn, and a row's
choice depends on its own logits alone."""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inference.contract import Sampling
from inference.tracebacks import without_words

logger = logging.getLogger(__name__)

Tensor = torch.Tensor
LIKELIEST = 1024
"""Among how many tokens a nucleus is looked for first."""
Watermark = Callable[["Draw", NDArray[np.int64], NDArray[np.float64]], int]
"""A keyed choice: from a draw, the tokens that may come next and their probabilities, the next token."""


@dataclass(frozen=True)
class Draw:
    """One token to choose: how, the name of its random number, and the tokens before it."""

    sampling: Sampling
    seed: int
    index: int
    prompt: Sequence[int] = ()
    tokens: Sequence[int] = ()

    @property
    def position(self) -> int:
        """Counts from the first new token."""
        return len(self.tokens)


@dataclass(frozen=True)
class Chosen:
    """The next token. Where they were asked for: its natural log-probability under the model's own distribution, and
    the likeliest tokens with theirs."""

    token: int
    logprob: float | None = None
    top: tuple[tuple[int, float], ...] = ()


def choose(
    logits: Tensor, draws: Sequence[Draw], end_of_text: Collection[int] = (), watermark: Watermark | None = None
) -> list[Chosen | None]:
    """The next token of every row of `logits` `[rows, vocabulary]`; None where a logit is not a number.

    Rows that carry a watermark key are chosen by `watermark`, unless only the most likely token is wanted.
    """
    scores = _adjusted(logits, draws, end_of_text)
    tokens: dict[int, int | None] = {}
    for top_k, places in _groups(draws, logits.shape[1]).items():
        part = scores if len(places) == len(draws) else scores[places]
        chosen = _chosen(part, top_k, [draws[place] for place in places], watermark)
        tokens.update(zip(places, chosen, strict=True))
    return [
        None if (token := tokens[place]) is None else _described(logits[place], token, draw)
        for place, draw in enumerate(draws)
    ]


def uniform(seed: int, index: int, position: int) -> float:
    """The random number of that name, in [0, 1)."""
    key = np.array([seed % 2**64, index], dtype=np.uint64)
    return float(int(np.random.Philox(key=key, counter=position).random_raw()) >> 11) * 2.0**-53


def kept(logits: Tensor, top_k: int, temperature: Tensor, top_p: Tensor) -> tuple[Tensor, Tensor]:
    """The tokens that may come next, `[rows, kept]`, and their probabilities, which sum to 1 in each row.

    `temperature` and `top_p` are `[rows, 1]`. Tokens stand in the order of the vocabulary: in order of probability, a
    rounding error between two nearly equal ones would change the text.
    """
    if 0 < top_k < logits.shape[1]:
        tokens = logits.float().topk(top_k).indices.sort().values
        logits = logits.gather(1, tokens)
    else:
        tokens = torch.arange(logits.shape[1], device=logits.device).expand(logits.shape)
    logits = logits.double()
    probabilities = ((logits - logits.amax(dim=1, keepdim=True)) / temperature).softmax(dim=1)
    if bool((top_p < 1).any()):
        probabilities = _nucleus(probabilities, top_p)
    return tokens, probabilities


def pick(tokens: Tensor, probabilities: Tensor, quantile: Tensor) -> Tensor:
    """The token at the quantile `[rows, 1]` of each row's distribution."""
    cumulated = probabilities.cumsum(dim=1)
    place = torch.searchsorted(cumulated, quantile * cumulated[:, -1:], right=True)
    return tokens.gather(1, place.clamp(max=tokens.shape[1] - 1))[:, 0]


def _groups(draws: Sequence[Draw], vocabulary: int) -> dict[int, list[int]]:
    """Which rows keep how many tokens: 1 for the most likely alone, 0 for all of them."""
    groups: dict[int, list[int]] = {}
    for place, draw in enumerate(draws):
        top_k = draw.sampling.top_k if draw.sampling.top_k < vocabulary else 0
        groups.setdefault(1 if draw.sampling.temperature == 0 else top_k, []).append(place)
    return groups


def _chosen(scores: Tensor, top_k: int, draws: Sequence[Draw], watermark: Watermark | None) -> list[int | None]:
    if top_k == 1:
        most = scores.max(dim=1)
        return [
            None if value != value else token
            for token, value in zip(most.indices.tolist(), most.values.tolist(), strict=True)
        ]
    column: Any = {"dtype": torch.float64, "device": scores.device}
    temperature = torch.tensor([[draw.sampling.temperature] for draw in draws], **column)
    top_p = torch.tensor([[draw.sampling.top_p] for draw in draws], **column)
    quantile = torch.tensor([[uniform(draw.seed, draw.index, draw.position)] for draw in draws], **column)
    tokens, probabilities = kept(scores, top_k, temperature, top_p)
    broken = probabilities[:, 0].isnan().tolist()  # one logit that is not a number spoils its whole row
    picked = pick(tokens, probabilities, quantile).tolist()
    chosen: list[int | None] = [None if bad else token for token, bad in zip(picked, broken, strict=True)]
    for place, draw in enumerate(draws):
        if watermark and draw.sampling.watermark_key and not broken[place]:
            chosen[place] = _marked(watermark, draw, tokens[place].cpu().numpy(), probabilities[place].cpu().numpy())
    return chosen


def _marked(
    watermark: Watermark, draw: Draw, tokens: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> int | None:
    """The watermark's choice; None where it makes none that can be, which is one text's misfortune."""
    try:
        token = watermark(draw, tokens, probabilities)
    except Exception as error:
        logger.error("A watermark chose no token.\n%s", without_words(error))
        return None
    return token if token in tokens else None


def _nucleus(probabilities: Tensor, top_p: Tensor) -> Tensor:
    """The fewest tokens that together hold at least `top_p` of each row keep their probability, the others have 0.

    They are looked for among the likeliest; the whole vocabulary is sorted only where those do not hold enough.
    """
    for width in (min(LIKELIEST, probabilities.shape[1]), probabilities.shape[1]):
        falling, order = probabilities.topk(width, dim=1)
        before = falling.cumsum(dim=1) - falling
        if bool((before[:, -1:] + falling[:, -1:] >= top_p).all()):
            break
    needed = (before < top_p).index_fill(1, torch.tensor(0, device=order.device), True)
    left = torch.zeros_like(probabilities).scatter(1, order, falling * needed)
    return left / left.sum(dim=1, keepdim=True)


def _adjusted(logits: Tensor, draws: Sequence[Draw], end_of_text: Collection[int]) -> Tensor:
    """The logits, with repetitions penalised and the end of the text put off where a row asks for it."""
    scores = logits
    for place, draw in enumerate(draws):
        sampling = draw.sampling
        if sampling.repetition_penalty == 1 and draw.position >= sampling.min_new_tokens:
            continue
        if scores is logits:
            scores = logits.clone()
        row = scores[place]
        if sampling.repetition_penalty != 1:
            seen = torch.tensor(sorted({*draw.prompt, *draw.tokens}), device=row.device)
            value = row[seen]
            row[seen] = torch.where(value > 0, value / sampling.repetition_penalty, value * sampling.repetition_penalty)
        if draw.position < sampling.min_new_tokens:
            row[list(end_of_text)] = -torch.inf
    return scores


def _described(logits: Tensor, token: int, draw: Draw) -> Chosen:
    if draw.sampling.logprobs is None:
        return Chosen(token)
    logprobs = logits.float().log_softmax(dim=0)
    top = logprobs.topk(draw.sampling.logprobs)
    likeliest = zip(top.indices.tolist(), top.values.tolist(), strict=True)
    return Chosen(token, float(logprobs[token]), tuple(likeliest))
