"""The next token: the right distribution, the right limits, and random numbers that have names."""

import numpy as np
import pytest

from inference.contract import Sampling
from inference.sampling import Draw, choose, kept, pick, uniform

LOGITS = np.log(np.array([0.1, 0.4, 0.2, 0.3], dtype=np.float32))


def drawn(sampling, count=4000, logits=LOGITS):
    draws = [Draw(sampling, seed=5, index=number, position=0) for number in range(count)]
    return choose(np.tile(logits, (count, 1)), draws)


def test_draw_in_proportion_to_the_probabilities():
    seen = np.bincount(drawn(Sampling(1)), minlength=4)
    expected = np.exp(LOGITS) * 4000

    chi_square = ((seen - expected) ** 2 / expected).sum()
    assert chi_square < 16.3  # 1 in 1,000 for 3 degrees of freedom


def test_sharpen_at_a_low_temperature():
    _, probabilities = kept(LOGITS, Sampling(1, temperature=0.5))

    np.testing.assert_allclose(probabilities, np.array([1, 16, 4, 9]) / 30, rtol=1e-5)


def test_take_the_most_likely_token_at_temperature_zero():
    assert set(drawn(Sampling(1, temperature=0), count=20)) == {1}


def test_take_the_most_likely_token_near_temperature_zero():
    assert set(drawn(Sampling(1, temperature=1e-300), count=20)) == {1}


def test_keep_the_top_k_in_the_order_of_the_vocabulary():
    tokens, probabilities = kept(LOGITS, Sampling(1, top_k=2))

    assert tokens.tolist() == [1, 3]
    np.testing.assert_allclose(probabilities, [4 / 7, 3 / 7], rtol=1e-5)


@pytest.mark.parametrize(("top_p", "tokens"), [(0.3, [1]), (0.5, [1, 3]), (0.8, [1, 2, 3]), (1, [0, 1, 2, 3])])
def test_keep_the_fewest_tokens_that_hold_top_p(top_p, tokens):
    assert kept(LOGITS, Sampling(1, top_p=top_p))[0].tolist() == tokens


def test_apply_top_p_within_the_top_k():
    assert kept(LOGITS, Sampling(1, top_k=2, top_p=0.5))[0].tolist() == [1]


def test_keep_one_token_of_a_uniform_vocabulary_at_top_p_zero():
    assert kept(np.zeros(50257, dtype=np.float32), Sampling(1, top_p=0))[0].size == 1


def test_find_the_same_nucleus_as_a_full_sort():
    logits = np.random.default_rng(0).normal(0, 4, 5000)
    probabilities = np.exp(logits) / np.exp(logits).sum()
    falling = np.argsort(-probabilities)
    count = int((probabilities[falling].cumsum() < 0.9).sum()) + 1

    assert kept(logits, Sampling(1, top_p=0.9))[0].tolist() == sorted(falling[:count])


def test_never_pick_a_token_without_probability():
    tokens, probabilities = np.array([7, 8, 9]), np.array([0.0, 1.0, 0.0])

    assert {pick(tokens, probabilities, u) for u in (0.0, 0.5, 1 - 2**-53)} == {8}


def test_name_every_random_number():
    names = [(seed, index, position) for seed in (0, 1) for index in (0, 1) for position in (0, 1, 2)]
    numbers = [uniform(*name) for name in names]

    assert len(set(numbers)) == len(names)
    assert numbers == [uniform(*name) for name in names]


def test_never_change_the_random_numbers():
    """Texts that were published name their seeds: these numbers are part of the format."""
    assert [uniform(1, 2, 3), uniform(2**63, 0, 0)] == pytest.approx([0.6527702009682942, 0.9412138513175567], abs=0)


def test_refuse_what_is_not_a_number():
    with pytest.raises(FloatingPointError, match="not a number"):
        choose(np.array([[0.0, np.nan]]), [Draw(Sampling(1), 0, 0, 0)])
