"""The three-valued logic has the properties of Kleene's strong one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_portal.gates.logic import (
    Result,
    all_of,
    any_of,
    at_least,
    negation,
    number_at_least,
    number_at_most,
)

PASS, FAIL, UNKNOWN, NOT_APPLICABLE = Result
ANY = st.lists(st.sampled_from(Result), max_size=6)
APPLICABLE = st.lists(st.sampled_from([PASS, FAIL, UNKNOWN]), min_size=1, max_size=6)
KNOWN = st.lists(st.booleans(), min_size=1, max_size=6)


@given(ANY)
def test_de_morgan_holds(results: list[Result]) -> None:
    assert negation(all_of(results)) is any_of(map(negation, results))
    assert negation(any_of(results)) is all_of(map(negation, results))


@given(st.sampled_from(Result))
def test_a_double_negation_changes_nothing(result: Result) -> None:
    assert negation(negation(result)) is result


@given(KNOWN, st.integers(0, 7))
def test_it_agrees_with_two_valued_logic_where_nothing_is_unknown(values: list[bool], k: int) -> None:
    results = [Result.of(value) for value in values]
    assert all_of(results) is Result.of(all(values))
    assert any_of(results) is Result.of(any(values))
    assert at_least(k, results) is Result.of(sum(values) >= k)


@given(APPLICABLE, st.integers(1, 6), st.data())
def test_what_is_known_stays_when_more_becomes_known(results: list[Result], k: int, data: st.DataObject) -> None:
    learned = [data.draw(st.sampled_from([PASS, FAIL])) if each is UNKNOWN else each for each in results]
    for combine in (all_of, any_of, lambda each: at_least(k, each)):
        before = combine(results)
        assert before is UNKNOWN or combine(learned) is before


@given(APPLICABLE, st.integers(1, 6))
def test_unknown_is_said_only_where_it_could_turn_out_either_way(results: list[Result], k: int) -> None:
    best, worst = ([each if each is not UNKNOWN else other for each in results] for other in (PASS, FAIL))
    for combine in (all_of, any_of, lambda each: at_least(k, each)):
        assert (combine(results) is UNKNOWN) == (combine(best) is not combine(worst))


@given(ANY)
def test_at_least_one_is_any_and_at_least_all_is_all(results: list[Result]) -> None:
    applicable = [each for each in results if each is not NOT_APPLICABLE]
    assert at_least(1, results) is any_of(results)
    assert at_least(len(applicable), results) is all_of(results)


@given(ANY, st.integers(1, 6))
def test_what_is_not_applicable_is_left_out(results: list[Result], k: int) -> None:
    assert at_least(k, [*results, NOT_APPLICABLE]) is at_least(k, results)


@pytest.mark.parametrize("combine", [all_of, any_of, lambda results: at_least(2, results)])
def test_a_combination_of_nothing_that_applies_is_not_applicable(combine) -> None:
    assert combine([]) is combine([NOT_APPLICABLE]) is NOT_APPLICABLE


@pytest.mark.parametrize(
    ("limit", "sure", "unsure", "reached", "kept"),
    [
        (2, 2, 0, PASS, PASS),
        (2, 1, 0, FAIL, PASS),
        (2, 1, 1, UNKNOWN, PASS),
        (2, 1, 2, UNKNOWN, UNKNOWN),
        (2, 2, 1, PASS, UNKNOWN),
        (2, 3, 0, PASS, FAIL),
        (3, 1, 1, FAIL, PASS),
    ],
)
def test_a_count_is_unknown_where_the_uncertain_would_turn_it(limit, sure, unsure, reached, kept) -> None:
    assert number_at_least(limit, sure=sure, unsure=unsure) is reached
    assert number_at_most(limit, sure=sure, unsure=unsure) is kept
