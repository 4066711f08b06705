"""What arrives unsealed, or sealed by another key, is not read."""

import pytest
from cryptography.fernet import Fernet

from inference.contract import Hello, Report, WorkOrder
from inference.seal import Seal, SealError

ORDER = WorkOrder("order-1", 1, "gpt2/124M", ())


@pytest.fixture
def seal():
    return Seal(Fernet.generate_key().decode())


def test_open_what_was_closed(seal):
    assert seal.open(WorkOrder, seal.close(ORDER)) == ORDER


@pytest.mark.parametrize("forge", [lambda sealed: sealed[:-4] + "AAA=", lambda sealed: "not sealed"])
def test_refuse_a_forged_message(seal, forge):
    with pytest.raises(SealError, match="not sealed with this worker's key"):
        seal.open(WorkOrder, forge(seal.close(ORDER)))


def test_refuse_a_message_under_another_key(seal):
    with pytest.raises(SealError, match="not sealed"):
        seal.open(WorkOrder, Seal(Fernet.generate_key().decode()).close(ORDER))


def test_refuse_a_message_of_another_kind(seal):
    with pytest.raises(SealError, match="cannot be read: TypeError"):
        seal.open(Report, seal.close(Hello("worker-1", "here", "cpu", "float32", ())))
