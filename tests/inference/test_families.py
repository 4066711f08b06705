"""Decoder families: each runs as the table in `inference/README.md` says, and writes what transformers writes."""

import logging
import re
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from inference import attention, backends, loading, runners, selfcheck
from inference.checkpoints import CheckpointError
from inference.config import Config
from inference.contract import Sampling, Sequence
from inference.engine import Engine
from tests.inference import families
from tests.patience import until

pytestmark = pytest.mark.slow

README = Path("inference/README.md").read_text()
TABLE = dict(re.findall(r"^\| ([\w-]+) \| (same|plain|refused) \|", README, re.MULTILINE))
PROMPTS = ["Once upon a time, in a town by the sea", "A", "The first rule"]


def texts_of(root, size, sampling, prompts=PROMPTS, **settings):
    engine = Engine(Config("redis://", "key", root, (size,), "anna", device="cpu", dtype="float32", **settings))
    asked = [Sequence(prompt, prompt, 0, number, sampling) for number, prompt in enumerate(prompts)]
    steps = list(engine.generate(size, asked, lambda _: False))
    return {text.key: text for step in steps for text in step.texts}, engine


def test_table_names_every_family():
    assert list(TABLE) == list(families.FAMILIES)


@pytest.mark.parametrize("family", families.FAMILIES)
def test_run_a_family_as_the_table_says_and_write_what_transformers_writes(tmp_path, family):
    found = families.look_at(family, tmp_path)
    assert found.how == TABLE[family]

    size, folder = f"{family}/tiny", tmp_path / family / "tiny"
    written, engine = texts_of(tmp_path, size, Sampling(12, temperature=0))
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for prompt in PROMPTS:
        given = tokenizer(prompt, return_tensors="pt").input_ids
        settings = {"attention_mask": torch.ones_like(given), "max_new_tokens": 12, "do_sample": False}
        whole = model.generate(given, **settings, use_cache=False)[0]  # some models keep a text's state for the next
        new = [token for token in whole[given.shape[1] :].tolist() if token != 256]
        assert written[prompt].text == tokenizer.decode(new), prompt
    assert engine.plain() == ((size,) if found.how == "plain" else ())


def test_write_the_same_on_the_plain_path_whatever_the_batch(tmp_path):
    families.look_at("lfm2", tmp_path)
    sampling = Sampling(12, logprobs=2)
    together, _ = texts_of(tmp_path, "lfm2/tiny", sampling)

    alone, _ = texts_of(tmp_path, "lfm2/tiny", sampling, batch_rows=1)
    assert alone == together
    assert not any(text.error for text in together.values())


def test_forget_on_the_plain_path_what_has_ended(tmp_path):
    families.look_at("mamba", tmp_path)
    _, engine = texts_of(tmp_path, "mamba/tiny", Sampling(4))

    [batch] = engine._memory._held.values()
    until(lambda: not batch._runner._caches)


def test_refuse_prompts_beyond_the_context_in_which_a_neighbour_changes_nothing(tmp_path):
    """Longrope takes other frequencies for the whole pass once one of its rows is longer."""
    families.look_at("phi3", tmp_path)
    sampling = Sampling(8, temperature=0)
    alone, _ = texts_of(tmp_path, "phi3/tiny", sampling)
    long = "x" * 60

    beside, _ = texts_of(tmp_path, "phi3/tiny", sampling, [*PROMPTS, long])

    assert "phi3/tiny takes at most 64 on worker anna" in beside.pop(long).error
    assert beside == alone


@pytest.fixture
def llama(tmp_path):
    families.save("llama", tmp_path)
    return AutoModelForCausalLM.from_pretrained(tmp_path, attn_implementation="eager").eval()


