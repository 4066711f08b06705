"""What arrives unsealed, sealed by another key, too late or a second time is not read."""

import json

import pytest
from cryptography.fernet import Fernet

from inference.contract import MESSAGE_SECONDS, Heartbeat, Report, Stop, WorkOrder
from inference.seal import Once, Seal, SealError

ORDER = WorkOrder("order-1", 1, "gpt2/124M", ())
KEY = Fernet.generate_key()


@pytest.fixture
def seal():
    return Seal(KEY.decode())


def sealed_at(moment, message=ORDER):
    inside = {"kind": type(message).__name__, "message": {"id": "order-1", "token": 1, "size": "s", "sequences": []}}
    return Fernet(KEY).encrypt_at_time(json.dumps(inside).encode(), moment).decode()


@pytest.mark.parametrize(
    "message", [ORDER, Stop("order-1", 1, "group"), Heartbeat("anna", "here", "cpu", "float32", ())]
)
def test_open_what_was_closed(seal, message):
    assert seal.open(seal.close(message)).read(type(message)) == message


@pytest.mark.parametrize("forge", [lambda sealed: sealed[:-4] + "AAA=", lambda sealed: "not sealed", lambda sealed: ""])
def test_refuse_a_forged_message(seal, forge):
    with pytest.raises(SealError, match="not sealed with this key"):
        seal.open(forge(seal.close(ORDER)))


def test_refuse_a_message_under_another_key(seal):
    with pytest.raises(SealError, match="not sealed with this key"):
        seal.open(Seal(Fernet.generate_key().decode()).close(ORDER))


def test_refuse_a_message_of_another_kind(seal):
    with pytest.raises(SealError, match="of another kind"):
        seal.open(seal.close(Heartbeat("anna", "here", "cpu", "float32", ()))).read(Report)


@pytest.mark.parametrize("inside", [b"", b"{", b"[]", b"null", b'{"kind": 1}', b"[" * 100_000])
def test_refuse_what_is_sealed_and_no_message(seal, inside):
    with pytest.raises(SealError, match="cannot be read"):
        seal.open(Fernet(KEY).encrypt(inside))


def test_refuse_a_message_that_is_old(seal):
    assert seal.open(sealed_at(1_000), at=1_000 + MESSAGE_SECONDS).read(WorkOrder).id == "order-1"
    with pytest.raises(SealError, match="too old"):
        seal.open(sealed_at(1_000), at=1_001 + MESSAGE_SECONDS)


def test_refuse_a_message_from_the_future(seal):
    assert seal.open(sealed_at(1_060), at=1_000)
    with pytest.raises(SealError, match="ahead"):
        seal.open(sealed_at(1_061), at=1_000)


def test_refuse_a_message_that_was_read_before_however_it_is_spelt(seal):
    once, sealed = Once(), seal.close(ORDER)
    once.check(seal.open(sealed))
    once.check(seal.open(seal.close(ORDER)))
    for again in (sealed, sealed[:40] + "\n" + sealed[40:]):
        with pytest.raises(SealError, match="read before"):
            once.check(seal.open(again))
