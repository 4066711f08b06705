"""Servers that are not vLLM: whatever shape an answer has, one text is lost at the most, and none is written twice."""

import asyncio
import itertools
import json

import pytest
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse

from inference import contract, remote, stream
from inference.checkpoints import CheckpointError
from inference.contract import Report, Sampling, Sequence
from inference.engine import EngineAway
from inference.remote import ServerError
from tests.inference.servers import SIZE, StandIn, fault
from tests.patience import PATIENCE, until

pytestmark = pytest.mark.slow

COUNTS = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
HALVES = ("\ud83d", "\ude00")
DONE = "data: [DONE]\n\n"


@pytest.fixture(scope="module")
def shared():
    server = StandIn()
    yield server
    server.stop()


@pytest.fixture
def server(shared):
    shared.answers.clear()
    shared.requests.clear()
    shared.by_prompt, shared.listing = {}, None
    return shared


@pytest.fixture(autouse=True)
def once(monkeypatch):
    monkeypatch.setattr(remote, "RETRIES", 0)


def some_sequences(count, **asked):
    return [Sequence(str(n), f"Once {n}", 3, n, Sampling(**{"max_new_tokens": 20} | asked)) for n in range(count)]


def texts_of(engine, sequences):
    steps = engine.generate(SIZE, sequences, lambda group: False)
    return {text.key: text for step in steps for text in step.texts}


def piece(text, reason=None, **more):
    return {"choices": [{"index": 0, "text": text, "finish_reason": reason} | more]}


def streamed(*events):
    """A stream of these events; a string is sent as it is."""
    lines = (event if isinstance(event, str) else f"data: {json.dumps(event)}\n\n" for event in events)
    return Response("".join(lines), media_type="text/event-stream")


def ended(reason):
    return streamed(piece(" a"), piece(" b"), piece(" c"), piece(" d", reason), {"choices": [], "usage": COUNTS}, DONE)


def counted(usage):
    return streamed(piece(" a"), piece(" b"), piece(" c"), piece(" d", "stop"), {"choices": [], "usage": usage}, DONE)


WHOLE = {
    **{f"ends with {reason!r}": ended(reason) for reason in ("stop", "eos_token", "end_turn", "stop_sequence", "STOP")},
    **{f"ends with {reason!r}": ended(reason) for reason in ("tool_calls", "gone fishing", 7, {"type": "eos"})},
    **{f"counts {usage!r}": counted(usage) for usage in (None, {}, [], "four", 4, {"completion_tokens": None})},
    **{
        f"counts {tokens!r} tokens": counted({"prompt_tokens": tokens, "completion_tokens": tokens})
        for tokens in (-1, 0, 2**40, float("nan"), float("inf"), "many", [4], 21)
    },
    "never says why it ends": ended(None),
    "never says that it ends": streamed(piece(" a b c d", "stop")),
    "says neither but counts": streamed(piece(" a b"), piece(" c d"), {"choices": [], "usage": COUNTS}),
    "says why it ends in every piece": streamed(piece(" a b", "stop"), piece(" c d", "stop"), DONE),
    "ends with a text of null": streamed(piece(" a b"), piece(" c d"), piece(None, "stop"), DONE),
    "ends without a text": streamed(piece(" a b c d"), {"choices": [{"finish_reason": "stop"}]}, DONE),
    "has choices of null": streamed({"choices": None}, piece(" a b c d"), {"choices": None, "usage": COUNTS}, DONE),
    "has no choices": streamed({"choices": []}, {}, piece(" a b c d", "stop"), DONE),
    "has choices of another kind": streamed(
        {"choices": {"0": 1}}, {"choices": [7, None]}, piece(" a b c d", "stop"), DONE
    ),
    "has fields and ids of its own": streamed(
        {"id": 7, "created": "now", "mood": {"cheerful": True}} | piece(" a b c d", "stop", provider=[]), DONE
    ),
    "has events that are no objects": streamed(
        "data: 7\n\n", "data: null\n\n", "data: []\n\n", piece(" a b c d", "stop"), DONE
    ),
    "keeps the connection alive": streamed(": ping\n\n", "event: ping\ndata: \n\n", piece(" a b c d", "stop"), DONE),
    "writes another alternative too": streamed(piece(" a b"), piece(" x", index=1), piece(" c d", "stop"), DONE),
    "breaks its lines as Windows does": Response(f"data: {json.dumps(piece(' a b c d', 'stop'))}\r\n\r\n{DONE}"),
    "leaves out empty lines": Response(f"data: {json.dumps(piece(' a b c d', 'stop'))}\ndata: [DONE]\n"),
    "does not stream": JSONResponse(piece(" a b c d", "stop") | {"usage": COUNTS}),
    "does not stream and calls it HTML": HTMLResponse(json.dumps(piece(" a b c d", "stop"), indent=1)),
    "streams and calls it JSON": Response(
        f"data: {json.dumps(piece(' a b c d', 'stop'))}", media_type="application/json"
    ),
    "does not stream and says little": JSONResponse({"choices": [{"text": " a b c d"}]}),
    "tells of an error after the end": streamed(
        piece(" a b c d", "stop"), {"error": {"code": 400, "message": "Late."}}
    ),
    "sends rubbish after the end": streamed(piece(" a b c d", "stop"), "data: {rubbish\n\n"),
    "leaves the stop string in": streamed(piece(" a b c d#"), piece("#x", "stop"), DONE),
}


