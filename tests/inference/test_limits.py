"""What one sequence asks for fails that sequence alone: the others are written as they are written alone."""

import math
import threading
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference import engine as engine_module
from inference import loading, sampling
from inference.config import Config
from inference.contract import Sampling, Sequence
from inference.detokenizer import Detokenizer
from inference.engine import Engine
from inference.limits import flaw_of
from tests.inference.tiny import install_tiny_gpt2
from tests.patience import PATIENCE

SIZE = "gpt2/124M"
GOOD = [
    Sequence(f"good {number}", prompt, 3, number, Sampling(8, **asked))
    for number, (prompt, asked) in enumerate(
        [("Once", {}), ("Ünïcode 語", {"temperature": 0}), ("A", {"stop": ("e",), "logprobs": 3}), ("A", {"top_k": 9})]
    )
]
HALF = "\ud83d"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("weights")
    install_tiny_gpt2(root, added=("[PAD]",))
    return root


@pytest.fixture(scope="module")
def engine(root):
    return engine_over(root)


@pytest.fixture(scope="module")
def alone(engine):
    """The good texts as they are without others."""
    return texts_of(engine, GOOD)


def engine_over(root, watermark=None):
    return Engine(Config("redis://", "key", root, (SIZE,), "anna", device="cpu", dtype="float32"), watermark)


def texts_of(engine, sequences):
    steps = engine.generate(SIZE, sequences, lambda group: False)
    return {text.key: text for step in steps for text in step.texts}


def one(prompt="Once", seed=0, index=0, **asked):
    return Sequence("bad", prompt, seed, index, Sampling(**{"max_new_tokens": 8} | asked))


BAD = {
    "a token beyond the vocabulary": (
        one("Once [PAD] more"),
        "“[PAD]”, which the tokenizer of gpt2/124M has as token 257",
    ),
    "a million characters": (one("x" * 1_000_000), "A prompt has at most 200,000 characters; this one has 1,000,000."),
    "half a character": (one(f"Once {HALF}"), "A prompt holds a null character or half a character"),
    "NUL": (one("Once\0"), "A prompt holds a null character"),
    "no prompt": (one(""), "This prompt is empty"),
    "a prompt that is no text": (one(["secret"]), "A prompt is a text; this one is a value of the kind list."),
    "no tokens": (one(max_new_tokens=0), "is a whole number from 1 to 1,000,000; this text asks for 0."),
    "half a token": (one(max_new_tokens=3.5), "is a whole number from 1 to 1,000,000; this text asks for 3.5."),
    "endless": (one(max_new_tokens=10**5000), "this text asks for a number of thousands of digits."),
    "longer than the context": (one(max_new_tokens=999), "takes at most 256 on worker anna."),
    "a negative minimum": (one(min_new_tokens=-1), "this text asks for -1."),
    "a temperature that is no number": (one(temperature=math.nan), "The temperature is a number from 0 to 100; this"),
    "a negative temperature": (one(temperature=-1.0), "this text asks for -1.0."),
    "an infinite temperature": (one(temperature=math.inf), "this text asks for inf."),
    "a temperature in words": (one(temperature="hot"), "this text asks for a value of the kind str."),
    "a negative top-k": (one(top_k=-1), "Top-k is a whole number from 0"),
    "a top-p of 1.5": (one(top_p=1.5), "Top-p is a number from 0 to 1; this text asks for 1.5."),
    "a top-p that is no number": (one(top_p=math.nan), "this text asks for nan."),
    "no repetition penalty": (one(repetition_penalty=0), "The repetition penalty is a number from 0.01 to 100"),
    "a repetition penalty that is no number": (one(repetition_penalty=math.nan), "this text asks for nan."),
    "more logprobs than any text gets": (one(logprobs=258), "is a whole number from 0 to 100; this text asks for 258."),
    "negative logprobs": (one(logprobs=-1), "this text asks for -1."),
    "a negative seed": (one(seed=-1), "A seed is a whole number"),
    "a huge seed": (one(seed=2**64), "A seed is a whole number"),
    "a negative index": (one(index=-1), "An index is a whole number"),
    "an empty stop string": (one(stop=("",)), "A stop string has a character at least; one of this text is empty."),
    "a gigantic stop string": (one(stop=("x" * 10**6,)), "A stop string has at most 1,000 characters; this one has"),
    "thousands of stop strings": (one(stop=("x",) * 5000), "takes at most 64 stop strings; this one has 5,000."),
    "half a character to stop at": (one(stop=(HALF,)), "A stop string holds a null character or half a character"),
    "a number to stop at": (one(stop=(7,)), "A stop string is a text; this one is 7."),
    "no list of stop strings": (one(stop=None), "The stop strings are a list"),
    "a watermark that nobody has": (one(watermark_key="northlake"), "This text was to carry a watermark"),
    "a watermark key that is no text": (one(watermark_key=7), "A watermark key is a text"),
}


