"""A worker's settings, and what it says when they are incomplete."""

import os
from pathlib import Path

import pytest
import torch

from inference import config as config_module
from inference import packing
from inference.config import ConfigError, from_environment
from inference.contract import broker_url

COMPLETE = {
    "REDIS_URL": "redis://broker:6379/0",
    "WORKER_NAME": "anna",
    "WORKER_KEY": "secret",
    "WEIGHTS_ROOT": "/weights",
    "SIZES": "gpt2/124M, gpt2/355M",
}


def test_read_a_complete_environment():
    config = from_environment(COMPLETE | {"WORKER_NAME": "anna", "BATCH_ROWS": "4", "DEVICE": "cpu"})

    assert config.sizes == ("gpt2/124M", "gpt2/355M")
    assert (config.weights_root, config.worker, config.batch_rows) == (Path("/weights"), "anna", 4)
    assert config.chosen_device() == "cpu"


def test_choose_the_dtype_by_measuring_where_none_is_named(monkeypatch):
    monkeypatch.setattr(packing, "can_pack", lambda dtype: True)
    monkeypatch.setattr(packing, "_seconds", {torch.bfloat16: 1.0, torch.float32: 2.0}.get)
    assert from_environment(COMPLETE | {"DEVICE": "cpu"}).chosen_dtype() == "bfloat16"
    monkeypatch.setattr(packing, "_seconds", {torch.bfloat16: 1.9, torch.float32: 2.0}.get)
    assert from_environment(COMPLETE | {"DEVICE": "cpu", "WORKER_NAME": "bert"}).chosen_dtype() == "float32"
    assert from_environment(COMPLETE | {"DTYPE": "bfloat16"}).chosen_dtype() == "bfloat16"


def test_find_a_dtype_on_this_machine():
    assert packing.fastest_dtype("cpu") in ("bfloat16", "float32")


def test_take_most_of_the_memory_where_nothing_is_said(monkeypatch):
    monkeypatch.setattr(config_module, "CONTAINER_LIMITS", ())
    everything = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")

    assert 0.5 * everything < from_environment(COMPLETE | {"DEVICE": "cpu"}).memory_bytes() < everything
    assert from_environment(COMPLETE | {"MEMORY_GIB": "1.5"}).memory_bytes() == 1.5 * 2**30


@pytest.mark.parametrize(("told", "part"), [("1073741824\n", 0.7), ("max\n", None)])
def test_take_no_more_than_the_container_may_use(monkeypatch, tmp_path, told, part):
    limit = tmp_path / "memory.max"
    limit.write_text(told)
    monkeypatch.setattr(config_module, "CONTAINER_LIMITS", (limit, tmp_path / "is-not-there"))

    taken = from_environment(COMPLETE | {"DEVICE": "cpu"}).memory_bytes()

    everything = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert taken == int(part * 2**30 if part else 0.7 * everything)


def test_name_every_missing_variable():
    with pytest.raises(ConfigError, match=r"not set: WORKER_KEY, SIZES\."):
        from_environment(COMPLETE | {"WORKER_KEY": "", "SIZES": ""})


def test_hide_the_key_from_logs():
    assert "secret" not in repr(from_environment(COMPLETE))


def test_ask_a_server_where_one_is_named():
    given = {**COMPLETE, "WEIGHTS_ROOT": "", "SERVER_URL": "http://127.0.0.1:8001/v1/", "SERVER_KEY": "open-sesame"}

    config = from_environment(given | {"SERVER_MODELS": "gpt2/124M=openai-community/gpt2"})

    assert config.server_url == "http://127.0.0.1:8001/v1"
    assert [config.model_of(size) for size in config.sizes] == ["openai-community/gpt2", "gpt2/355M"]
    assert "open-sesame" not in repr(config)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("SERVER_URL", "127.0.0.1:8001/v1", "such as http://127.0.0.1:8001/v1, not '127.0.0.1:8001/v1'"),
        ("SERVER_URL", "http:///v1", "not 'http:///v1'"),
        ("SERVER_URL", "http://host:port/v1", "not 'http://host:port/v1'"),
        ("SERVER_URL", "http://name:word@host/v1", "SERVER_URL holds an @"),
        ("SERVER_KEY", "word\n", "SERVER_KEY has a space, a line break"),
        ("SERVER_MODELS", "gpt2/124M", "this part is not: 'gpt2/124M'"),
        ("SERVER_MODELS", "gpt2/355M=", "this part is not: 'gpt2/355M='"),
        ("SERVER_MODELS", "gpt2/1M=tiny", "the size gpt2/1M, which is not among SIZES: gpt2/124M, gpt2/355M"),
    ],
)
def test_say_what_is_wrong_about_the_server(name, value, sentence):
    with pytest.raises(ConfigError) as raised:
        from_environment(COMPLETE | {"SERVER_URL": "http://127.0.0.1:8001/v1", name: value})

    assert sentence in str(raised.value)
    assert "word" not in str(raised.value)


@pytest.mark.parametrize(
    ("given", "celery"),
    [
        ("redis://:word@broker:6379/1", "redis://:word@broker:6379/1"),
        ("rediss://broker/0", "rediss://broker/0?ssl_cert_reqs=required"),
        ("rediss://broker/0?ssl_cert_reqs=none", "rediss://broker/0?ssl_cert_reqs=none"),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock?virtual_host=0"),
        ("unix:///run/redis.sock?db=2", "redis+socket:///run/redis.sock?virtual_host=2"),
    ],
)
def test_spell_the_broker_as_celery_does(given, celery):
    assert broker_url(given) == celery