@pytest.mark.parametrize("answer", WHOLE.values(), ids=WHOLE)
def test_take_a_text_from_a_server_that(server, answer):
    server.by_prompt["Once 0"] = lambda: answer

    texts = texts_of(server.engine(), some_sequences(2, stop=("##",)))

    assert (texts["0"].text, texts["0"].finish_reason, texts["0"].error) == (" a b c d", "stop", "")
    assert 1 <= texts["0"].tokens <= 4
    assert texts["0"].prompt_tokens in (0, 3, 4, 21)
    assert len(server.requests) == 2, "a text that came to its end was asked for again"


@pytest.mark.parametrize("reason", ["length", "max_tokens", "max_new_tokens", "MAX_TOKENS"])
def test_tell_a_text_that_was_cut_by_its_length(server, reason):
    server.answers.append(ended(reason))

    [text] = texts_of(server.engine(), some_sequences(1)).values()

    assert text.finish_reason == "length"


def test_count_what_came_where_the_server_does_not_count(server):
    server.answers.extend([streamed(*[piece(" a")] * 7, piece(" a", "stop"), DONE), streamed(*[piece(" a")] * 21)])

    texts = texts_of(server.engine(batch_rows=1), some_sequences(2))

    assert [(text.tokens, text.finish_reason) for text in texts.values()] == [(8, "stop"), (20, "length")]


def test_count_a_long_piece_for_several_tokens_but_never_more_than_were_asked(server):
    server.answers.extend([streamed(piece("x" * 80, "stop")), streamed(piece("x" * 800, "stop"))])

    texts = texts_of(server.engine(batch_rows=1), some_sequences(2))

    assert [text.tokens for text in texts.values()] == [10, 20]


@pytest.mark.parametrize("reason", ["content_filter", "safety", "refusal"])
def test_refuse_a_text_that_the_server_filtered(server, reason):
    server.by_prompt["Once 0"] = lambda: ended(reason)

    texts = texts_of(server.engine(), some_sequences(2))

    assert (texts["0"].text, texts["0"].finish_reason, texts["0"].tokens) == ("", "refused", 0)
    assert texts["0"].error == f"The server's filter ended this text (it says '{reason}')."
    assert texts["1"].finish_reason == "length"
    assert len(server.requests) == 2


