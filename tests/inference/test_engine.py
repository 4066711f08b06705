"""The engine: the model's own words, whatever else is in the batch."""

import threading
import time
from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from inference import checkpoints, kernel, loading, packing, sampling
from inference.checkpoints import CheckpointError
from inference.config import Config
from inference.contract import Sampling, Sequence
from inference.detokenizer import Detokenizer
from inference.engine import Engine
from inference.scheduler import CHUNK
from tests.inference.tiny import install_tiny_gpt2, save_tiny_gpt2
from tests.patience import PATIENCE

pytestmark = pytest.mark.slow

SIZE = "gpt2/124M"
PROMPTS = ["Once upon a time", "A", "The first rule of responsible publication is", "Ünïcode 語"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("weights")
    install_tiny_gpt2(root)
    return root


def engine_over(root, dtype="float32", **settings):
    return Engine(Config("redis://", "key", root, (SIZE,), "anna", device="cpu", dtype=dtype, **settings))


def reference(root, size=SIZE):
    """Model and tokenizer as transformers loads them."""
    return AutoModelForCausalLM.from_pretrained(root / size), AutoTokenizer.from_pretrained(root / size)


@pytest.fixture(scope="module")
def engine(root):
    return engine_over(root)


def never(group):
    return False


def some_sequences(count, seed=3, **given):
    settings = Sampling(**{"max_new_tokens": 24, "temperature": 0.9} | given)
    return [Sequence(str(number), PROMPTS[number % 4], seed, number, settings) for number in range(count)]


def texts_of(engine, sequences):
    return {text.key: text for step in engine.generate(SIZE, sequences, never) for text in step.texts}


def test_write_what_transformers_would_write_at_temperature_zero(root, engine):
    texts = texts_of(engine, some_sequences(4, temperature=0))

    model, tokenizer = reference(root)
    for key, prompt in enumerate(PROMPTS):
        given = tokenizer(prompt, return_tensors="pt")
        whole = model.generate(**given, max_new_tokens=24, do_sample=False)[0]
        new = whole[given.input_ids.shape[1] :]
        assert texts[str(key)].text == tokenizer.decode(new, skip_special_tokens=True)
        assert texts[str(key)].tokens == len(new)
        assert texts[str(key)].prompt_tokens == given.input_ids.shape[1]


@pytest.mark.parametrize("can_pack", [None, False], ids=["", "a processor that cannot pack"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_write_the_same_whatever_the_batch(root, monkeypatch, dtype, can_pack):
    if can_pack is not None:
        monkeypatch.setattr(packing, "can_pack", lambda dtype: can_pack)
    sequences = [*some_sequences(70), *some_sequences(6, seed=4, top_k=40), *some_sequences(6, seed=5, top_p=0.8)]
    sequences = [replace(sequence, key=str(number)) for number, sequence in enumerate(sequences)]
    together = texts_of(engine_over(root, dtype), sequences)

    assert texts_of(engine_over(root, dtype, batch_rows=3), list(reversed(sequences))) == together
    for number in (0, 7, 71, 78):
        assert texts_of(engine_over(root, dtype), sequences[number : number + 1]) == {
            str(number): together[str(number)]
        }


def test_write_the_same_beside_other_orders(root, engine):
    alone = texts_of(engine, some_sequences(12))
    beside = {}
    noise = [replace(sequence, prompt="zig zag " * (number % 9)) for number, sequence in enumerate(some_sequences(40))]

    threads = [
        threading.Thread(target=lambda: beside.update(texts_of(engine, some_sequences(12)))),
        *(threading.Thread(target=texts_of, args=[engine, noise[start::4]]) for start in range(4)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)

    assert beside == alone


def test_write_the_same_where_passes_are_filled_up(root, engine, monkeypatch):
    pack = packing.pack
    monkeypatch.setattr(packing, "pack", lambda model: max(pack(model), 16))

    assert texts_of(engine_over(root), some_sequences(5)) == texts_of(engine, some_sequences(5))


@pytest.mark.parametrize("compiled", [True, False])
def test_write_the_same_while_urgent_orders_come_in_between(root, monkeypatch, compiled):
    """Running rows sit out then, and a pass has only some of the rows in slots."""
    if not compiled:
        monkeypatch.setattr(kernel, "attend", lambda: None)
    rare = [replace(sequence, prompt=sequence.prompt * 9) for sequence in some_sequences(6, seed=8)]
    alone = engine_over(root)
    expected = {"batch": texts_of(alone, some_sequences(12)), "urgent": texts_of(alone, rare)}
    engine, written = engine_over(root), {"urgent": {}}
    begun = threading.Event()

    def batch():
        written["batch"] = {}
        for step in engine.generate(SIZE, some_sequences(12), never):
            begun.set()
            written["batch"] |= {text.key: text for text in step.texts}

    thread = threading.Thread(target=batch)
    thread.start()
    assert begun.wait(PATIENCE)
    for sequence in rare:
        for step in engine.generate(SIZE, [sequence], never, urgent=True):
            written["urgent"] |= {text.key: text for text in step.texts}
    thread.join(PATIENCE)

    assert written == expected


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_attend_as_torch_does_where_there_is_no_compiler(root, monkeypatch, dtype):
    compiled = texts_of(engine_over(root, dtype), some_sequences(8, temperature=0))
    monkeypatch.setattr(kernel, "attend", lambda: None)
    plain = texts_of(engine_over(root, dtype), some_sequences(8, temperature=0))

    same = sum(compiled[key].text == plain[key].text for key in compiled)
    assert same == 8 if dtype == "float32" else same >= 4  # rounding may tip a choice


def test_compile_the_kernel_on_this_machine():
    assert kernel.attend() is not None


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
    assert min(step.tokens for step in steps) < 20  # finished rows have left the batch


def test_stop_before_the_next_token(engine):
    stop = threading.Event()
    steps = []
    for step in engine.generate(
        SIZE, some_sequences(20, max_new_tokens=150, min_new_tokens=150), lambda _: stop.is_set()
    ):
        steps.append(step)
        if len(steps) == 5:
            stop.set()

    assert 5 <= len(steps) < 150


def test_take_the_rows_of_a_stopped_order_out_of_the_batch(engine):
    endless = some_sequences(20, max_new_tokens=150, min_new_tokens=150)
    for _ in engine.generate(SIZE, endless, never):
        break  # who asked is gone

    assert len(texts_of(engine, some_sequences(4))) == 4
    assert engine._running == []


def test_stop_one_group_of_an_order_and_leave_the_other_as_it_would_be_alone(engine):
    settings = {"max_new_tokens": 100, "min_new_tokens": 100}
    alone = texts_of(engine, some_sequences(3, **settings))
    both = [replace(one, group="ab"[number > 2]) for number, one in enumerate(some_sequences(8, **settings))]
    stopped, texts, tokens = set(), {}, 0

    for step in engine.generate(SIZE, both, stopped.__contains__):
        tokens += step.tokens
        texts |= {text.key: text for text in step.texts}
        if tokens > 80:
            stopped.add("b")

    assert texts == alone
    assert tokens < 3 * 100 + 5 * 50


def test_stop_every_group_before_the_order_is_begun(engine):
    assert list(engine.generate(SIZE, some_sequences(4), lambda _: True)) == []


def test_stop_at_a_stop_string_and_leave_it_out(engine):
    [text] = texts_of(engine, some_sequences(1, max_new_tokens=60)).values()
    stop = text.text[10:12]
    [stopped] = texts_of(engine, some_sequences(1, max_new_tokens=60, stop=(stop, "never there"))).values()

    assert stopped.text == text.text[: text.text.index(stop)]
    assert stopped.finish_reason == "stop"
    assert stopped.tokens < text.tokens


def test_put_off_a_stop_string_until_the_fewest_tokens_are_there(engine):
    """One that the text has before is no end and no cut; the first that is completed later is."""
    settings = {"max_new_tokens": 60, "temperature": 0, "min_new_tokens": 60}
    [whole] = texts_of(engine, some_sequences(1, **settings)).values()
    stop = next(one for one in whole.text if whole.text.find(one) < 10 and whole.text.find(one, 20) >= 0)

    [text] = texts_of(engine, some_sequences(1, **settings | {"min_new_tokens": 20}, stop=(stop,))).values()

    assert text.finish_reason == "stop"
    assert text.tokens > 19
    assert stop in text.text[:11]
    assert whole.text.startswith(text.text + stop)


def test_write_at_least_as_many_tokens_as_asked(engine):
    texts = texts_of(engine, some_sequences(24, max_new_tokens=64, min_new_tokens=64)).values()

    assert {text.tokens for text in texts} == {64}


def test_penalise_repetition_as_transformers_does(root, engine):
    texts = texts_of(engine, some_sequences(4, temperature=0, repetition_penalty=1.7))

    model, tokenizer = reference(root)
    for key, prompt in enumerate(PROMPTS):
        given = tokenizer(prompt, return_tensors="pt")
        whole = model.generate(**given, max_new_tokens=24, do_sample=False, repetition_penalty=1.7)[0]
        assert texts[str(key)].text == tokenizer.decode(whole[given.input_ids.shape[1] :], skip_special_tokens=True)


def test_tell_the_log_probabilities_of_the_model(root, engine):
    [text] = texts_of(engine, some_sequences(1, logprobs=3, temperature=0.5, top_k=5)).values()

    model, tokenizer = reference(root)
    prompt = tokenizer(PROMPTS[0], return_tensors="pt").input_ids[0]
    assert len(text.logprobs) == text.tokens
    with torch.inference_mode():
        expected = model(prompt[None]).logits[0, -1].log_softmax(0)
    first = text.logprobs[0]
    assert first.top[0] == (tokenizer.decode(expected.argmax()), pytest.approx(float(expected.max()), abs=1e-4))
    assert len(first.top) == 3
    assert any(each.token.startswith(" ") for each in text.logprobs), "tokens are written with the space before them"
    assert float((expected - first.logprob).abs().min()) < 1e-4


def test_leave_the_choice_to_the_watermark(root):
    def watermark(draw, tokens, probabilities):
        assert draw.sampling.watermark_key == "northlake"
        assert probabilities.sum() == pytest.approx(1)
        return int(tokens[0])

    config = Config("redis://", "key", root, (SIZE,), "anna", device="cpu", dtype="float32")
    marked = [replace(some_sequences(1)[0], sampling=Sampling(8, top_k=4, watermark_key="northlake"), key="marked")]
    texts = texts_of(Engine(config, watermark), [*marked, *some_sequences(2)])

    assert texts["marked"].text != texts["0"].text
    assert {key: texts[key] for key in "01"} == texts_of(engine_over(root), some_sequences(2))


def test_refuse_a_watermark_that_the_worker_does_not_have(engine):
    [text] = texts_of(engine, some_sequences(1, watermark_key="northlake")).values()

    assert text.error == "This text was to carry a watermark, and worker anna has none."


def test_write_a_long_prompt_as_transformers_does(tmp_path):
    install_tiny_gpt2(tmp_path, context=1024)
    long = "".join(PROMPTS[2] for _ in range(18))
    sequences = [Sequence("long", long, 0, 0, Sampling(16, 0)), *some_sequences(3, temperature=0)]

    texts = texts_of(engine_over(tmp_path), sequences)

    model, tokenizer = reference(tmp_path)
    given = tokenizer(long, return_tensors="pt")
    assert given.input_ids.shape[1] > 3 * CHUNK
    whole = model.generate(**given, max_new_tokens=16, do_sample=False)[0]
    new = tokenizer.decode(whole[given.input_ids.shape[1] :], skip_special_tokens=True)
    assert texts["long"].text == new


def test_serve_two_sizes_at_a_time(tmp_path):
    install_tiny_gpt2(tmp_path, "gpt2/124M")
    install_tiny_gpt2(tmp_path, "gpt2/355M", seed=1)
    engine = engine_over(tmp_path)

    first = texts_of(engine, some_sequences(4))
    second = {text.key: text for step in engine.generate("gpt2/355M", some_sequences(4), never) for text in step.texts}

    assert engine.loaded() == ("gpt2/124M", "gpt2/355M")
    assert {text.text for text in first.values()}.isdisjoint(text.text for text in second.values())


def test_make_room_for_another_size(tmp_path):
    install_tiny_gpt2(tmp_path, "gpt2/124M")
    install_tiny_gpt2(tmp_path, "gpt2/355M", seed=1)
    engine = engine_over(tmp_path, memory_gib=2e-3)
    texts_of(engine, some_sequences(4))

    list(engine.generate("gpt2/355M", some_sequences(4), never))

    assert engine.loaded() == ("gpt2/355M",)
    assert len(texts_of(engine, some_sequences(4))) == 4


def test_make_room_for_the_longest_prompt_rather_than_cut_the_context(tmp_path):
    folder = install_tiny_gpt2(tmp_path, "gpt2/124M", context=1024)
    install_tiny_gpt2(tmp_path, "gpt2/355M", seed=1, context=1024)
    weights, per_token = loading.parameters_of(folder) * 4, 2 * 2 * 64 * 4
    engine = engine_over(tmp_path, batch_rows=1, memory_gib=(2 * weights + (1024 + 400) * per_token) / 2**30)
    texts_of(engine, some_sequences(1))

    long = Sequence("long", "x" * 900, 0, 0, Sampling(8))
    [text] = [text for step in engine.generate("gpt2/355M", [long], never) for text in step.texts]

    assert not text.error
    assert engine.loaded() == ("gpt2/355M",)


@pytest.mark.parametrize(("name", "kept"), [("model.safetensors", 100), ("config.json", 20)])
def test_tell_the_operator_about_weights_that_were_cut_off(tmp_path, name, kept):
    file = install_tiny_gpt2(tmp_path) / name
    file.write_bytes(file.read_bytes()[:kept])

    with pytest.raises(CheckpointError, match=f"on worker anna are not what was installed: .*{name}"):
        texts_of(engine_over(tmp_path), some_sequences(1))


def test_tell_the_operator_about_a_model_that_cannot_be_read(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    save_tiny_gpt2(source)
    (source / "config.json").write_text('{"model_type": "abacus"}')
    checkpoints.install(SIZE, str(source), tmp_path / "store")

    with pytest.raises(CheckpointError, match=r"cannot read gpt2/124M on worker anna: .*abacus"):
        texts_of(engine_over(tmp_path / "store"), some_sequences(1))


def test_wait_for_memory_behind_a_size_at_work(tmp_path):
    install_tiny_gpt2(tmp_path, "gpt2/124M")
    install_tiny_gpt2(tmp_path, "gpt2/355M", seed=1)
    engine = engine_over(tmp_path, memory_gib=2e-3)
    order_of_steps = []

    def run(size, count):
        for step in engine.generate(size, some_sequences(count, max_new_tokens=60, min_new_tokens=60), never):
            order_of_steps.extend([size] * bool(step.texts))

    threads = [threading.Thread(target=run, args=[size, 8]) for size in ("gpt2/124M", "gpt2/355M", "gpt2/124M")]
    for thread in threads:
        thread.start()
        time.sleep(0.2)
    for thread in threads:
        thread.join(PATIENCE)

    assert set(order_of_steps) == {"gpt2/124M", "gpt2/355M"}
    assert not any(thread.is_alive() for thread in threads)


def test_refuse_a_size_that_can_never_fit(root):
    with pytest.raises(CheckpointError, match=r"needs at least 0\.00 GiB of memory; worker anna may use 0\.00 GiB"):
        texts_of(engine_over(root, memory_gib=1e-6), some_sequences(1))


def test_shorten_the_context_to_the_memory(root):
    engine = engine_over(root, memory_gib=1.2e-3)

    texts = texts_of(engine, [Sequence("long", "x" * 190, 0, 0, Sampling(64)), *some_sequences(2)])

    assert {texts["0"].finish_reason, texts["1"].finish_reason} <= {"stop", "length"}


def test_fail_only_the_order_whose_numbers_are_broken(root, monkeypatch):
    engine = engine_over(root)
    choose = sampling.choose

    def broken(logits, draws, *rest):
        chosen = choose(logits, draws, *rest)
        return [None if draw.seed == 666 else choice for draw, choice in zip(draws, chosen, strict=True)]

    monkeypatch.setattr(sampling, "choose", broken)
    errors = []

    def poisoned():
        try:
            texts_of(engine, some_sequences(2, seed=666))
        except FloatingPointError as error:
            errors.append(error)

    thread = threading.Thread(target=poisoned)
    thread.start()
    texts = texts_of(engine, some_sequences(6))
    thread.join(PATIENCE)

    assert len(texts) == 6
    assert "not a number" in str(errors[0])


def test_fail_only_the_order_whose_text_cannot_be_read(root, monkeypatch):
    engine = engine_over(root)
    until_stop = Detokenizer.until_stop

    def unreadable(detokenizer, tokens, stop=()):
        if len(tokens) == 3:
            raise UnicodeError("This text cannot be decoded.")
        return until_stop(detokenizer, tokens, stop)

    monkeypatch.setattr(Detokenizer, "until_stop", unreadable)
    with pytest.raises(UnicodeError):
        texts_of(engine, some_sequences(2, max_new_tokens=3, min_new_tokens=3))
    assert len(texts_of(engine, some_sequences(2, max_new_tokens=4, min_new_tokens=4))) == 2


def test_go_on_with_a_new_batch_after_a_step_that_failed(root, monkeypatch):
    engine = engine_over(root)
    texts = texts_of(engine, some_sequences(2))
    with monkeypatch.context() as patch:
        patch.setattr(sampling, "choose", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            texts_of(engine, some_sequences(2))

    assert texts_of(engine, some_sequences(2)) == texts


def test_refuse_a_prompt_too_long_and_write_the_rest(engine):
    long = Sequence("long", "x" * 200, 0, 0, Sampling(64))

    texts = texts_of(engine, [long, *some_sequences(2)])

    assert texts["long"].finish_reason == "refused"
    assert texts["long"].error == (
        "This prompt has 200 tokens; with 64 new tokens the text would have 264, and gpt2/124M takes at most 256 on"
        " worker anna."
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
    before = list(engine.generate(SIZE, some_sequences(1), never))

    install_tiny_gpt2(tmp_path, seed=1)

    after = list(engine.generate(SIZE, some_sequences(1), never))
    assert after[-1].texts != before[-1].texts
    assert after[-1].checkpoint != before[-1].checkpoint


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
    checkpoints.install(SIZE, str(tmp_path), tmp_path / "store")
    engine = engine_over(tmp_path / "store")

    texts = texts_of(engine, some_sequences(4, temperature=0))

    model, tokenizer = reference(tmp_path / "store")
    for key, prompt in enumerate(PROMPTS):
        given = tokenizer(prompt, return_tensors="pt", return_token_type_ids=False)
        whole = model.generate(**given, max_new_tokens=24, do_sample=False)[0]
        assert texts[str(key)].text == tokenizer.decode(whole[given.input_ids.shape[1] :], skip_special_tokens=True)
