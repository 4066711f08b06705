"""A worker's settings, and what it says when they are incomplete."""

from pathlib import Path

import pytest

from inference import config as config_module
from inference import packing
from inference.config import ConfigError, from_environment
from inference.contract import broker_url

GIB = 2**30
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


def test_take_the_dtype_that_is_named_or_the_fastest(monkeypatch):
    monkeypatch.setattr(packing, "fastest_dtype", {"cpu": "bfloat16"}.get)
    assert worker("fast").chosen_dtype() == "bfloat16"
    assert worker("named", DTYPE="float32").chosen_dtype() == "float32"


@pytest.fixture
def memory(monkeypatch, tmp_path):
    """A machine of 16 GiB, 8 of them free, and no container."""
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(f"MemTotal: {16 * 2**20} kB\nMemFree: 9 kB\nMemAvailable: {8 * 2**20} kB\nHugePages_Total: 0\n")
    monkeypatch.setattr(config_module, "MEMORY", meminfo)
    monkeypatch.setattr(config_module, "CONTAINERS", ())
    return tmp_path


def worker(name, **fields):
    return from_environment(COMPLETE | {"DEVICE": "cpu", "WORKER_NAME": name} | fields)


def test_take_most_of_the_memory_that_is_free_and_a_part_of_it_for_keys_and_values(memory):
    config = worker("of-16-gib")
    assert config.memory_bytes() == int(0.7 * 8 * GIB)
    assert config.cached_bytes() == 4 * GIB


def test_take_the_memory_that_is_named(memory):
    config = worker("named", MEMORY_GIB="12")
    assert config.memory_bytes() == config.cached_bytes() == 12 * GIB


def test_keep_the_budget_once_a_worker_holds_a_part_of_it_itself(memory):
    config = worker("begun")
    begun = config.memory_bytes()
    (memory / "meminfo").write_text("MemAvailable: 1 kB\n")
    assert config.memory_bytes() == begun


@pytest.mark.parametrize(("limit", "used", "free"), [(f"{2 * GIB}\n", GIB, GIB), ("max\n", GIB, 8 * GIB)])
@pytest.mark.parametrize("name", ["anon", "total_rss"])
def test_take_no_more_than_the_container_has_left(memory, monkeypatch, name, limit, used, free):
    (memory / "memory.max").write_text(limit)
    (memory / "memory.stat").write_text(f"{name} {used}\nfile 7\n")
    monkeypatch.setattr(config_module, "CONTAINERS", ((memory / "memory.max", name), (memory / "none", "anon")))

    assert worker(f"{name}-of-{free}").memory_bytes() == int(0.7 * free)


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
