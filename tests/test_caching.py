"""What is for one person is kept by no browser and no proxy on the way."""

from copy import deepcopy

import pytest
from django.test import Client

from . import test_routes
from .tables import undone
from .test_routes import ROLES, ROWS, send

pytestmark = pytest.mark.slow
clients, world = test_routes.clients, test_routes.world
KEPT = "private, no-store"
PUBLIC = {"home", "health", "releases:family", "releases:size", "agreements:version", "agreements:text"}
FOR_ONE = ("api-1:", "account_", "partners:accept", "partners:tokens")


def test_every_route_is_kept_by_nobody_where_it_is_for_one_person(clients, world):
    wrong = []
    for row in ROWS:
        for role in ROLES:
            client = clients[role]
            cookies = deepcopy(client.cookies)
            with undone():
                response = send(client, row, world)
            client.cookies = cookies
            told = response.get("Cache-Control")
            if told != KEPT and (role != "zoe" or row.route.startswith(FOR_ONE)):
                wrong.append(f"{row} {role}: {told}")
            if told == KEPT and role == "zoe" and row.route in PUBLIC:
                wrong.append(f"{row} is public")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", ["/api/v1/me", "/api/v1/nowhere", "/accounts/login/", "/accounts/nowhere/"])
def test_refusal_before_anybody_is_known_is_kept_by_nobody(db, path):
    assert Client().get(path, HTTP_HOST="evil.example")["Cache-Control"] == KEPT
    assert Client().get(path)["Cache-Control"] == KEPT


@pytest.mark.parametrize("path", ["/", "/nowhere/", "/static/style.css"])
def test_public_page_is_as_it_was(db, path):
    assert Client().get(path).get("Cache-Control") != KEPT
