"""What no text and no number is, sent to every operation and field of the API: refused in JSON with the field's name,
never a 500. The operations come from the OpenAPI document, what is sent besides from the table of routes."""

import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from itertools import cycle, islice, product
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.urls import resolve, reverse

from . import tables, test_routes
from .test_routes import ROLES, ROWS, Row

pytestmark = pytest.mark.slow
clients, world = test_routes.clients, test_routes.world

LONG = "x" * 2**20
LONGEST_LINE = 2**16
NEVER = {
    "a null character": '"a\\u0000b"',
    "half a character": '"a\\ud800b"',
    "NaN": "NaN",
    "1e400": "1e400",
    "5,000 digits": "9" * 5_000,
}
"""Values, as a body writes them, that no field takes."""
ODD = {
    "10^30": "1" + "0" * 30,
    "-1": "-1",
    "null": "null",
    "empty": '""',
    "abc": '"abc"',
    "1 MB": f'"{LONG}"',
}
"""Values that some fields take."""
OTHER_TYPES = ["true", "[]", "{}", "1.5", "-Infinity"]
"""What only some fields are sent, in turn."""
NESTED = ["[" * 30 + "]" * 30, "[" * 990 + "]" * 990, '{"a":' * 50_000 + "1" + "}" * 50_000]
IN_ADDRESSES = {
    "a null character": "a\0b",
    "10^30": "1" + "0" * 30,
    "-1": "-1",
    "abc": "abc",
    "nan": "nan",
    "1e400": "1e400",
    "5,000 digits": "9" * 5_000,
    "a digit that is no number": "²",
    "empty": "",
    "1 MB": LONG,
}
ODD_HEADERS = [
    *({"Idempotency-Key": value, "Range": value, "If-Range": value, "Referer": value, "Accept": value}
      for value in ("a\0b", "bytes=" + "9" * 5_000 + "-", "bytes=-1", "k" * 60_000, "javascript:alert(1)", "\xff")),
    {"Authorization": "Bearer a\0b"},
    {"Content-Type": "application/json; charset=utf-7"},
    {"Content-Type": "text/plain; charset=rot13"},
    {"Cookie": 'sessionid="aaaaaaaa\\000"; csrftoken="\\000"; messages="\\000"'},
]  # fmt: skip

DONE = {"200", "201", "204", "302"}
Place = tuple[str | int, ...]


def actor_of(row: Row, clients: dict) -> Any:
    """Somebody whom the table lets do it, or whose right is not what is missing."""
    role = min(ROLES, key=lambda role: (row.expected[role] not in DONE, row.expected[role] != "409"))
    return test_routes.client_for(row, clients[role])


def addresses_of(row: Row, path: str, world: dict, values: Iterable[str]) -> Iterator[str]:
    """The address of a row with each of its arguments replaced by what is none; no server hands on a longer line."""
    parts = path.split("/")
    for given in world["address"].get(row.route, {}).values():
        for value in values:
            yield "/".join(quote(value[:LONGEST_LINE]) if part == str(given) else part for part in parts)


@pytest.fixture
def undone(clients, monkeypatch) -> Callable:
    """Sends something as a client, and takes back what it changed. The log, which tells of each refusal, is off."""
    for name in ("django.request", "django.security.DisallowedRedirect"):
        monkeypatch.setattr(logging.getLogger(name), "disabled", True)
    for client in clients.values():
        client.raise_request_exception = False

    def sent(client, call, *arguments, **named):
        cookies = deepcopy(client.cookies)
        with tables.undone():
            response = call(client, *arguments, **named)
        client.cookies = cookies
        return response

    return sent


def problem_with(response, *, place: Place | None = None) -> str:
    """Why an answer of the API is none that a program can use; `place`: what it must refuse."""
    if response.status_code >= 500:
        return f"it is a {response.status_code}"
    if response.status_code == 204:
        return ""
    kind = "application/json" if response.status_code < 400 else "application/problem+json"
    if response["content-type"].partition(";")[0] != kind:
        return f"{response.status_code} as {response['content-type']}"
    constants: list[str] = []
    answer = json.loads(response.content, parse_constant=constants.append)
    if constants:
        return f"{constants[0]} is not JSON"
    if response.status_code >= 400 and len(response.content) > 10_000:
        return f"{response.status_code} repeats {len(response.content):,} characters"
    if place is not None and (response.status_code != 422 or answer.get("field") not in names_of(place)):
        return f"{response.status_code} does not name the field: {response.content[:200]!r}"
    return ""


