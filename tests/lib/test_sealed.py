import pytest
from cryptography.fernet import Fernet

from inference.contract import Report, Text, from_wire, to_wire
from inference.seal import Seal
from release_portal.lib.sealed import BrokenSeal, seal, unseal


def test_unseal_gives_back_what_was_sealed():
    message = {"prompt": "Once upon a time – ünïcode", "numbers": [1, 2.5, None]}
    assert unseal(seal(message)) == message


def test_seal_hides_the_text():
    assert "Once upon" not in seal({"prompt": "Once upon a time"})


def test_unseal_refuses_another_key():
    with pytest.raises(BrokenSeal):
        unseal(Fernet(Fernet.generate_key()).encrypt(b"{}").decode())


def test_unseal_refuses_a_changed_message():
    sealed = seal({"order": "1"})
    changed = sealed[:40] + ("A" if sealed[40] != "A" else "B") + sealed[41:]
    with pytest.raises(BrokenSeal):
        unseal(changed)


def test_site_and_worker_open_each_others_messages(settings):
    report = Report("order", 3, "worker-1", texts=(Text("1", "text", 1, 2, "stop"),), ended=True)
    assert from_wire(Report, unseal(Seal(settings.WORKER_KEY).close(report))) == report
    assert Seal(settings.WORKER_KEY).open(Report, seal(to_wire(report))) == report
