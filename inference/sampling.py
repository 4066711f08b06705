"""Choosing the next token. Pure numpy; every random number is named by (seed, index, position), never drawn in turn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference.contract import Sampling

Floats = NDArray[np.floating[Any]]
Tokens = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Draw:
    """One token to choose: how, and the name of its random number. `position` counts from the first new token."""

    sampling: Sampling
    seed: int
    index: int
    position: int


def choose(logits: Floats, draws: Sequence[Draw]) -> list[int]:
    """The next token of every row; raises FloatingPointError where the model gave something that is not a number."""
    if np.isnan(logits).any():
        raise FloatingPointError("The model's output holds a value that is not a number.")
    return [_choose_one(row, draw) for row, draw in zip(logits, draws, strict=True)]


def _choose_one(logits: Floats, draw: Draw) -> int:
    if draw.sampling.temperature == 0:
        return int(logits.argmax())
    tokens, probabilities = kept(logits, draw.sampling)
    return pick(tokens, probabilities, uniform(draw.seed, draw.index, draw.position))


def uniform(seed: int, index: int, position: int) -> float:
    """The random number of that name, in [0, 1)."""
    key = np.array([seed % 2**64, index], dtype=np.uint64)
    return float(int(np.random.Philox(key=key, counter=position).random_raw()) >> 11) * 2.0**-53


def kept(logits: Floats, sampling: Sampling) -> tuple[Tokens, Floats]:
    """The tokens that may come next and their probabilities, which sum to 1.

    They stand in the order of the vocabulary: in order of probability, a rounding error between two nearly equal
    tokens would change the text.
    """
    tokens: Tokens = np.arange(logits.size)
    if 0 < sampling.top_k < logits.size:
        tokens = np.sort(np.argpartition(logits, -sampling.top_k)[-sampling.top_k :])
    probabilities = _softmax(logits[tokens].astype(np.float64), sampling.temperature)
    if sampling.top_p < 1:
        nucleus = _nucleus(probabilities, sampling.top_p)
        tokens, probabilities = tokens[nucleus], probabilities[nucleus] / probabilities[nucleus].sum()
    return tokens, probabilities


def pick(tokens: Tokens, probabilities: Floats, u: float) -> int:
    """The token at the quantile `u` of the distribution."""
    cumulated = probabilities.cumsum()
    return int(tokens[np.searchsorted(cumulated, u * cumulated[-1], side="right")])


def _softmax(logits: Floats, temperature: float) -> Floats:
    with np.errstate(over="ignore"):
        weights = np.exp((logits - logits.max()) / temperature)
    scaled: Floats = weights / weights.sum()
    return scaled


def _nucleus(probabilities: Floats, top_p: float) -> Tokens:
    """Where the fewest tokens stand that together hold at least `top_p`.

    Tokens below (1 - top_p) / 2n hold less than 1 - top_p together, so none is needed and few are left to sort.
    """
    likely = np.flatnonzero(probabilities >= (1 - top_p) / (2 * probabilities.size))
    falling = likely[np.argsort(-probabilities[likely], kind="stable")]
    needed = int(np.searchsorted(probabilities[falling].cumsum(), top_p)) + 1
    return np.sort(falling[:needed])