LOGPROBS = {
    "none": (None, 0),
    "of another kind": ([7], 0),
    "without any field": ({}, 0),
    "without likeliest tokens": ({"tokens": [" a", " b"], "token_logprobs": [-1, -2.5], "top_logprobs": None}, 2),
    "of different lengths": ({"tokens": [" a", " b", " c"], "token_logprobs": [-1.0, -2], "top_logprobs": [{}]}, 2),
    "null at the first place": (
        {"tokens": [" a", " b"], "token_logprobs": [None, -2.0], "top_logprobs": [None, {}]},
        1,
    ),
    "that are no numbers": ({"tokens": [1, 2], "token_logprobs": ["x", float("nan")], "top_logprobs": [7, 8]}, 0),
    "of tokens by number": ({"tokens": [1, 2], "token_logprobs": [-1, -2], "top_logprobs": [{"a": "b"}, {"c": -1}]}, 2),
    "without end": ({"tokens": [" a"] * 99, "token_logprobs": [-1.0] * 99, "top_logprobs": [{"a": -1.0}] * 99}, 20),
}


@pytest.mark.parametrize(("given", "count"), LOGPROBS.values(), ids=LOGPROBS)
def test_take_a_text_with_logprobs(server, given, count):
    server.answers.append(streamed(piece(" a b c d", "stop", logprobs=given), DONE))

    [text] = texts_of(server.engine(), some_sequences(1, logprobs=2)).values()

    assert (text.text, len(text.logprobs)) == (" a b c d", count)
    assert all(isinstance(one.token, str) and isinstance(one.logprob, float) for one in text.logprobs)


def endless(events, pause=0.0):
    async def body():
        for event in events:
            yield event
            await asyncio.sleep(pause)

    return StreamingResponse(body(), media_type="text/event-stream")


def written_for_ever(text):
    return endless(itertools.repeat(f"data: {json.dumps(piece(text) | {'about': 'x' * 4_000})}\n\n"))


LOST = {
    "an HTML page": (lambda: HTMLResponse("<h1>Welcome</h1>"), 3, "broke off a text of gpt2/124M 3 times"),
    "rubbish": (lambda: streamed("data: {rubbish\n\n"), 3, "broke off a text"),
    "JSON that is none": (lambda: Response("{rubbish", media_type="application/json"), 3, "broke off a text"),
    "nothing": (lambda: Response(""), 3, "broke off a text"),
    "nothing but done": (lambda: streamed(DONE), 3, "broke off a text"),
    "no choices at all": (lambda: streamed({"choices": None}, {"choices": []}, DONE), 3, "broke off a text"),
    "bytes that are no text": (lambda: Response(b'data: {"choices": "\xff\xfe"}\n\n'), 3, "broke off a text"),
    "an abyss": (lambda: streamed("data: " + "[" * 100_000 + "\n\n"), 3, "broke off a text"),
    "a text that is a number": (lambda: streamed(piece(7, "stop"), DONE), 3, "broke off a text"),
    "half a text": (lambda: streamed(piece(" a"), piece(" b")), 3, "broke off a text"),
    "an aborted text": (lambda: ended("abort"), 3, "broke off a text"),
    "an error of its own": (
        lambda: streamed({"error": {"message": "Out of memory.", "code": 500}}),
        3,
        "broke",
    ),
    "an error in words": (lambda: streamed(piece(" a"), {"error": "It fell over."}), 3, "broke off a text"),
    "compressed": (lambda: Response(b"\x1f\x8b\x08", headers={"content-encoding": "gzip"}), 3, "broke off a text"),
    "5 MB": (
        lambda: streamed(piece("x" * 5_000_000, "stop"), DONE),
        1,
        "wrote 5,000,000 characters for at most 20 tokens",
    ),
    "a text without end": (lambda: written_for_ever("x" * 100), 1, "characters for at most 20 tokens"),
    "nothing without end": (lambda: written_for_ever(""), 1, "sent more than 1 MiB"),
    "a line without end": (lambda: endless(itertools.repeat("data: " + "x" * 5_000)), 1, "sent more than 1 MiB"),
    "an error without end": (lambda: StreamingResponse(itertools.repeat(b"x" * 5_000), 500), 1, "sent more than 1 MiB"),
    "500": (lambda: fault(500, "It fell over."), 1, "answered 500 to worker anna"),
    "403": (lambda: fault(403, "This prompt is flagged."), 1, "does not take the key of worker anna (it answered 403)"),
}


