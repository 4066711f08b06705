"""A query written once and asked many times."""

import pytest
from django.db.models import F, Value

from release_portal.lib.prepared import Prepared
from release_portal.partners.models import Role

MARKS = {"code": "-code-", "permissions": "-permission-"}


@pytest.fixture
def prepared(db) -> Prepared:
    rows = Role.objects.filter(code="-code-", permissions__contains=["-permission-"])
    return Prepared.of(rows.values(name=F("title"), same=Value(7)), MARKS)


def test_row_answers_for_what_is_told(prepared, django_assert_num_queries):
    with django_assert_num_queries(2):
        assert prepared.row({"code": "owner", "permissions": "partner.read"}) == {"name": "Owner", "same": 7}
        assert prepared.row({"code": "viewer", "permissions": "partner.read"}) == {"name": "Viewer", "same": 7}


def test_row_that_is_not_there_is_an_error(prepared):
    with pytest.raises(LookupError, match="no row"):
        prepared.row({"code": "owner", "permissions": "book.read"})


def test_mark_that_the_query_does_not_have_is_an_error(db):
    with pytest.raises(ValueError, match="never asks for permissions"):
        Prepared.of(Role.objects.filter(code="-code-").values("title"), MARKS)
