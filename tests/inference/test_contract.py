"""Messages survive the wire, and either side may be newer."""

import json
import math

import pytest

from inference import contract
from inference.contract import Heartbeat, Report, Sampling, Sequence, Text, TokenLogprob, WorkOrder, clean


def over_the_wire(message):
    return json.loads(json.dumps(contract.to_wire(message)))


def test_keep_every_field_of_a_nested_order():
    sequences = (Sequence("a", "Once", 7, 0, Sampling(8, 0.5, 40, 0.9)), Sequence("b", "Ünïcode", 7, 1, Sampling(4)))
    order = WorkOrder("order-1", 3, "gpt2/124M", sequences)

    assert contract.from_wire(WorkOrder, over_the_wire(order)) == order


def test_keep_every_field_of_a_report():
    report = Report("order-1", 3, "worker-1", 12, (Text("a", "upon", 1, 1, "stop"),), ended=True, checkpoint="abc")

    assert contract.from_wire(Report, over_the_wire(report)) == report


def test_ignore_fields_of_a_newer_sender():
    wire = over_the_wire(Report("order-1", 3, "worker-1", texts=(Text("a", "upon", 1, 1, "stop"),)))
    wire["mood"] = "cheerful"
    wire["texts"][0]["font"] = "serif"

    assert contract.from_wire(Report, wire).texts[0].text == "upon"


def test_fill_fields_of_an_older_sender():
    wire = {"worker": "worker-1", "host": "here", "device": "cpu", "dtype": "float32", "sizes": ["gpt2/124M"]}

    assert contract.from_wire(Heartbeat, wire).leaving is False


def test_refuse_a_message_without_a_required_field():
    with pytest.raises(TypeError, match="token"):
        contract.from_wire(Report, {"order": "order-1", "worker": "worker-1"})


def test_no_workers_keys_begin_anothers():
    assert contract.orders_of("anna") == "worker:anna:orders"
    assert not contract.notices_of("anna.b").startswith(contract.keys_of("anna"))


@pytest.mark.parametrize(
    ("kind", "wire"),
    [
        (Text, {"key": "a", "text": "b", "prompt_tokens": 1, "tokens": float("nan"), "finish_reason": "stop"}),
        (Text, {"key": "a", "text": "b", "prompt_tokens": 1, "tokens": True, "finish_reason": "stop"}),
        (Text, {"key": "a", "text": None, "prompt_tokens": 1, "tokens": 1, "finish_reason": "stop"}),
        (Text, {"key": 3, "text": "b", "prompt_tokens": 1, "tokens": 1, "finish_reason": "stop"}),
        (Sampling, {"max_new_tokens": 8, "temperature": float("inf")}),
        (Sampling, {"max_new_tokens": 8, "temperature": "1"}),
        (Sampling, {"max_new_tokens": 8, "stop": "abc"}),
        (Sampling, {"max_new_tokens": 8, "logprobs": "1"}),
        (Heartbeat, []),
        (Heartbeat, None),
    ],
)
def test_refuse_a_field_of_another_type(kind, wire):
    with pytest.raises(TypeError):
        contract.from_wire(kind, wire)


def test_take_a_whole_number_for_a_float_and_nothing_for_what_may_be_none():
    assert contract.from_wire(Sampling, {"max_new_tokens": 8, "temperature": 1, "logprobs": None}) == Sampling(8)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("Ünïcode 語 😀\n", "Ünïcode 語 😀\n"),
        ("a\ud83d", "a\ufffd"),
        ("\ude00\ud83db", "\ufffd\ufffdb"),
        ("\ud83d\ud83d\ude00", "\ufffd😀"),
        ("a\0b", "a\ufffdb"),
    ],
)
def test_send_only_strings_that_can_be_stored_from_a_worker(written, kept):
    """Every string of every message, whichever fields it has."""
    logprob = TokenLogprob(written, math.nan, ((written, -math.inf),))
    text = Text(written, written, 1, 1, "stop", error=written, logprobs=(logprob,))
    report = Report(written, 3, written, 12, (text,), error=written, checkpoint=written, groups=(written,))
    heartbeat = Heartbeat(written, written, written, written, (written,), (written,), loaded=(written,))

    for message, strings in ((report, 10), (heartbeat, 7)):
        sent = json.dumps(contract.to_wire(message), ensure_ascii=False, allow_nan=False)
        assert sent.encode()
        assert sent.count(json.dumps(kept, ensure_ascii=False)) == strings
    assert clean(written) == kept


def test_send_an_order_as_it_is():
    order = WorkOrder("order-1", 3, "gpt2/124M", (Sequence("a", "Once\0", 7, 0, Sampling(8)),))

    assert contract.from_wire(WorkOrder, over_the_wire(order)) == order
