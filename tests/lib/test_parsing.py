"""What the API reads, and what it writes."""

import json
import math

import pytest
from django.http import QueryDict
from django.test import RequestFactory

from release_portal.lib.parsing import DEEPEST, StrictParser
from release_portal.lib.rendering import written
from release_portal.lib.states import Refused


def parse(text: str | bytes):
    return StrictParser().parse_body(RequestFactory().generic("POST", "/", text))


def test_body_is_read_as_json():
    body = {"a": [1, -2.5, "ü", None, True], "b": {"c": "\n"}, "large": 10**30}
    assert parse(json.dumps(body)) == body


@pytest.mark.parametrize(
    ("text", "field", "sentence"),
    [
        ('{"a": "x\\u0000"}', "a", "“a” contains a null character, which no text has."),
        ('{"a": ["", "\\ud800"]}', "a.1", "“a.1” contains half a character, which no text has."),
        ('{"\\u0000": 1}', "body", "“body” contains a null character, which no text has."),
        ('{"a": {"b": NaN}}', "a.b", "“a.b” is NaN, which is no number."),
        ('{"a": -Infinity}', "a", "“a” is -Infinity, which is no number."),
        ('{"a": 1e400}', "a", "“a” is 1e400, which is beyond every number."),
        ('{"a": %s}' % ("9" * 5_000), "a", "“a” is a number of 5,000 digits; a number takes at most 40."),
        ("[" * 99_999, "body", "The body is nested too deeply; it takes at most 20 lists and objects within"),
        ("[" * 21 + "1" + "]" * 21, "body", "The body is nested too deeply"),
        ('{"a":}', "body", "The body is not JSON: Expecting value at line 1, column 6."),
        (b'{"a": "\xff"}', "body", "The body is not UTF-8: byte 8"),
    ],
)  # fmt: skip
def test_body_that_is_none_is_refused_by_its_field(text, field, sentence):
    with pytest.raises(Refused) as refused:
        parse(text)
    assert refused.value.field == field
    assert refused.value.sentence.startswith(sentence)


def test_body_may_be_as_deep_as_the_limit():
    assert parse("[" * DEEPEST + "]" * DEEPEST)


def test_query_with_what_no_text_has_is_refused_by_its_field():
    with pytest.raises(Refused, match="“q” contains a null character") as refused:
        StrictParser().parse_querydict(QueryDict("status=a&q=b&q=%00"), [], RequestFactory().get("/"))
    assert refused.value.field == "q"


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_answer_never_has_a_number_that_is_none(number):
    assert json.loads(written({"a": [1.5, number]}), parse_constant=pytest.fail) == {"a": [1.5, None]}
