import pytest

from release_portal.jobs.limits import (
    LIMITS,
    LONGEST_PROMPT,
    LONGEST_SEED,
    MOST_PROMPTS,
    MOST_SEQUENCES,
    check_sequences,
    checked_prompts,
)
from release_portal.lib.states import Refused


@pytest.mark.parametrize(
    ("field", "given", "read"),
    [
        ("temperature", "0.7", 0.7),
        ("temperature", " 2 ", 2.0),
        ("temperature", 0, 0.0),
        ("top_p", "0.01", 0.01),
        ("top_k", "1000", 1000),
        ("samples", 1, 1),
        ("max_new_tokens", "1024", 1024),
        ("seed", LONGEST_SEED, LONGEST_SEED),
    ],
)
def test_read_takes_a_number_typed_or_sent(field, given, read):
    number = LIMITS[field].read(given)
    assert number == read
    assert type(number) is LIMITS[field].kind


@pytest.mark.parametrize(
    ("field", "given", "sentence"),
    [
        ("temperature", -1, "Temperature is a number from 0 to 2; you gave “-1”."),
        ("temperature", "hot", "Temperature is a number from 0 to 2; you gave “hot”."),
        ("temperature", "nan", "Temperature is a number from 0 to 2; you gave “nan”."),
        ("temperature", "inf", "Temperature is a number from 0 to 2; you gave “inf”."),
        ("temperature", "", "Temperature is a number from 0 to 2; you gave “”."),
        ("top_p", 0, "Top-p is a number from 0.01 to 1; you gave “0”."),
        ("top_k", 1001, "Top-k is a whole number from 0 to 1,000; you gave “1001”."),
        ("top_k", 1.5, "Top-k is a whole number from 0 to 1,000; you gave “1.5”."),
        ("samples", 0, "Samples per prompt is a whole number from 1 to 1,000; you gave “0”."),
        ("max_new_tokens", 1025, "Longest text is a whole number from 1 to 1,024; you gave “1025”."),
        ("seed", -1, "Seed is a whole number from 0 to 9,223,372,036,854,775,807; you gave “-1”."),
        ("seed", 2**63, "Seed is a whole number from 0 to 9,223,372,036,854,775,807; you gave “9223372036854775808”."),
        ("samples", "9" * 5000, "Samples per prompt is a whole number from 1 to 1,000; you gave “" + "9" * 40 + "”."),
    ],
)
def test_read_refuses_with_the_limit_and_what_was_given(field, given, sentence):
    with pytest.raises(Refused) as refused:
        LIMITS[field].read(given)
    assert refused.value.sentence == sentence
    limit = LIMITS[field]
    assert (refused.value.field, refused.value.limit, refused.value.given) == (field, [limit.low, limit.high], given)


def test_prompts_up_to_the_limit_are_accepted():
    list(checked_prompts(["x" * LONGEST_PROMPT]))
    list(checked_prompts(["x"] * MOST_PROMPTS))
    check_sequences(MOST_PROMPTS, MOST_SEQUENCES // MOST_PROMPTS)


@pytest.mark.parametrize(
    ("prompts", "sentence", "limit", "given"),
    [
        ([], "Type a prompt, or choose a file of prompts.", None, None),
        (["a"] * 50_001, "A job takes at most 50,000 prompts; this has 50,001.", 50_000, 50_001),
        (["a", " \n"], "Prompt 2 is empty.", None, 2),
        (["a" * 20_001], "Prompt 1 has 20,001 characters; a prompt takes at most 20,000.", 20_000, 20_001),
        (["a\x00b"], "Prompt 1 contains a null character, which no text has.", None, None),
    ],
)
def test_prompts_outside_the_limits_are_refused(prompts, sentence, limit, given):
    with pytest.raises(Refused) as refused:
        list(checked_prompts(prompts))
    assert refused.value.sentence.startswith(sentence)
    assert (refused.value.field, refused.value.limit, refused.value.given) == ("prompts", limit, given)


def test_prompt_with_half_a_character_is_refused():
    """JSON can carry one half of a pair of surrogates; no database stores it."""
    with pytest.raises(Refused, match="Prompt 1 "):
        list(checked_prompts(["a\ud800b"]))


def test_too_many_texts_are_refused_with_the_calculation():
    with pytest.raises(Refused) as refused:
        check_sequences(50_000, 6)
    assert refused.value.sentence == (
        "A job takes at most 250,000 texts; 50,000 prompts with 6 samples each are 300,000. "
        "Split it and submit several jobs."
    )
    assert (refused.value.field, refused.value.limit, refused.value.given) == ("samples", 250_000, 300_000)
