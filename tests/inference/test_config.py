"""A worker's settings, and what it says when they are incomplete."""

from pathlib import Path

import pytest

from inference.config import ConfigError, from_environment
from inference.contract import broker_url

COMPLETE = {
    "REDIS_URL": "redis://broker:6379/0",
    "WORKER_KEY": "secret",
    "WEIGHTS_ROOT": "/weights",
    "SIZES": "gpt2/124M, gpt2/355M",
}


def test_read_a_complete_environment():
    config = from_environment(COMPLETE | {"WORKER_NAME": "anna", "BATCH_ROWS": "4", "DEVICE": "cpu"})

    assert config.sizes == ("gpt2/124M", "gpt2/355M")
    assert (config.weights_root, config.worker, config.batch_rows) == (Path("/weights"), "anna", 4)
    assert (config.chosen_device(), config.dtype) == ("cpu", "float32")


def test_name_every_missing_variable():
    with pytest.raises(ConfigError, match=r"not set: WORKER_KEY, SIZES\."):
        from_environment(COMPLETE | {"WORKER_KEY": "", "SIZES": ""})


def test_hide_the_key_from_logs():
    assert "secret" not in repr(from_environment(COMPLETE))


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