@pytest.mark.parametrize(("answer", "requests", "why"), LOST.values(), ids=LOST)
def test_lose_one_text_at_the_most_to_a_server_that_sends(server, monkeypatch, answer, requests, why):
    monkeypatch.setattr(stream, "MOST_BYTES", 2**20 if "MiB" in why else stream.MOST_BYTES)
    server.by_prompt["Once 1"] = answer

    texts = texts_of(server.engine(), some_sequences(4))

    lost = texts.pop("1")
    assert (lost.text, lost.finish_reason, lost.tokens) == ("", "refused", 0)
    assert why in lost.error
    assert [text.finish_reason for text in texts.values()] == ["length"] * 3
    assert len(server.requests) == 3 + requests


@pytest.mark.parametrize(("answer", "why"), [(one[0], one[2]) for one in (LOST["an HTML page"], LOST["500"])])
def test_let_another_worker_try_where_the_server_writes_no_text_at_all(server, answer, why):
    server.by_prompt = {f"Once {number}": answer for number in range(3)}

    with pytest.raises(ServerError, match=why):
        texts_of(server.engine(), some_sequences(3))


def test_tell_the_operator_where_the_server_lets_no_text_through(server):
    server.by_prompt = {f"Once {number}": LOST["403"][0] for number in range(3)}

    with pytest.raises(CheckpointError, match="does not take the key of worker anna"):
        texts_of(server.engine(), some_sequences(3))


def test_lose_a_text_where_the_server_only_says_that_it_is_still_there(server, monkeypatch):
    """The time is long enough for the other text on any machine: the server says so little that it keeps none busy."""
    monkeypatch.setattr(remote, "LONGEST_SECONDS", 5)
    server.by_prompt["Once 1"] = lambda: endless(itertools.repeat(": ping\n\n"), pause=0.05)

    texts = texts_of(server.engine(), some_sequences(2))

    assert "did not end a text within" in texts["1"].error
    assert texts["0"].finish_reason == "length"


@pytest.mark.parametrize("end", [piece(" d", "stop"), DONE])
def test_keep_a_text_after_whose_end_the_server_goes_on(server, monkeypatch, end):
    monkeypatch.setattr(remote, "AFTERWARDS_SECONDS", 0.2)
    line = end if end is DONE else f"data: {json.dumps(end)}\n\n"
    beginning = [f"data: {json.dumps(piece(' a b c'))}\n\n", line]
    server.answers.append(endless(itertools.chain(beginning, itertools.repeat(": ping\n\n"))))

    [text] = texts_of(server.engine(), some_sequences(1)).values()

    assert (text.text.strip(" d"), text.finish_reason) == ("a b c", "stop")
    assert len(server.requests) == 1


def test_lose_a_text_for_which_the_server_closes_the_connection(server):
    server.by_prompt["Once 1"] = lambda: Response(b"", headers={"content-length": "no number"})

    texts = texts_of(server.engine(), some_sequences(2))

    assert "closed the connection to worker anna without an answer" in texts["1"].error
    assert texts["0"].finish_reason == "length"


WORDS = {
    "as OpenAI does": (JSONResponse({"error": {"message": "Too long."}}, 400), "Too long."),
    "as FastAPI does": (JSONResponse({"detail": [{"msg": "Too long."}]}, 422), "[{'msg': 'Too long.'}]"),
    "in an error that is a string": (JSONResponse({"error": "Too long."}, 400), "Too long."),
    "in a message that is an object": (JSONResponse({"message": {"error": {"detail": "Too long."}}}, 400), "Too long."),
    "in a list": (JSONResponse(["Too long."], 413), "['Too long.']"),
    "in plain words": (Response("Too\nlong.", 400), "Too long."),
    "not at all": (Response("", 400), "nothing"),
    "with half a character": (Response(b'{"error": {"message": "\\ud83d\\u0000!"}}', 400), "\ufffd\ufffd!"),
    "in a code that is an object": (JSONResponse({"error": {"message": "Too long.", "code": {}}}, 400), "Too long."),
}


