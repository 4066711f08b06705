"""A query written once and asked many times."""

import pytest
from django.db import connection
from django.db.models import F, Value

from release_portal.lib.prepared import AnyOf, Prepared
from release_portal.partners.models import Role

MARKS = {"code": "-code-", "permissions": "-permission-"}


@pytest.fixture
def prepared(db) -> Prepared:
    rows = Role.objects.filter(code="-code-", permissions__contains=["-permission-"])
    return Prepared.of(rows.values(name=F("title"), same=Value(7)), MARKS)


def test_row_answers_for_what_is_given(prepared, django_assert_num_queries):
    with django_assert_num_queries(2):
        assert prepared.row({"code": "owner", "permissions": "partner.read"}) == {"name": "Owner", "same": 7}
        assert prepared.row({"code": "viewer", "permissions": "partner.read"}) == {"name": "Viewer", "same": 7}


def test_server_plans_once_for_a_connection_whatever_is_given(prepared):
    for code in ("owner", "viewer", "nobody"):
        prepared.rows({"code": code, "permissions": "partner.read"})
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT statement, generic_plans, custom_plans FROM pg_prepared_statements WHERE name = %s",
            [prepared._name],
        )
        [(statement, generic, custom)] = cursor.fetchall()
    assert generic >= 3
    assert not custom
    assert "$1" in statement
    assert " 7 AS " in statement, "what is not given is a constant"


def test_ask_again_on_another_connection(committed):
    prepared = Prepared.of(Role.objects.filter(code="-code-").values("code"), {"code": "-code-"})
    assert prepared.rows({"code": "nobody"}) == []
    connection.close()
    assert prepared.rows({"code": "nobody"}) == []


def test_row_that_is_not_there_is_an_error(prepared):
    with pytest.raises(LookupError, match="no row"):
        prepared.row({"code": "owner", "permissions": "book.read"})


def test_mark_that_the_query_does_not_have_is_an_error(db):
    with pytest.raises(ValueError, match="never asks for permissions"):
        Prepared.of(Role.objects.filter(code="-code-").values("title"), MARKS)


def test_rows_of_any_of_the_values_given(db):
    rows = Role.objects.filter(AnyOf(F("code"), ["-code-"])).order_by("code")
    prepared = Prepared.of(rows.values("code"), {"codes": ["-code-"]})
    assert prepared.rows({"codes": ["viewer", "owner", "nobody"]}) == [{"code": "owner"}, {"code": "viewer"}]
    assert prepared.rows({"codes": []}) == []