@pytest.mark.parametrize(("bad", "sentence"), BAD.values(), ids=BAD)
def test_refuse_what_one_sequence_asks_and_write_the_others(engine, alone, bad, sentence):
    texts = texts_of(engine, [GOOD[0], bad, *GOOD[1:]])

    refused = texts.pop("bad")
    assert (refused.finish_reason, refused.text) == ("refused", "")
    assert sentence in refused.error
    assert texts == alone
    assert engine.loaded() == (SIZE,)


NUMBERS = st.one_of(
    st.integers(), st.floats(), st.sampled_from([2**31, 2**63, 2**64, 10**30, 10**5000, -(2**63), True, None, "7", ()])
)
WORDS = st.one_of(
    st.text(st.characters(exclude_categories=()), max_size=9),
    st.sampled_from(["[PAD]", "\0", HALF, "x" * 300]),
    NUMBERS,
)
ASKED = dict.fromkeys(("temperature", "top_k", "top_p", "repetition_penalty", "min_new_tokens", "logprobs"), NUMBERS)
STOPS = st.one_of(st.lists(WORDS, max_size=3).map(tuple), st.just(("x",) * 5000), NUMBERS)
ANYTHING = st.builds(
    lambda prompt, seed, index, length, asked: Sequence("bad", prompt, seed, index, Sampling(length, **asked)),
    WORDS,
    st.one_of(st.just(1), NUMBERS),
    st.one_of(st.just(1), NUMBERS),
    st.one_of(st.integers(1, 9), st.sampled_from([0, -1, 2**40, 3.5, math.nan, 10**5000, None, 300])),
    st.fixed_dictionaries({}, optional=ASKED | {"stop": STOPS, "watermark_key": WORDS}),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bad=st.lists(ANYTHING, min_size=1, max_size=4))
def test_write_the_good_texts_whatever_stands_beside_them(engine, alone, bad):
    strange = [replace(sequence, key=f"bad {number}") for number, sequence in enumerate(bad)]

    texts = texts_of(engine, [*strange[:2], *GOOD, *strange[2:]])

    assert {key: texts[key] for key in alone} == alone
    assert texts.keys() == {*alone, *(sequence.key for sequence in strange)}
    assert all(texts[sequence.key].error for sequence in strange if flaw_of(sequence))


def test_write_beside_other_orders_that_are_refused_whole(engine, alone):
    written = {}
    thread = threading.Thread(target=lambda: written.update(texts_of(engine, GOOD)))
    thread.start()
    for bad, _ in BAD.values():
        texts_of(engine, [bad])
    thread.join(PATIENCE)

    assert written == alone


def test_write_both_of_two_sequences_of_one_key(engine):
    steps = engine.generate(SIZE, [GOOD[0], replace(GOOD[1], key=GOOD[0].key)], lambda group: False)

    assert [text.key for step in steps for text in step.texts] == [GOOD[0].key] * 2