@pytest.mark.parametrize(("answer", "words"), WORDS.values(), ids=WORDS)
def test_pass_on_what_the_server_says_against_a_text(server, answer, words):
    server.answers.append(answer)

    [text] = texts_of(server.engine(), some_sequences(1)).values()

    assert (text.finish_reason, text.error) == ("refused", f"The server refused this text: {words}")


def test_pass_on_only_the_beginning_of_a_long_speech(server):
    server.answers.append(HTMLResponse("blah " * 100_000, 400))

    [text] = texts_of(server.engine(), some_sequences(1)).values()

    assert len(text.error) < 400


@pytest.mark.parametrize("after", ["soon", "-1", "nan", "0", "99999999999999999999", "Thu, 99 Foo 2026"])
def test_hand_the_order_back_whatever_the_server_says_about_when_to_come_again(server, after):
    server.answers.append(fault(429, "Not now.", **{"retry-after": after}))

    with pytest.raises(EngineAway, match="answers 429"):
        texts_of(server.engine(), some_sequences(1))


LISTINGS = {
    "as OpenAI does": JSONResponse({"object": "list", "data": [{"id": "other"}, {"id": "7"}]}),
    "by numbers": JSONResponse({"data": [{"id": 7}]}),
    "under models": JSONResponse({"models": [{"name": "7"}], "data": None}),
    "by names": JSONResponse({"data": ["7", None, [], {"id": {}}]}),
    "in a list": JSONResponse([{"id": "7"}]),
}
NO_LISTINGS = {
    "an HTML page": HTMLResponse("<h1>Welcome</h1>"),
    "a number": JSONResponse(7),
    "null": JSONResponse(None),
    "data that is no list": JSONResponse({"data": {"id": "7"}}),
    "rubbish": Response("{rubbish", media_type="application/json"),
    "no page": Response("", 404),
    "too much": JSONResponse(["x" * 2**20] * 20),
}


@pytest.mark.parametrize("listing", LISTINGS.values(), ids=LISTINGS)
def test_read_which_models_the_server_serves(server, listing):
    server.listing = listing
    engine = server.engine(server_models={SIZE: "7"})

    until(lambda: engine.loaded() == (SIZE,))


@pytest.mark.parametrize("listing", NO_LISTINGS.values(), ids=NO_LISTINGS)
def test_go_on_where_the_server_does_not_say_what_it_serves(server, listing, caplog):
    server.listing = listing
    engine = server.engine()

    asyncio.run_coroutine_threadsafe(engine._look(), engine._loop).result(PATIENCE)

    assert engine.loaded() == ()
    assert engine.sizes() == (SIZE,)
    assert len(caplog.text) < 2000
    assert len(texts_of(engine, some_sequences(1))) == 1


@pytest.mark.parametrize("pieces", [("a", *HALVES, "b"), ("a", HALVES[0], "b\0"), (*HALVES[::-1], "")])
def test_send_a_report_that_can_be_stored_whatever_the_server_writes(server, pieces):
    likeliest = {"tokens": list(pieces), "token_logprobs": [-1.0] * 3, "top_logprobs": [{HALVES[1]: float("-inf")}]}
    server.answers.append(streamed(*map(piece, pieces), piece("", "stop", logprobs=likeliest), DONE))

    [text] = texts_of(server.engine(), some_sequences(1, logprobs=2)).values()
    report = Report("order", 1, "anna\0", texts=(text,), error=HALVES[0])
    sent = json.dumps(contract.to_wire(report), ensure_ascii=False, allow_nan=False)

    sent.encode()
    assert "\\u0000" not in sent
    assert (
        contract.from_wire(Report, json.loads(sent)).texts[0].text
        == {
            4: "a😀b",
            3: "\ufffd\ufffd" if pieces[0] == HALVES[1] else "a\ufffdb\ufffd",
        }[len(pieces)]
    )


def test_refuse_what_no_server_is_to_be_asked(server):
    texts = texts_of(server.engine(), [*some_sequences(1), Sequence("bad", f"Once {HALVES[0]}", 3, 0, Sampling(20))])

    assert texts["bad"].error == "A prompt holds a null character or half a character, which no text has."
    assert texts["0"].finish_reason == "length"
    assert len(server.requests) == 1
