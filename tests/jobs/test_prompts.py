import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_portal.jobs.limits import checked_prompts
from release_portal.jobs.prompts import read_prompts as read_lines
from release_portal.lib.states import Refused

BOM = b"\xef\xbb\xbf"


def read_prompts(name, content):
    return [prompt.text for prompt in read_lines(name, io.BytesIO(content))]


@pytest.mark.parametrize(
    ("name", "content", "prompts"),
    [
        ("a.txt", b"one\ntwo\n", ["one", "two"]),
        ("a.txt", b"one\n\n  \ntwo", ["one", "two"]),
        ("A.TXT", b"one", ["one"]),
        ("a.txt", BOM + b"one\ntwo", ["one", "two"]),
        ("a.txt", b"one\r\ntwo\r\n", ["one", "two"]),
        ("a.txt", b"  kept as typed  \n", ["  kept as typed  "]),
        ("a.txt", "Grüße\u2028dort\n".encode(), ["Grüße\u2028dort"]),
        ("a.jsonl", b'{"prompt": "one"}\n{"prompt": "two", "id": 2}\n', ["one", "two"]),
        ("a.jsonl", BOM + b'{"prompt": "one"}\r\n', ["one"]),
        ("a.jsonl", b'{"prompt": "two\\nlines"}', ["two\nlines"]),
        ("a.b.jsonl", b'{"prompt": "one"}', ["one"]),
    ],
)
def test_file_is_read(name, content, prompts):
    assert read_prompts(name, content) == prompts


@pytest.mark.parametrize(
    ("name", "content", "sentence", "given"),
    [
        ("a.txt", b"one\ntw\xff\n", "“a.txt” is not UTF-8: line 2 has a byte", 2),
        ("a.jsonl", b'{"prompt": "one"}\n\n{"prompt": "\xe9"}\n', "“a.jsonl” is not UTF-8: line 3 has a byte", 3),
        ("a.jsonl", b'{"prompt": "one"}\nnot json\n', "Line 2 of “a.jsonl” is not JSON.", 2),
        ("a.jsonl", b'\n\n{"prompt": "one"\n', "Line 3 of “a.jsonl” is not JSON.", 3),
        ("a.jsonl", b'"one"\n', "Line 1 of “a.jsonl” is not a JSON object with a text under “prompt”.", 1),
        ("a.jsonl", b'{"text": "one"}', "Line 1 of “a.jsonl” is not a JSON object with a text", 1),
        ("a.jsonl", b'{"prompt": 1}', "Line 1 of “a.jsonl” is not a JSON object with a text", 1),
        ("a.jsonl", b'{"prompt": null}', "Line 1 of “a.jsonl” is not a JSON object with a text", 1),
        ("a.jsonl", b'{"prompt": "one", "n": NaN}', "Line 1 of “a.jsonl” is not JSON.", 1),
        ("a.jsonl", b'{"prompt": "one", "n": 1e999}', "Line 1 of “a.jsonl” holds a number beyond every number.", 1),
        ("a.jsonl", b'{"prompt": "one", "a": ["\\u0000"]}', "Line 1 of “a.jsonl” holds a null character.", 1),
        ("a.jsonl", b'{"prompt": "one", "a\\ud800": 1}', "Line 1 of “a.jsonl” holds half a character.", 1),
        ("a.txt", b"one\rtwo\rthree", "Line 1 of “a.txt” has a carriage return within it.", 1),
        ("a.jsonl", b'["prompt"]', "Line 1 of “a.jsonl” is not a JSON object with a text", 1),
        ("a.csv", b"one", "“a.csv” is neither .txt", "a.csv"),
        ("", b"one", "“” is neither .txt", ""),
        ("a.txt", b"", "“a.txt” has no prompts.", "a.txt"),
        ("a.jsonl", BOM + b" \n\r\n", "“a.jsonl” has no prompts.", "a.jsonl"),
    ],
)
def test_file_that_cannot_be_read_says_where(name, content, sentence, given):
    with pytest.raises(Refused) as refused:
        read_prompts(name, content)
    assert refused.value.sentence.startswith(sentence)
    assert (refused.value.field, refused.value.given) == ("file", given)


def test_what_else_stands_in_a_line_is_kept_and_errors_name_the_line():
    content = b'\n{"prompt": "one", "custom_id": "a-1", "tags": ["x"]}\n\n{"prompt": "two"}'
    first, second = read_lines("a.jsonl", io.BytesIO(content))
    assert (first.text, first.fields) == ("one", {"custom_id": "a-1", "tags": ["x"]})
    assert (second.fields, second.label) == ({}, "The prompt in line 4 of “a.jsonl”")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ({"prompt": " "}, "The prompt in line 3 of “a.jsonl” is empty."),
        ({"prompt": "x" * 20_001}, "The prompt in line 3 of “a.jsonl” has 20,001 characters; a prompt takes at most"),
        (
            {"prompt": "x", "a": "b" * 4_000},
            "What stands beside the prompt in line 3 of “a.jsonl” has 4,009",
        ),
    ],
)
def test_prompt_of_a_file_that_is_refused_is_named_by_its_line(line, sentence):
    content = b'{"prompt": "one"}\n\n' + json.dumps(line).encode()
    with pytest.raises(Refused) as refused:
        list(checked_prompts(read_lines("a.jsonl", io.BytesIO(content))))
    assert refused.value.sentence.startswith(sentence)
    assert refused.value.field == "file"


def test_json_nested_too_deep_is_said_to_be_no_json():
    with pytest.raises(Refused, match="Line 1 of “a.jsonl”"):
        read_prompts("a.jsonl", b"[" * 100_000)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])).filter(str.strip), min_size=1))
def test_every_prompt_survives_jsonl(prompts):
    content = "\n".join(json.dumps({"prompt": prompt}) for prompt in prompts).encode()
    assert read_prompts("a.jsonl", content) == prompts


@given(st.binary(max_size=200), st.sampled_from(["a.txt", "a.jsonl"]))
def test_no_bytes_at_all_break_the_reader(content, name):
    try:
        prompts = read_prompts(name, content)
    except Refused as refused:
        assert refused.sentence
    else:
        assert prompts
        assert all(prompt.strip() for prompt in prompts if name == "a.txt")