def test_end_an_order_without_sequences(engine):
    assert list(engine.generate(SIZE, [], lambda group: False)) == []


def test_refuse_a_prompt_that_the_tokenizer_cannot_read(root, alone, monkeypatch):
    encode = loading.Checkpoint.encode

    def picky(checkpoint, prompt):
        if prompt == "Once more":
            raise KeyError(prompt)
        return encode(checkpoint, prompt)

    monkeypatch.setattr(loading.Checkpoint, "encode", picky)
    texts = texts_of(engine_over(root), [one("Once more"), *GOOD])

    assert texts.pop("bad").error == "The tokenizer of gpt2/124M cannot read this prompt (KeyError)."
    assert texts == alone


@pytest.mark.parametrize(
    ("where", "name", "is_bad"),
    [
        (Detokenizer, "until_stop", lambda detokenizer, tokens, stop: len(tokens) == 9),
        (Detokenizer, "ends_with_stop", lambda detokenizer, tokens, stop: len(tokens) == 9),
        (engine_module, "_logprob", lambda checkpoint, chosen: len(chosen.top) == 1),
    ],
)
def test_refuse_a_text_that_cannot_be_read_and_write_the_others(root, alone, monkeypatch, where, name, is_bad, caplog):
    read = getattr(where, name)

    def unreadable(*given):
        if is_bad(*given):
            raise UnicodeError("secret words")
        return read(*given)

    monkeypatch.setattr(where, name, unreadable)
    engine = engine_over(root)
    texts = texts_of(engine, [one(max_new_tokens=9, min_new_tokens=9, stop=("never",), logprobs=1), *GOOD])

    refused = texts.pop("bad")
    assert (refused.finish_reason, refused.error) == (
        "refused",
        "What gpt2/124M wrote for this text cannot be read (UnicodeError).",
    )
    assert texts == alone
    assert engine.loaded() == (SIZE,)
    assert "secret" not in caplog.text


def test_refuse_a_text_whose_output_is_not_a_number_and_write_the_others(root, alone, monkeypatch):
    choose = sampling.choose

    def broken(logits, draws, *rest):
        for place, draw in enumerate(draws):
            if draw.seed == 666 and draw.position == 2:
                logits[place, 7] = torch.nan
        return choose(logits, draws, *rest)

    monkeypatch.setattr(sampling, "choose", broken)
    engine = engine_over(root)
    texts = texts_of(engine, [one(seed=666, min_new_tokens=8), *GOOD])

    assert texts.pop("bad").error == (
        "gpt2/124M could not go on with this text: its output held a value that is not a number."
    )
    assert texts == alone
    assert engine.loaded() == (SIZE,)


@pytest.mark.parametrize("choice", [lambda tokens: 1 / 0, lambda tokens: -1, lambda tokens: "x"])
def test_refuse_a_text_for_which_the_watermark_chooses_nothing(root, alone, choice):
    texts = texts_of(engine_over(root, lambda draw, tokens, _: choice(tokens)), [one(watermark_key="a"), *GOOD])

    assert texts.pop("bad").finish_reason == "refused"
    assert texts == alone


def test_end_only_the_order_that_may_have_been_stopped_or_not(root, alone):
    engine = engine_over(root)

    with pytest.raises(ZeroDivisionError):
        list(engine.generate(SIZE, GOOD, lambda group: 1 / 0))
    assert texts_of(engine, GOOD) == alone


def test_put_off_no_end_that_the_model_does_not_have(root, alone, monkeypatch):
    load = loading.load

    def with_an_added_end(*given):
        checkpoint = load(*given)
        checkpoint.model.generation_config.eos_token_id = [256, 257, -1]
        return checkpoint

    monkeypatch.setattr(loading, "load", with_an_added_end)
    texts = texts_of(engine_over(root), [one(min_new_tokens=8), *GOOD])

    assert texts.pop("bad").tokens == 8
    assert texts == alone
