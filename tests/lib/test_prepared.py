"""A query written once and asked many times."""

import pytest
from django.contrib.postgres.fields import ArrayField
from django.db import connection
from django.db.models import CharField, F, Q, Value

from release_portal.lib.prepared import AnyOf, Parameter, Prepared
from release_portal.partners.models import Role

CODE, PERMISSION = Parameter("code", CharField()), Parameter("permission", CharField())


@pytest.fixture
def prepared(db) -> Prepared:
    rows = Role.objects.filter(code=CODE, permissions__contains=[PERMISSION])
    return Prepared.of(rows.values(name=F("title"), same=Value(7)))


@pytest.fixture(params=[True, False], ids=["planned once", "planned each time"])
def planned_once(request, settings) -> bool:
    settings.PREPARED_QUERIES = request.param
    return request.param


def test_row_answers_for_what_is_given(prepared, planned_once, django_assert_num_queries):
    with django_assert_num_queries(2):
        assert prepared.row({"code": "owner", "permission": "partner.read"}) == {"name": "Owner", "same": 7}
        assert prepared.row({"permission": "partner.read", "code": "viewer"}) == {"name": "Viewer", "same": 7}


def test_server_plans_once_for_a_connection_whatever_is_given(prepared):
    for code in ("owner", "viewer", "nobody"):
        prepared.rows({"code": code, "permission": "partner.read"})
    [(statement, generic, custom)] = plans_of(prepared)
    assert generic >= 3
    assert not custom
    assert "$1" in statement
    assert " 7 AS " in statement, "what is not given is a constant"


def plans_of(prepared: Prepared) -> list[tuple[str, int, int]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT statement, generic_plans, custom_plans FROM pg_prepared_statements WHERE name = %s",
            [prepared._name],
        )
        return cursor.fetchall()


def test_nothing_is_prepared_where_the_setting_is_off(db, settings):
    settings.PREPARED_QUERIES = False
    prepared = Prepared.of(Role.objects.filter(code=CODE).values("code", same=Value("never asked before")))
    assert prepared.row({"code": "owner"})["code"] == "owner"
    assert plans_of(prepared) == []


def test_parameter_that_stands_in_two_places_is_given_once(db, planned_once):
    prepared = Prepared.of(Role.objects.filter(Q(code=CODE) | Q(title=CODE)).values("code"))
    assert prepared.rows({"code": "owner"}) == prepared.rows({"code": "Owner"}) == [{"code": "owner"}]


def test_parameter_is_told_from_a_constant_of_its_name(db, planned_once):
    """Nothing that a query asks for can be taken for a parameter."""
    prepared = Prepared.of(Role.objects.filter(code=CODE).values("code", same=Value("code")))
    assert prepared.row({"code": "owner"}) == {"code": "owner", "same": "code"}


def test_ask_again_on_another_connection(committed):
    prepared = Prepared.of(Role.objects.filter(code=CODE).values("code"))
    assert prepared.rows({"code": "nobody"}) == []
    connection.close()
    assert prepared.rows({"code": "nobody"}) == []


def test_row_that_is_not_there_is_an_error(prepared):
    with pytest.raises(LookupError, match="no row"):
        prepared.row({"code": "owner", "permission": "book.read"})


@pytest.mark.parametrize("values", [{"code": "owner"}, {"code": "owner", "permission": "book.read", "size": 7}])
def test_values_that_do_not_fit_the_query_are_an_error(prepared, values):
    with pytest.raises(ValueError, match="The query asks for code, permission; (permission|size) does not fit"):
        prepared.rows(values)


def test_rows_of_any_of_the_values_given(db, planned_once):
    rows = Role.objects.filter(AnyOf(F("code"), Parameter("codes", ArrayField(CharField())))).order_by("code")
    prepared = Prepared.of(rows.values("code"))
    assert prepared.rows({"codes": ["viewer", "owner", "nobody"]}) == [{"code": "owner"}, {"code": "viewer"}]
    assert prepared.rows({"codes": []}) == []
