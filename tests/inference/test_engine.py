"""The engine: the model's own words, whatever else is in the batch."""

import pytest

from inference.checkpoints import CheckpointError
from inference.config import Config
from inference.contract import Sampling, Sequence
from inference.engine import Engine
from tests.inference.tiny import install_tiny_gpt2

SIZE = "gpt2/124M"
PROMPTS = ["Once upon a time", "A", "The first rule of responsible publication is", "Ünïcode 語"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("weights")
    install_tiny_gpt2(root)
    return root


def engine_over(root, batch_rows=16):
    return Engine(Config("redis://", "key", root, (SIZE,), "anna", device="cpu", batch_rows=batch_rows))


@pytest.fixture(scope="module")
def engine(root):
    return engine_over(root)


def never():
    return False


def some_sequences(count, seed=3, **sampling):
    sampling = Sampling(**{"max_new_tokens": 24, "temperature": 0.9} | sampling)
    return [Sequence(str(number), PROMPTS[number % 4], seed, number, sampling) for number in range(count)]


def texts_of(engine, sequences):
    return {text.key: text for step in engine.generate(SIZE, sequences, never) for text in step.texts}


def test_write_what_transformers_would_write_at_temperature_zero(engine):
    texts = texts_of(engine, some_sequences(4, temperature=0))

    model, tokenizer = engine._held.model, engine._held.tokenizer
    for key, prompt in enumerate(PROMPTS):
        given = tokenizer(prompt, return_tensors="pt")
        whole = model.generate(**given, max_new_tokens=24, do_sample=False)[0]
        new = whole[given.input_ids.shape[1] :]
        assert texts[str(key)].text == tokenizer.decode(new, skip_special_tokens=True)
        assert texts[str(key)].tokens == len(new)
        assert texts[str(key)].prompt_tokens == given.input_ids.shape[1]


def test_write_the_same_whatever_the_batch(root, engine):
    sequences = some_sequences(20)
    together = texts_of(engine, sequences)

    assert texts_of(engine_over(root, batch_rows=3), list(reversed(sequences))) == together
    assert texts_of(engine, sequences[7:8]) == {"7": together["7"]}


def test_write_something_else_for_another_seed_or_index(engine):
    sampling = Sampling(24)
    sequences = [Sequence(f"{seed}/{index}", "Once", seed, index, sampling) for seed in (1, 2) for index in (1, 2)]

    assert len({text.text for text in texts_of(engine, sequences).values()}) == 4


def test_end_a_text_where_the_model_ends_it(engine):
    texts = texts_of(engine, some_sequences(24, max_new_tokens=64)).values()

    assert {text.finish_reason for text in texts} == {"stop", "length"}
    assert all(text.tokens == 64 for text in texts if text.finish_reason == "length")
    assert not any("<|endoftext|>" in text.text for text in texts)


def test_count_every_token_of_every_step(engine):
    steps = list(engine.generate(SIZE, some_sequences(20, max_new_tokens=64), never))

    assert sum(step.tokens for step in steps) == sum(text.tokens for step in steps for text in step.texts)
    assert min(step.tokens for step in steps) < 16  # finished rows have left the batch


def test_stop_before_the_next_token(engine):
    steps = []
    for step in engine.generate(SIZE, some_sequences(20), lambda: len(steps) == 5):
        steps.append(step)

    assert len(steps) == 5


def test_refuse_a_prompt_too_long_and_write_the_rest(engine):
    long = Sequence("long", "x" * 200, 0, 0, Sampling(64))

    texts = texts_of(engine, [long, *some_sequences(2)])

    assert texts["long"].finish_reason == "refused"
    assert texts["long"].error == (
        "This prompt has 200 tokens; with 64 new tokens the text would have 264, and gpt2/124M takes at most 256."
    )
    assert {texts["0"].finish_reason, texts["1"].finish_reason} <= {"stop", "length"}


def test_fill_the_context_to_its_last_token(engine):
    texts = texts_of(engine, [Sequence(str(i), "x" * 192, 0, i, Sampling(64)) for i in range(8)])

    assert "length" in {text.finish_reason for text in texts.values()}


def test_refuse_an_empty_prompt(engine):
    texts = texts_of(engine, [Sequence("empty", "", 0, 0, Sampling(8))])

    assert texts["empty"].error == "This prompt is empty; gpt2/124M needs at least one token to continue from."


def test_take_new_weights_once_they_are_installed(tmp_path):
    install_tiny_gpt2(tmp_path)
    engine = engine_over(tmp_path)
    before, old = texts_of(engine, some_sequences(1)), engine.identity()

    install_tiny_gpt2(tmp_path, seed=1)

    assert texts_of(engine, some_sequences(1)) != before
    assert engine.identity() != old


def test_name_the_worker_where_weights_are_missing(tmp_path):
    with pytest.raises(CheckpointError, match="not installed on worker anna"):
        texts_of(engine_over(tmp_path), some_sequences(1))


def test_run_a_llama_type_model(tmp_path):
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = install_tiny_gpt2(tmp_path / "tokenizer")
    for file in folder.glob("tokenizer*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    shape = {"num_hidden_layers": 2, "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 4}
    ends = {"bos_token_id": 256, "eos_token_id": [255, 256], "pad_token_id": 256, "vocab_size": 257}
    config = LlamaConfig(**shape, **ends, num_key_value_heads=2, initializer_range=0.2)
    LlamaForCausalLM(config).save_pretrained(tmp_path)
    from inference import checkpoints

    checkpoints.install(SIZE, str(tmp_path), tmp_path / "store")
    engine = engine_over(tmp_path / "store")

    texts = texts_of(engine, some_sequences(4, temperature=0))

    for key, prompt in enumerate(PROMPTS):
        given = engine._held.tokenizer(prompt, return_tensors="pt", return_token_type_ids=False)
        whole = engine._held.model.generate(**given, max_new_tokens=24, do_sample=False)[0]
        assert texts[str(key)].tokens == len(whole) - given.input_ids.shape[1]
