"""A worker whose model runs behind a server: real ones for what they write, a stand-in for what goes wrong."""

import os
import shutil
import subprocess
import threading
import time
from dataclasses import replace

import openai
import pytest

from inference import remote
from inference.checkpoints import CheckpointError
from inference.contract import Heartbeat, Sampling, Sequence, TokenLogprob
from inference.engine import EngineAway
from inference.remote import ServedEngine, ServerError
from inference.wire import seed_of
from tests.inference.servers import KEY, SIZE, StandIn, fault, real_server
from tests.inference.test_worker import COMMAND, ROOT, Site, order
from tests.patience import PATIENCE, until

pytestmark = pytest.mark.slow


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=pytest.mark.live) for name in ("transformers", "vllm")]
)
def served(request, tmp_path_factory):
    """The settings of a worker that asks a real server."""
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} is not installed")
    with real_server(request.param, tmp_path_factory.mktemp("served")) as settings:
        yield settings


@pytest.fixture
def server():
    server = StandIn()
    yield server
    server.stop()


@pytest.fixture
def slow_server():
    server = StandIn(pace=0.02)
    yield server
    server.stop()


def some_sequences(count, group="", **given):
    sampling = Sampling(**{"max_new_tokens": 24} | given)
    return [Sequence(f"{group}{number}", f"Once {number}", 3, number, sampling, group) for number in range(count)]


def never(group):
    return False


def texts_of(engine, sequences):
    return {text.key: text for step in engine.generate(SIZE, sequences, never) for text in step.texts}


def stop_after(steps, stopped, group):
    """The steps after the first, at which the group is stopped."""
    next(steps)
    stopped.add(group)
    return list(steps)


def test_write_what_the_model_would_write(served):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = served.server_models[SIZE]
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)

    texts = texts_of(ServedEngine(served), some_sequences(4, temperature=0, max_new_tokens=8))

    assert len(texts) == 4
    for number, text in enumerate(texts[str(number)] for number in range(4)):
        given = tokenizer(f"Once {number}", return_tensors="pt")
        written = model.generate(**given, max_new_tokens=8, do_sample=False)[0, given["input_ids"].shape[1] :]
        decoded = tokenizer.decode(written, skip_special_tokens=True)
        assert text.text.rstrip("\ufffd") == decoded.rstrip("\ufffd")  # some servers hold back half a character
        assert (text.prompt_tokens, text.tokens) == (given["input_ids"].shape[1], len(written))


def test_write_the_same_again(served):
    engine = ServedEngine(served)

    first, again = (texts_of(engine, some_sequences(6)) for _ in range(2))

    assert {key: text.text for key, text in first.items()} == {key: text.text for key, text in again.items()}


def test_count_the_tokens_that_the_server_counts(served):
    steps = list(ServedEngine(served).generate(SIZE, some_sequences(6, max_new_tokens=100), never))

    assert all(step.tokens >= 0 for step in steps)
    assert sum(step.tokens for step in steps) == sum(text.tokens for step in steps for text in step.texts)


def test_stop_a_running_order_and_leave_the_server_free(served):
    engine, stopped = ServedEngine(served), set()
    steps = engine.generate(SIZE, some_sequences(500, max_new_tokens=240), stopped.__contains__)

    rest = stop_after(steps, stopped, "")

    assert sum(len(step.texts) for step in rest) < 500
    assert len(texts_of(engine, some_sequences(1, max_new_tokens=4))) == 1


def test_carry_out_an_order_with_a_worker_process(served, tmp_path_factory, tmp_path):
    site = Site(tmp_path_factory.mktemp("r"))
    site.start_redis()
    with worker_of(site, served, tmp_path / "log") as worker:
        try:
            until(lambda: site.messages(Heartbeat))
            site.send(order(20, 16))
            last = until(site.last_report)
        finally:
            worker.terminate()
        assert worker.wait(PATIENCE) == 0
    heartbeat = site.messages(Heartbeat)[-1]
    site.app.close()
    site.stop_redis()

    assert sorted(int(text.key) for text in last.texts) == list(range(20))
    assert last.tokens == sum(text.tokens for text in last.texts)
    assert (last.error, last.checkpoint, last.stopped) == ("", "", False)
    assert (heartbeat.device, heartbeat.dtype, heartbeat.checkpoints) == (f"server {address(served)}", "", ("",))
    log = (tmp_path / "log").read_text()
    assert "secret" not in log
    assert KEY not in log


def address(served):
    return served.server_url.split("/")[2]


def worker_of(site, served, log):
    environment = site.environment | {"SERVER_URL": served.server_url, "SERVER_KEY": KEY, "PATH": os.environ["PATH"]}
    environment |= {"SERVER_MODELS": f"{SIZE}={served.server_models[SIZE]}"}
    command = [*COMMAND, "--loglevel", "DEBUG"]
    with log.open("w") as opened:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=opened, stderr=opened)