def names_of(place: Place) -> set[str]:
    """What an answer may call a place: itself, or the list that it is in."""
    names = [str(part) for part in place]
    return {".".join(names) or "body"} | ({".".join(names[:-1])} if place and place[-1] == 0 else set())


def operations(world: dict, client) -> list[tuple[Row, str, dict, dict]]:
    """Each operation of the OpenAPI document: its row in the table of routes, its path, its description, and all
    schemas."""
    document = client.get(reverse("api-1:openapi-json")).json()
    described = {
        (method.upper(), path): one for path, each in document["paths"].items() for method, one in each.items()
    }
    found = []
    for row in ROWS:
        if row.route.startswith("api-1:"):
            path = reverse(row.route, kwargs=world["address"].get(row.route))
            template = "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", resolve(path).route)
            if operation := described.pop((row.method, template), None):
                found.append((row, path, operation, document["components"]["schemas"]))
    assert not described, "an operation has no row in the table of routes"
    return found


def body_of(operation: dict, kind: str = "application/json") -> dict:
    """The schema of what an operation takes, empty where it takes nothing of the kind."""
    return operation.get("requestBody", {}).get("content", {}).get(kind, {}).get("schema", {})


def query_of(operation: dict) -> dict[str, dict]:
    return {one["name"]: one["schema"] for one in operation.get("parameters", []) if one["in"] == "query"}


def places_of(schema: dict, schemas: dict, place: Place = ()) -> Iterator[tuple[Place, dict]]:
    """Each field of a body, with its schema: the body itself, what it has, what these have."""
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    one_of = [one for one in schema.get("anyOf", []) + schema.get("allOf", []) if one.get("type") != "null"]
    if len(one_of) == 1:
        schema = {**schema, **one_of[0]}
        schema = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    yield place, schema
    for name, inner in schema.get("properties", {}).items():
        yield from places_of(inner, schemas, (*place, name))
    if "items" in schema:
        yield from places_of(schema["items"], schemas, (*place, 0))


def with_value(body: Any, place: Place, value: Any) -> Any:
    """The body with another value at a place."""
    if not place:
        return value
    key, *rest = place
    if isinstance(key, int):
        inner = body[0] if isinstance(body, list) and body else None
        return [with_value(inner, tuple(rest), value)]
    body = body if isinstance(body, dict) else {}
    return body | {key: with_value(body.get(key), tuple(rest), value)}


def send_json(client, row: Row, path: str, body: Any, raw: str):
    """The body, with `raw` where it says @."""
    text = json.dumps(body, default=str).replace('"@"', raw)
    return client.generic(row.method, path, text, content_type="application/json")


def texts_for(schema: dict) -> dict[str, str]:
    """A text as long as the field says that it takes."""
    longest = schema.get("maxLength", 0)
    return {"the longest text": json.dumps("x" * longest)} if longest else {}


def test_body_of_every_operation_is_read_or_refused_by_field(clients, world, undone):
    wrong, sent, types = [], 0, cycle(OTHER_TYPES)
    for row, path, operation, schemas in operations(world, clients["zoe"]):
        client, valid = actor_of(row, clients), world["sent"].get(row.route, {})
        for place, schema in places_of(body_of(operation), schemas) if body_of(operation) else ():
            body = with_value(valid, place, "@")
            for name, raw in (NEVER | ODD | {"another type": next(types)} | texts_for(schema)).items():
                response = undone(client, send_json, row, path, body, raw)
                too_long = name == "1 MB" and schema.get("type") == "string"
                sent += 1
                problem = problem_with(response, place=place if name in NEVER or too_long else None)
                if problem or (too_long and "maxLength" in schema and not response.json()["limit"]):
                    wrong.append(f"{row} {'.'.join(map(str, place))} {name}: {problem or 'names no limit'}")
        for nested in NESTED if body_of(operation) else ():
            response = undone(client, send_json, row, path, "@", nested)
            if problem := problem_with(response, place=()):
                wrong.append(f"{row} {nested[:5]}: {problem}")
    assert sent > 1_000
    assert not wrong, "\n".join(wrong)


