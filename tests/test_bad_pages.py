"""What no text and no number is, sent to every page: in its address, its query, the fields of its forms, its headers.

Which fields a page has is what it asks the request for.
"""

from collections.abc import Iterator
from itertools import cycle, islice

import pytest
from django.http import QueryDict
from django.urls import reverse
from django.utils.http import urlencode

from . import test_bad_input, test_routes
from .test_bad_input import IN_ADDRESSES, LONG, ODD_HEADERS, actor_of, addresses_of
from .test_routes import ROWS, Row

pytestmark = pytest.mark.slow
clients, world, undone = test_routes.clients, test_routes.world, test_bad_input.undone
PAGES = [row for row in ROWS if not row.route.startswith("api-1:") and "405" not in row.expected.values()]
"""Where a method is not answered, nothing is read."""
VALUES = {name: IN_ADDRESSES[name] for name in ("a null character", "10^30", "-1", "a digit that is no number", "1 MB")}


@pytest.fixture
def asked(monkeypatch) -> set[str]:
    """The names of fields that a page asks for, in the query or in what is posted."""
    names: set[str] = set()

    def noting(original):
        def read(self, key, *rest):
            names.add(key)
            return original(self, key, *rest)

        return read

    for method in ("__getitem__", "__contains__", "get", "getlist"):
        monkeypatch.setattr(QueryDict, method, noting(getattr(QueryDict, method)), raising=False)
    return names


def path_of(row: Row, world: dict) -> str:
    return reverse(row.route, kwargs=world["address"].get(row.route))


def wrong_fields(fields: list[str]) -> Iterator[dict[str, str]]:
    """Every short value in all fields at once, and in each field alone one of the values in turn: what stands in one
    field may keep a page from looking at another."""
    for value in VALUES.values():
        if value != LONG:
            yield dict.fromkeys(fields, value)
    for field, value in zip(fields, cycle(VALUES.values()), strict=False):
        yield {field: value}


def test_fields_of_every_page_are_read_or_refused(clients, world, undone, asked):
    wrong, sent = [], 0
    for row in PAGES:
        client, path = actor_of(row, clients), path_of(row, world)
        asked.clear()
        undone(client, test_routes.send, row, world)
        for fields in wrong_fields(sorted(asked - {"csrfmiddlewaretoken"} | {"q", "page"})):
            changed = {"path": f"{path}?{urlencode(fields)}"} if row.method == "GET" else {"fields": fields}
            response = undone(client, test_routes.send, row, world, **changed)
            sent += 1
            if response.status_code >= 500:
                wrong.append(f"{row} {', '.join(fields)[:80]} {next(iter(fields.values()))[:10]!r}")
    assert sent > 500
    assert not wrong, "\n".join(wrong)


def test_arguments_and_headers_of_every_page_are_read_or_refused(clients, world, undone):
    wrong, odd_headers = [], cycle(ODD_HEADERS)
    for row in PAGES:
        client, path = actor_of(row, clients), path_of(row, world)
        for address in addresses_of(row, path, world, VALUES.values()):
            response = undone(client, test_routes.send, row, world, path=address)
            if response.status_code >= 500:
                wrong.append(f"{row} {address[:80]}: {response.status_code}")
        for headers in islice(odd_headers, 3):
            response = undone(client, type(client).generic, row.method, path, headers=headers)
            if response.status_code >= 500:
                wrong.append(f"{row} {str(headers)[:60]}: {response.status_code}")
    assert not wrong, "\n".join(wrong)