def test_ask_for_all_that_the_sampling_says(server):
    [sequence] = some_sequences(
        1,
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        repetition_penalty=1.2,
        stop=("\n",),
        min_new_tokens=4,
        logprobs=2,
    )

    texts_of(server.engine(), [sequence])

    assert server.requests == [
        {
            "model": SIZE,
            "prompt": "Once 0",
            "max_tokens": 24,
            "temperature": 0.5,
            "top_p": 0.9,
            "seed": seed_of(sequence),
            "stop": ["\n"],
            "logprobs": 2,
            "top_k": 40,
            "repetition_penalty": 1.2,
            "min_tokens": 4,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ]


def test_ask_others_than_vllm_for_nothing_they_do_not_know(server):
    texts_of(server.engine(server_models={SIZE: SIZE}), some_sequences(1))

    assert not {"top_k", "repetition_penalty", "min_tokens", "stop", "logprobs"} & server.requests[0].keys()


def test_name_random_numbers_by_seed_and_index():
    [sequence] = some_sequences(1)

    seeds = {seed_of(replace(sequence, seed=seed, index=index)) for seed in (1, 11) for index in (1, 11, 111)}

    assert len(seeds) == 6
    assert seed_of(sequence) == 0xEAB817087DE3
    assert max(seeds) < 2**48


def test_give_the_likeliest_tokens_and_not_the_chosen_one_that_vllm_adds(server):
    [text] = texts_of(server.engine(), some_sequences(1, max_new_tokens=2, logprobs=2)).values()

    likeliest = ((" a", -0.5), (" b", -1.0))
    assert text.logprobs == (TokenLogprob(" 1", -2.0, likeliest), TokenLogprob(" 2", -2.0, likeliest))


def test_report_progress_before_a_text_is_finished(slow_server):
    steps = list(slow_server.engine().generate(SIZE, some_sequences(2), never))

    assert sum(step.tokens for step in steps) == 48
    assert sum(step.tokens for step in steps if not step.texts) > 24


def test_ask_for_no_more_texts_at_a_time_than_the_batch_has_rows(slow_server):
    engine = slow_server.engine(batch_rows=8)
    stop = threading.Event()
    steps = engine.generate(SIZE, some_sequences(20, max_new_tokens=5000), lambda _: stop.is_set())
    ordinary = threading.Thread(target=list, args=[steps])
    ordinary.start()
    until(lambda: slow_server.running == 6)

    urgent = list(engine.generate(SIZE, some_sequences(4, "u", max_new_tokens=2), never, urgent=True))

    assert sum(len(step.texts) for step in urgent) == 4
    assert ordinary.is_alive()
    stop.set()
    ordinary.join(PATIENCE)
    assert slow_server.most_running == 8


def test_close_the_requests_of_a_stopped_order(slow_server):
    stopped = set()
    steps = slow_server.engine().generate(SIZE, some_sequences(3, max_new_tokens=5000), stopped.__contains__)

    rest = stop_after(steps, stopped, "")

    assert not any(step.texts for step in rest)
    until(lambda: sorted(slow_server.abandoned) == ["Once 0", "Once 1", "Once 2"])


def test_close_the_requests_of_an_order_that_nobody_waits_for(slow_server):
    steps = slow_server.engine().generate(SIZE, some_sequences(1, max_new_tokens=5000), never)
    next(steps)

    steps.close()

    until(lambda: slow_server.abandoned == ["Once 0"])


def test_stop_one_group_of_an_order_and_finish_the_other(slow_server):
    both, stopped = some_sequences(2, "a", max_new_tokens=60) + some_sequences(2, "b", max_new_tokens=60), set()
    steps = slow_server.engine().generate(SIZE, both, stopped.__contains__)

    rest = stop_after(steps, stopped, "b")

    assert {text.key for step in rest for text in step.texts} == {"a0", "a1"}
    assert len(slow_server.abandoned) == 2


def test_stop_every_group_before_the_order_is_begun(server):
    assert list(server.engine().generate(SIZE, some_sequences(4), lambda _: True)) == []
    assert server.requests == []


def test_stop_while_the_server_lets_us_wait(server):
    server.answers.append(fault(429, "Too many requests.", **{"retry-after": "60"}))

    assert list(server.engine().generate(SIZE, some_sequences(1), lambda _: bool(server.requests))) == []
    assert len(server.requests) == 1  # after a minute there would be another


def test_refuse_a_text_with_the_words_of_the_server(server):
    server.answers.append(fault(400, "The prompt is longer than the model takes."))

    texts = texts_of(server.engine(batch_rows=1), some_sequences(2))

    assert [text.finish_reason for text in texts.values()] == ["refused", "length"]
    assert texts["0"].error == "The server refused this text: The prompt is longer than the model takes."


def test_refuse_a_text_to_which_the_server_objects_once_the_stream_has_begun(server):
    server.answers.append(fault(400, "Requested sample logprobs of 30."))
    server.answers[0].status_code = 200
    server.answers[0].body = b"data: " + server.answers[0].body + b"\n\n"
    server.answers[0].headers["content-length"] = str(len(server.answers[0].body))

    [text] = texts_of(server.engine(), some_sequences(1)).values()

    assert (text.finish_reason, text.error) == (
        "refused",
        "The server refused this text: Requested sample logprobs of 30.",
    )


def test_refuse_a_text_that_was_to_carry_a_watermark(server):
    texts = texts_of(server.engine(), [*some_sequences(1, watermark_key="mark"), *some_sequences(1, "b")])

    assert (texts["0"].finish_reason, texts["b0"].finish_reason) == ("refused", "length")
    assert texts["0"].error == (
        "This text was to carry a watermark, and worker anna generates on a server that has none."
    )


def test_tell_the_operator_about_a_wrong_key(server):
    with pytest.raises(CheckpointError, match=r"does not take the key of worker anna \(it answered 401\)") as raised:
        texts_of(server.engine(server_key="guess-work"), some_sequences(3))

    assert "guess-work" not in str(raised.value)


def test_tell_the_operator_about_a_model_that_the_server_does_not_have(server):
    engine = server.engine(server_models={SIZE: "gpt2-typo"})

    with pytest.raises(CheckpointError, match=r"has no model 'gpt2-typo' \(it answered 404\).* as gpt2/124M\."):
        texts_of(engine, some_sequences(3))


def test_wait_for_a_server_that_has_too_much_to_do(server):
    server.answers.extend([fault(429, "Too many requests.", **{"retry-after": "1"}), fault(503, "Starting.")])
    started = time.monotonic()

    texts = texts_of(server.engine(batch_rows=1), some_sequences(1))

    assert len(texts) == 1
    assert len(server.requests) == 3
    assert time.monotonic() - started > 1


def test_let_another_worker_try_after_an_error_of_the_server(server, monkeypatch):
    monkeypatch.setattr(remote, "RETRIES", 1)
    server.answers.extend([fault(500, "It fell over 'Once 0'.")] * 2)

    with pytest.raises(ServerError, match=r"answered 500 to worker anna\.$"):
        texts_of(server.engine(), some_sequences(1))


def test_hand_the_order_back_where_no_server_answers(server, monkeypatch):
    monkeypatch.setattr(remote, "RETRIES", 1)
    server.stop()

    with pytest.raises(EngineAway, match=r"cannot be reached from worker anna: .*connect"):
        texts_of(server.engine(), some_sequences(3))


@pytest.mark.parametrize("status", [429, 503])
def test_hand_the_order_back_where_the_server_takes_nothing(server, monkeypatch, status):
    monkeypatch.setattr(remote, "RETRIES", 1)
    server.answers.extend([fault(status, "Not now.")] * 2)

    with pytest.raises(EngineAway, match=f"answers {status} to worker anna"):
        texts_of(server.engine(), some_sequences(1))


def test_let_another_worker_try_where_the_server_falls_silent(server, monkeypatch):
    monkeypatch.setattr(remote, "RETRIES", 0)
    monkeypatch.setattr(remote, "SILENCE", openai.Timeout(0.2, connect=5))
    server.answers.append("silence")

    with pytest.raises(ServerError, match="did not answer worker anna in time"):
        texts_of(server.engine(), some_sequences(1))


def test_take_no_orders_while_the_server_is_away(server):
    engine = server.engine()
    assert engine.sizes() == (SIZE,)

    server.stop()
    engine.loaded()
    until(lambda: engine.sizes() == ())
    server.start()
    engine.loaded()
    until(lambda: engine.sizes() == (SIZE,))


def test_begin_a_text_again_that_the_server_broke_off(server):
    server.answers.append("break off")

    steps = list(server.engine().generate(SIZE, some_sequences(1), never))

    assert [text.text.split()[-1] for step in steps for text in step.texts] == ["24"]
    assert sum(step.tokens for step in steps) == 24
    assert len(server.requests) == 2


def test_give_up_a_text_that_the_server_always_breaks_off(server):
    server.answers.extend(["break off"] * 3)

    with pytest.raises(ServerError, match="broke off a text of gpt2/124M 3 times"):
        texts_of(server.engine(), some_sequences(1))


def test_outlive_a_server_that_goes_away_and_comes_back(slow_server):
    steps = slow_server.engine().generate(SIZE, some_sequences(4, max_new_tokens=100), never)
    first = next(steps)
    slow_server.stop()
    threading.Timer(1, slow_server.start).start()

    rest = list(steps)

    texts = [text for step in rest for text in step.texts]
    assert [text.tokens for text in texts] == [100] * 4
    assert first.tokens + sum(step.tokens for step in rest) == 400


def test_say_which_sizes_the_server_serves(server):
    engine = server.engine(server_models={SIZE: "gpt2"})
    assert engine.loaded() == ()

    server.models = ["gpt2", "other"]
    until(lambda: engine.loaded() == (SIZE,))

    server.stop()
    until(lambda: engine.loaded() == ())


def test_keep_prompts_and_key_out_of_the_logs(server, caplog):
    caplog.set_level("DEBUG")

    texts_of(server.engine(), some_sequences(1))

    assert KEY not in caplog.text
    assert "Once" not in caplog.text