def test_query_and_form_of_every_operation_are_read_or_refused_by_field(clients, world, undone):
    wrong = []
    for row, path, operation, schemas in operations(world, clients["zoe"]):
        client, form = actor_of(row, clients), body_of(operation, "multipart/form-data")
        fields = [str(place[0]) for place, _ in places_of(form, schemas) if place]
        for field, (name, value) in product([*query_of(operation), *fields], IN_ADDRESSES.items()):
            address = f"{path}?{urlencode({field: value})}" if field in query_of(operation) else path
            sent = {field: value} if field in fields else {}
            response = undone(client, test_routes.send, row, world, path=address, fields=sent)
            is_refused = name == "a null character" and field != "file"
            if problem := problem_with(response, place=(field,) if is_refused else None):
                wrong.append(f"{row} {field} {name}: {problem}")
    assert not wrong, "\n".join(wrong)


def test_name_that_no_operation_knows_is_refused_with_the_nearest_that_it_does(clients, world, undone):
    """In every object of a body, in forms and in addresses: misspelt, a limit would be none."""
    wrong, sent = [], 0
    for row, path, operation, schemas in operations(world, clients["zoe"]):
        client, valid = actor_of(row, clients), world["sent"].get(row.route, {})
        form = body_of(operation, "multipart/form-data")
        asked = [(place, list(schema["properties"])[-1])
                 for place, schema in places_of(body_of(operation), schemas) if "properties" in schema]  # fmt: skip
        for place, near in asked:
            name = (*place, f"{near}x")
            response = undone(client, send_json, row, path, with_value(valid, name, "@"), "1")
            wrong += unless_named(response, row, ".".join(map(str, name)), near)
        for near in list(query_of(operation))[-1:]:
            response = undone(client, test_routes.send, row, world, path=f"{path}?{near}x=1")
            wrong += unless_named(response, row, f"{near}x", near)
        for near in [str(place[0]) for place, _ in places_of(form, schemas) if place and place[0] != "file"][-1:]:
            response = undone(client, test_routes.send, row, world, path=path, fields={f"{near}x": "1"})
            wrong += unless_named(response, row, f"{near}x", near)
        sent += len(asked)
    assert sent > 20
    assert not wrong, "\n".join(wrong)


def unless_named(response, row: Row, field: str, near: str) -> list[str]:
    """Nothing where an answer refuses the field and names the one that is meant."""
    answer = response.json()
    if response.status_code == 422 and answer["field"] == field and f"did you mean “{near}”?" in answer["detail"]:
        return []
    return [f"{row} {field}: {response.status_code} {str(answer)[:200]}"]


def test_arguments_and_headers_of_every_operation_are_read_or_refused(clients, world, undone):
    wrong, odd_headers = [], cycle(ODD_HEADERS)
    for row, path, _, _ in operations(world, clients["zoe"]):
        client = actor_of(row, clients)
        for address in addresses_of(row, path, world, IN_ADDRESSES.values()):
            if problem := problem_with(undone(client, test_routes.send, row, world, path=address)):
                wrong.append(f"{row} {address[:80]}: {problem}")
        for headers in islice(odd_headers, 3):
            sent = {"content_type": "application/json", "headers": headers}
            response = undone(client, type(client).generic, row.method, path, "{}", **sent)
            if problem := problem_with(response):
                wrong.append(f"{row} {str(headers)[:60]} {problem}")
    assert not wrong, "\n".join(wrong)


def test_every_text_and_list_that_the_api_takes_has_a_limit(client):
    document = client.get(reverse("api-1:openapi-json")).json()
    unlimited = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            taken = [((name,), schema) for name, schema in query_of(operation).items()]
            for kind in ("application/json", "multipart/form-data"):
                taken.append(((), body_of(operation, kind)))
            for place, schema in taken:
                for inner, found in places_of(schema, document["components"]["schemas"], place):
                    if needs_limit(found):
                        unlimited.append(f"{method} {path} {inner}")
    assert not unlimited


def needs_limit(schema: dict) -> bool:
    known = {"enum", "const", "format", "maxLength", "maxItems"}
    return schema.get("type") in {"string", "array"} and not known & set(schema)
