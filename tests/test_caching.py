"""What is refused before anybody is known is kept by nobody, and what is public may be kept.

`test_routes.py` asks each route of every person.
"""

import pytest
from django.test import Client

from .test_routes import KEPT_BY_NOBODY


@pytest.mark.parametrize("path", ["/api/v1/me", "/api/v1/nowhere", "/accounts/login/", "/accounts/nowhere/"])
def test_refusal_before_anybody_is_known_is_kept_by_nobody(db, path):
    assert Client().get(path, HTTP_HOST="evil.example")["Cache-Control"] == KEPT_BY_NOBODY
    assert Client().get(path)["Cache-Control"] == KEPT_BY_NOBODY


@pytest.mark.parametrize("path", ["/", "/nowhere/", "/static/style.css"])
def test_public_page_is_as_it_was(db, path):
    assert Client().get(path).get("Cache-Control") != KEPT_BY_NOBODY
