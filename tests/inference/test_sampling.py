"""The next token: the right distribution, the right limits, and random numbers that have names."""

import math

import numpy as np
import pytest
import torch

from inference import sampling
from inference.contract import Sampling
from inference.sampling import Draw, choose, pick, uniform

LOGITS = torch.tensor([0.1, 0.4, 0.2, 0.3]).log()


def drawn(settings, count=4000, logits=LOGITS):
    draws = [Draw(settings, seed=5, index=number) for number in range(count)]
    return [chosen.token for chosen in choose(logits.expand(count, -1), draws)]


def kept(logits=LOGITS, top_k=0, temperature=1.0, top_p=1.0):
    """The tokens with a probability, and it, of one row."""
    column = (torch.tensor([[value]], dtype=torch.float64) for value in (temperature, top_p))
    tokens, probabilities = sampling.kept(logits[None], top_k, *column)
    there = probabilities[0] > 0
    return tokens[0][there].tolist(), probabilities[0][there].tolist()


def test_draw_in_proportion_to_the_probabilities():
    seen = np.bincount(drawn(Sampling(1)), minlength=4)
    expected = np.array([400, 1600, 800, 1200])

    chi_square = ((seen - expected) ** 2 / expected).sum()
    assert chi_square < 16.3  # 1 in 1,000 for 3 degrees of freedom


def test_sharpen_at_a_low_temperature():
    assert kept(temperature=0.5)[1] == pytest.approx([1 / 30, 16 / 30, 4 / 30, 9 / 30])


def test_take_the_most_likely_token_at_temperature_zero():
    assert set(drawn(Sampling(1, temperature=0), count=20)) == {1}


def test_take_the_most_likely_token_near_temperature_zero():
    assert set(drawn(Sampling(1, temperature=1e-300), count=20)) == {1}


def test_keep_the_top_k_in_the_order_of_the_vocabulary():
    tokens, probabilities = kept(top_k=2)

    assert tokens == [1, 3]
    assert probabilities == pytest.approx([4 / 7, 3 / 7])


@pytest.mark.parametrize(("top_p", "tokens"), [(0.3, [1]), (0.5, [1, 3]), (0.8, [1, 2, 3]), (1, [0, 1, 2, 3])])
def test_keep_the_fewest_tokens_that_hold_top_p(top_p, tokens):
    assert kept(top_p=top_p)[0] == tokens


def test_apply_top_p_within_the_top_k():
    assert kept(top_k=2, top_p=0.5)[0] == [1]


def test_keep_one_token_of_a_uniform_vocabulary_at_top_p_zero():
    assert len(kept(torch.zeros(50257), top_p=0)[0]) == 1


@pytest.mark.parametrize("spread", [4.0, 0.01])  # the second needs more than the likeliest 1,024
def test_find_the_same_nucleus_as_a_full_sort(spread):
    logits = np.random.default_rng(0).normal(0, spread, 5000)
    probabilities = np.exp(logits) / np.exp(logits).sum()
    falling = np.argsort(-probabilities)
    count = int((probabilities[falling].cumsum() < 0.9).sum()) + 1

    assert kept(torch.tensor(logits), top_p=0.9)[0] == sorted(falling[:count])


def test_never_pick_a_token_without_probability():
    tokens, probabilities = torch.tensor([[7, 8, 9]]), torch.tensor([[0.0, 1.0, 0.0]], dtype=torch.float64)

    for quantile in (0.0, 0.5, 1 - 2**-53):
        assert pick(tokens, probabilities, torch.tensor([[quantile]], dtype=torch.float64)).tolist() == [8]


def test_choose_for_each_row_by_its_own_settings():
    settings = [Sampling(1, 0), Sampling(1, top_k=1), Sampling(1, top_p=0.1), Sampling(1, top_k=3), Sampling(1)]
    draws = [Draw(one, seed=5, index=number) for number, one in enumerate(settings)]
    together = choose(LOGITS.expand(5, -1), draws)

    assert together == [choose(LOGITS[None], [draw])[0] for draw in draws]
    assert [chosen.token for chosen in together[:3]] == [1, 1, 1]


def test_put_off_the_end_of_the_text():
    early = Draw(Sampling(9, 0, min_new_tokens=2), 0, 0, tokens=[5])
    late = Draw(Sampling(9, 0, min_new_tokens=2), 0, 0, tokens=[5, 5])

    assert [chosen.token for chosen in choose(LOGITS.expand(2, -1), [early, late], {1})] == [3, 1]


def test_tell_log_probabilities_before_any_setting_is_applied():
    [chosen] = choose(LOGITS[None], [Draw(Sampling(1, 0, top_k=2, repetition_penalty=3.0, logprobs=2), 0, 0, [1])])

    assert chosen.logprob == pytest.approx(math.log([0.1, 0.4, 0.2, 0.3][chosen.token]))
    assert [token for token, _ in chosen.top] == [1, 3]


def test_name_every_random_number():
    names = [(seed, index, position) for seed in (0, 1) for index in (0, 1) for position in (0, 1, 2)]
    numbers = [uniform(*name) for name in names]

    assert len(set(numbers)) == len(names)
    assert numbers == [uniform(*name) for name in names]


def test_never_change_the_random_numbers():
    """Texts that were published name their seeds: these numbers are part of the format."""
    assert [uniform(1, 2, 3), uniform(2**63, 0, 0)] == pytest.approx([0.6527702009682942, 0.9412138513175567], abs=0)


def test_choose_nothing_from_what_is_not_a_number():
    logits = torch.stack([LOGITS, torch.tensor([0.0, math.nan, 0.0, 0.0])])

    sound, broken = choose(logits, [Draw(Sampling(1), 0, 0), Draw(Sampling(1), 0, 1)])

    assert sound is not None
    assert broken is None
