"""The scheduler alone: nothing leaks, nobody starves, and what a row goes through depends on the row."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.contract import Sampling, Sequence
from inference.scheduler import CHUNK, KEPT_OF, PATIENCE, URGENT_FILL, Row, Scheduler


def row(prompt=(1, 2, 3), owner="a", tokens=4, urgent=False):
    return Row(Sequence("key", "", 0, 0, Sampling(tokens)), tuple(prompt), owner, urgent)


def extend(plan):
    """Give each row of the plan a token, and finish those that have all."""
    for one in plan.rows:
        one.tokens.append(9)
        if len(one.tokens) == one.sequence.sampling.max_new_tokens:
            one.finish_reason = "length"


def carry_out(scheduler, plans=10_000):
    """Run until idle; returns the plans."""
    done = []
    while (plan := scheduler.next()) and len(done) < plans:
        extend(plan)
        scheduler.drop(lambda one: bool(one.finish_reason))
        done.append(plan)
    return done


def test_fill_in_a_prompt_then_give_a_token_a_step():
    scheduler = Scheduler(2)
    one = row(prompt=range(10), tokens=3)
    scheduler.add([one])

    plans = carry_out(scheduler)

    assert [(span.start, span.length) for span in plans[0].spans] == [(0, 9)]
    assert [plan.rows for plan in plans] == [(one,)] * 3
    assert not any(plan.spans for plan in plans[1:])
    assert scheduler.is_idle


def test_refill_a_slot_at_the_next_step():
    scheduler = Scheduler(2)
    short, long, waiting = row([1], "a", 1), row([1], "b", 5), row([1], "c", 1)
    scheduler.add([short, long, waiting])

    plans = carry_out(scheduler)

    assert plans[0].rows == (short, long)
    assert set(plans[1].rows) == {waiting, long}


def test_cut_a_prompt_at_the_same_places_whatever_else_runs():
    alone, among = row(range(1000)), row(range(1000))
    lonely, crowded = Scheduler(1), Scheduler(8)
    lonely.add([alone])
    crowded.add([*(row(range(n, n + 40 * n), str(n), 30) for n in range(1, 8)), among])

    def pieces(scheduler, wanted):
        return [(span.start, span.length) for plan in carry_out(scheduler) for span in plan.spans if span.row is wanted]

    assert pieces(lonely, alone) == pieces(crowded, among) == [(0, 256), (256, 256), (512, 256), (768, 231)]


def beside(*arrivals):
    """A scheduler with a row that is running, and others that have just arrived."""
    scheduler = Scheduler(2 + len(arrivals))
    scheduler.add([running := row([1], "running", 100)])
    extend(scheduler.next())
    scheduler.add(arrivals)
    return scheduler, running


def test_give_running_rows_their_tokens_beside_a_long_prompt():
    scheduler, running = beside(row(range(3000), "long", 1))

    plans = [scheduler.next() for _ in range(6)]

    assert [sum(span.length for span in plan.spans) for plan in plans] == [PATIENCE] * 5 + [2999 - 5 * PATIENCE]
    assert all(running in plan.rows for plan in plans)


def test_let_running_rows_sit_out_urgent_prompts_but_not_for_long():
    scheduler, running = beside(*(row(range(n, n + 101), n, 1, urgent=True) for n in range(12)))

    plans = carry_out(scheduler, plans=14)

    assert [running in plan.rows for plan in plans] == [False] * 5 + [True] + [False] * 5 + [True] + [False] * 2
    assert all(len(plan.rows) == 1 for plan in plans if plan.spans)


def test_let_running_rows_sit_out_no_more_passes_where_urgent_prompts_are_tiny():
    scheduler, running = beside()
    passes = []
    for number in range(40):
        scheduler.add([row([number, 1], number, 1, urgent=True)])
        passes.append(scheduler.next())
        extend(passes[-1])
        scheduler.drop(lambda one: bool(one.finish_reason))

    most = PATIENCE // URGENT_FILL
    assert [running in plan.rows for plan in passes[: most + 1]] == [False] * most + [True]


def test_fill_in_urgent_prompts_first_then_short_ones():
    rows = [row(range(n), n, 1, urgent) for n, urgent in ((900, False), (60, False), (300, True), (50, True))]
    scheduler, _ = beside(*rows)
    _, middling, long_and_urgent, short_and_urgent = rows

    plans = carry_out(scheduler, plans=3)

    assert [plan.spans[0].row for plan in plans] == [short_and_urgent, long_and_urgent, middling]


def test_fill_in_small_urgent_prompts_together():
    scheduler, _ = beside(*(row(range(n, n + 11), n, 1, urgent=True) for n in range(9)))

    assert [len(plan.spans) for plan in carry_out(scheduler, plans=3)] == [4, 4, 1]


def test_come_to_a_long_prompt_in_the_end_however_many_are_shorter():
    scheduler = Scheduler(300)
    scheduler.add([row([1], "running", 100)])
    extend(scheduler.next())
    scheduler.add([long := row(range(1000), "long", 1)])
    arriving = 0
    while not long.finish_reason:
        arriving += 1
        scheduler.add(row(range(n, n + 250), "short", 1) for n in range(4))
        extend(scheduler.next())
        scheduler.drop(lambda one: bool(one.finish_reason))
        assert arriving < 40


def test_fill_in_a_prompt_once_for_all_its_samples():
    scheduler = Scheduler(4)
    prompt = tuple(range(50))
    samples = [row(prompt, tokens=n) for n in (2, 9, 9, 9, 3, 3)]
    scheduler.add(samples)

    plans = carry_out(scheduler)

    assert sum(span.length for plan in plans for span in plan.spans) == 49
    assert sum(copy.length == 49 for plan in plans for copy in plan.copies) >= 5
    assert all(one.finish_reason for one in samples)


def test_let_another_sample_fill_in_the_prompt_where_the_first_is_gone():
    scheduler = Scheduler(2)
    first, second = row(range(600), "a"), row(range(600), "b")
    scheduler.add([first, second])
    scheduler.next()

    scheduler.drop(lambda one: one is first)
    carry_out(scheduler)

    assert second.finish_reason == "length"


def test_move_the_last_row_into_a_hole():
    scheduler = Scheduler(3)
    rows = [row([n], str(n), n) for n in (1, 5, 5)]
    scheduler.add(rows)
    extend(scheduler.next())
    scheduler.drop(lambda one: bool(one.finish_reason))

    plan = scheduler.next()

    assert [(copy.source, copy.target, copy.length) for copy in plan.copies] == [(2, 0, 1)]
    assert sorted(one.slot for one in plan.rows) == [0, 1]


def test_give_owners_their_turn_at_free_slots():
    scheduler = Scheduler(2)
    scheduler.add([row([1], "many", 4) for _ in range(100)])
    scheduler.add([late := row([1], "one", 4)])

    plans = carry_out(scheduler, plans=4)

    assert late in plans[0].rows


def test_let_urgent_owners_go_first():
    scheduler = Scheduler(1)
    scheduler.add([row([1], "batch", 1) for _ in range(5)])
    scheduler.add([urgent := row([1], "person", 1, urgent=True)])

    assert scheduler.next().rows == (urgent,)


def test_let_others_have_every_fourth_slot_beside_urgent_owners():
    scheduler = Scheduler(1)
    scheduler.add([row([1], "batch", 1) for _ in range(3)])
    scheduler.add([row([1], "people", 1, urgent=True) for _ in range(30)])

    owners = [plan.rows[0].owner for plan in carry_out(scheduler)]

    assert owners[:12] == (["people"] * 3 + ["batch"]) * 3
    assert Counter(owners) == {"people": 30, "batch": 3}


def test_keep_a_slot_in_nine_for_urgent_rows():
    scheduler = Scheduler(18)
    scheduler.add([row([1], "batch", 50) for _ in range(40)])
    assert len(scheduler.next().rows) == 16

    scheduler.add([row([1], "person", 50, urgent=True) for _ in range(5)])

    scheduler.next()

    assert Counter(one.owner for one in scheduler.seated) == {"batch": 16, "person": 2}


def test_refuse_a_batch_without_slots():
    with pytest.raises(ValueError, match="given 0 and 2048"):
        Scheduler(0)


ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 700), st.integers(1, 6), st.booleans(), st.integers(0, 30)),
    min_size=1,
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(slots=st.integers(1, 20), arrivals=ROWS, gone=st.sets(st.integers(0, 40)))
def test_every_row_gets_its_tokens_once_and_no_slot_leaks(slots, arrivals, gone):
    scheduler = Scheduler(slots)
    rows = [(at, row(range(length), (owner, urgent), tokens, urgent)) for owner, length, tokens, urgent, at in arrivals]
    given_to, filled, sat_out = Counter(), Counter(), Counter()
    seated, dropped_rows = set(), set()
    passes = 0
    while passes < 40 or not scheduler.is_idle:
        scheduler.add(one for at, one in rows if at == passes)
        if passes in gone:
            dropped = rows[passes % len(rows)][1]
            scheduler.drop(lambda one, dropped=dropped: one is dropped)
            dropped_rows.add(dropped)
        plan = scheduler.next()
        if plan:
            seats = [one.slot for one in scheduler.seated]
            assert seats == list(range(len(seats)))
            assert len(seats) <= slots
            assert sum(not one.urgent for one in scheduler.seated) <= slots - slots // KEPT_OF
            assert all(one.cached == len(one.prompt) + len(one.tokens) for one in plan.rows)
            for span in plan.spans:
                assert span.start % CHUNK == 0
                assert scheduler.seated[span.row.slot] is span.row
                filled[span.row] += span.length
            seated.update(scheduler.seated)
            for owner in {one.owner for one in scheduler.seated}:
                own = [one for at in range(passes + 1) for when, one in rows if when == at and one.owner == owner]
                begun = [one in seated for one in own if one not in dropped_rows]
                assert begun == sorted(begun, reverse=True), "a later row of an order was begun before an earlier one"
            sat_out.update({one: sum(span.length for span in plan.spans) for one in scheduler.seated if one.tokens})
            assert all(tokens <= PATIENCE for tokens in sat_out.values())
            for one in plan.rows:
                sat_out[one] = 0
            given_to.update(plan.rows)
            extend(plan)
        scheduler.drop(lambda one: bool(one.finish_reason))
        passes += 1
        assert passes < 20_000, "a row starves"

    assert not scheduler.seated
    untouched = {id(rows[number % len(rows)][1]) for number in gone}
    for _, one in rows:
        if id(one) not in untouched:
            assert given_to[one] == one.sequence.sampling.max_new_tokens
        assert filled[one] <= max(0, len(one.prompt) - 1)