def faulty(monkeypatch, change):
    """Have the engine's attention compute something else."""
    attend = attention.ForwardPass.attend
    monkeypatch.setattr(attention.ForwardPass, "attend", lambda *given: change(attend(*given)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "change", [lambda out: out * 1.3, lambda out: out.roll(1, 0), lambda out: out * torch.nan, lambda out: 1 / 0]
)
def test_attention_that_computes_something_else_is_not_used(monkeypatch, llama, dtype, change):
    faulty(monkeypatch, change)
    assert backends.choose(llama.to(dtype)).plain


def test_attention_that_computes_the_same_is_used(llama):
    assert not backends.choose(llama).plain


def test_model_that_neither_path_computes_is_refused_at_load(tmp_path, monkeypatch):
    """As where its code and its cache do not go together."""
    expected = selfcheck.reference
    monkeypatch.setattr(selfcheck, "reference", lambda model: [-logits for logits in expected(model)])

    found = families.look_at("llama", tmp_path)

    assert found.how == "refused"
    assert "Its attention: Logits after 43 tokens differ" in found.why
    assert "With transformers' own cache: Logits after 43 tokens differ" in found.why


def test_model_that_transformers_cannot_run_is_refused_at_load(tmp_path, monkeypatch):
    def fails(model):
        raise RuntimeError("no\nkernel")

    families.look_at("llama", tmp_path)
    monkeypatch.setattr(selfcheck, "reference", fails)
    with pytest.raises(CheckpointError, match=r"The engine cannot run llama/tiny: RuntimeError: no kernel"):
        loading.load(tmp_path / "llama" / "tiny", "cpu", "float32")


@pytest.mark.parametrize(
    ("details", "why"),
    [
        ({"layer_types": ["full_attention", "chunked_attention"]}, "It has layers of the type chunked_attention."),
        ({"rope_parameters": {"rope_type": "spiral"}}, "Its rotary embedding is of the type spiral."),
    ],
)
def test_unknown_kinds_of_layers_and_positions_are_not_for_the_engines_attention(llama, details, why):
    for name, value in details.items():
        setattr(llama.config, name, value)
    with pytest.raises(selfcheck.Difference) as refusal:
        selfcheck.check_config(llama.config)
    assert str(refusal.value) == why


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"s_aux": torch.ones(1)}, "Its attention takes s_aux, which the engine's does not."),
        ({"softcap": 50.0}, "Its attention takes softcap, which the engine's does not."),
        ({"is_causal": False}, "Its tokens see those that follow them."),
        ({"sliding_window": 8}, "It does not say to its attention how far back a layer sees."),
        ({"forward_pass": None}, ""),
    ],
)
def test_what_a_layer_asks_of_its_attention_is_done_or_refused(llama, given, why):
    layer = llama.model.layers[0].self_attn
    sight = attention.KVCache(llama, 1, 8)
    given = {"forward_pass": attention.ForwardPass(sight, (), ())} | {
        name: held for name, held in given.items() if held is not None
    }
    query, key = torch.zeros(1, 4, 2, 16), torch.zeros(1, 2, 2, 16)

    if not why:
        assert attention._attend(layer, query, key, key, None, **given)[0].shape == (1, 2, 4, 16)
        return
    with pytest.raises(NotImplementedError) as refusal:
        attention._attend(layer, query, key, key, None, **given)
    assert str(refusal.value) == why


def test_keys_of_another_size_than_the_configuration_names_are_refused(llama):
    key = torch.zeros(1, 2, 2, 8)  # two heads of eight numbers; the configuration says sixteen
    sight = attention.ForwardPass(attention.KVCache(llama, 1, 8), (), ())
    with pytest.raises(NotImplementedError, match="not of the size that its configuration names"):
        attention._attend(llama.model.layers[0].self_attn, torch.zeros(1, 4, 2, 8), key, key, None, forward_pass=sight)


class WrongFrom:
    """Runs rows right, but for those of a prompt of one length."""

    def __init__(self, runner, prompt_tokens):
        self._runner, self._prompt_tokens = runner, prompt_tokens

    def run(self, scheduled):
        logits = self._runner.run(scheduled).clone()
        for place, row in enumerate(scheduled.decode):
            if len(row.prompt) == self._prompt_tokens:
                logits[place] = -logits[place]
        return logits


@pytest.mark.parametrize("prompt_tokens", [1, 10, 39])
def test_row_that_is_wrong_by_its_length_alone_is_seen(llama, prompt_tokens):
    """A prompt of one token needs no prefill: some code is wrong for it alone."""
    expected = selfcheck.reference(llama)
    selfcheck.compare(llama, runners.TransformersRunner(llama), expected)
    with pytest.raises(selfcheck.Difference, match=f"Logits after {prompt_tokens + 4} tokens differ"):
        selfcheck.compare(llama, WrongFrom(runners.TransformersRunner(llama), prompt_tokens), expected)


def test_load_says_in_the_log_why_a_family_is_slow(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "inference.loading"):
        families.look_at("bloom", tmp_path)
    assert "bloom/tiny runs on the plain path, which is slower: Its code has an attention of its own." in caplog.text
