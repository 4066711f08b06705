"""How the API reads what programs send: one parser in front of every schema, so that none can forget to look.

What no text and no number is, is refused with the name of its field: a null character, half a character, NaN, Infinity,
a number beyond every limit, a body that is nested too deeply. A body of too many values is refused before any of them
is made: in memory each takes tens of times what it takes on the wire.
"""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.http import HttpRequest
from django.utils.datastructures import MultiValueDict
from ninja.parser import Parser

from .states import Refused
from .text import flaw_of, shortened

DEEPEST = 20  # lists and objects within each other
LONGEST_NUMBER = 40  # digits
MOST_VALUES = 100_000
"""Texts, numbers, lists and objects of one body: twice the prompts that a job takes."""
UP_TO_A_SIGN = re.compile(rb'(?:"(?:[^"\\]++|\\.)*+"?|[^",\[{]++)*+(?:[,\[{]|\Z)', re.DOTALL)
"""A body up to its next comma or opening bracket outside of texts. It always matches, so nothing is looked at twice."""


@dataclass(frozen=True)
class _Unreadable:
    """A number of the body that is none. It stands where the number stood until its place is known."""

    sentence: str


LOOKED_AT = (str, dict, list, _Unreadable)


class StrictParser(Parser):
    """ninja's parser, which takes only what JSON, texts and numbers can be."""

    def parse_body(self, request: HttpRequest) -> Any:
        body = _loaded(request.body)
        _check(body)
        return body

    def parse_querydict(
        self, data: MultiValueDict[str, Any], list_fields: list[str], request: HttpRequest
    ) -> dict[str, Any]:
        for name, values in data.lists():
            for value in values:
                _check_text(value, name)
        return super().parse_querydict(data, list_fields, request)


def _loaded(content: bytes) -> Any:
    _count_values(content)
    try:
        return json.loads(content, parse_constant=_constant, parse_float=_float, parse_int=_int)
    except json.JSONDecodeError as error:
        sentence = f"The body is not JSON: {error.msg} at line {error.lineno:,}, column {error.colno:,}."
        raise Refused(sentence, field="body") from None
    except UnicodeDecodeError as error:
        raise Refused(f"The body is not UTF-8: byte {error.start + 1:,} is none of it.", field="body") from None
    except RecursionError:
        raise _too_deep() from None


def _count_values(content: bytes) -> None:
    """Raise Refused for a body of more than MOST_VALUES: each but the first stands behind a comma or in a bracket."""
    found = sum(1 for _ in islice(UP_TO_A_SIGN.finditer(content), MOST_VALUES + 1))
    if found > MOST_VALUES:
        raise Refused(f"The body takes at most {MOST_VALUES:,} values; this has more.", field="body", limit=MOST_VALUES)


def _constant(name: str) -> _Unreadable:
    return _Unreadable(f"is {name}, which is no number")


def _float(text: str) -> float | _Unreadable:
    number = float(text)
    return number if math.isfinite(number) else _Unreadable(f"is {shortened(text, 40)}, which is beyond every number")


def _int(text: str) -> int | _Unreadable:
    digits = len(text.removeprefix("-"))
    if digits > LONGEST_NUMBER:
        return _Unreadable(f"is a number of {digits:,} digits; a number takes at most {LONGEST_NUMBER}")
    return int(text)


def _check(body: Any) -> None:
    """Look at everything in a body that can be wrong, however it is nested."""
    waiting = [((), body)]
    while waiting:
        place, value = waiting.pop()
        field = ".".join(place) or "body"
        if isinstance(value, _Unreadable):
            raise Refused(f"“{field}” {value.sentence}.", field=field)
        if isinstance(value, str):
            _check_text(value, field)
        elif isinstance(value, dict | list):
            if len(place) >= DEEPEST:
                raise _too_deep()
            waiting.extend(_inside(value, place))


def _inside(value: dict[str, Any] | list[Any], place: tuple[str, ...]) -> Iterator[tuple[Any, Any]]:
    """What is looked at of a list or an object, and where it stands."""
    if isinstance(value, list):
        yield from (((*place, str(number)), one) for number, one in enumerate(value) if isinstance(one, LOOKED_AT))
        return
    for key, one in value.items():
        name = shortened(key, 40)
        _check_text(name, ".".join(place) or "body")
        if isinstance(one, LOOKED_AT):
            yield (*place, name), one


def _check_text(text: object, field: str) -> None:
    if isinstance(text, str) and (flaw := flaw_of(text)):
        raise Refused(f"“{field}” contains {flaw}, which no text has.", field=field)


def _too_deep() -> Refused:
    sentence = f"The body is nested too deeply; it takes at most {DEEPEST} lists and objects within each other."
    return Refused(sentence, field="body", limit=DEEPEST)
