"""The scheduler alone: nothing leaks, nobody starves, and what a row goes through depends on the row."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.contract import Sampling, Sequence
from inference.scheduler import CHUNK, DECODE_DELAY, SLOTS_PER_RESERVED, URGENT_PREFILL, Scheduler, SequenceState


def row(prompt=(1, 2, 3), owner="a", tokens=4, urgent=False):
    return SequenceState(Sequence("key", "", 0, 0, Sampling(tokens)), tuple(prompt), owner, urgent)


def extend(scheduled):
    """Give each row of the scheduled a token, and finish those that have all."""
    for one in scheduled.decode:
        one.tokens.append(9)
        if len(one.tokens) == one.sequence.sampling.max_new_tokens:
            one.finish_reason = "length"


def carry_out(scheduler, passes=10_000):
    """Run until idle; returns the passes."""
    done = []
    while (scheduled := scheduler.schedule()) and len(done) < passes:
        extend(scheduled)
        scheduler.drop(lambda one: bool(one.finish_reason))
        done.append(scheduled)
    return done


def test_fill_in_a_prompt_then_give_a_token_a_step():
    scheduler = Scheduler(2)
    one = row(prompt=range(10), tokens=3)
    scheduler.add([one])

    passes = carry_out(scheduler)

    assert [(chunk.start, chunk.length) for chunk in passes[0].prefill] == [(0, 9)]
    assert [scheduled.decode for scheduled in passes] == [(one,)] * 3
    assert not any(scheduled.prefill for scheduled in passes[1:])
    assert scheduler.is_idle


def test_refill_a_slot_at_the_next_step():
    scheduler = Scheduler(2)
    short, long, waiting = row([1], "a", 1), row([1], "b", 5), row([1], "c", 1)
    scheduler.add([short, long, waiting])

    passes = carry_out(scheduler)

    assert passes[0].decode == (short, long)
    assert set(passes[1].decode) == {waiting, long}


def test_cut_a_prompt_at_the_same_places_whatever_else_runs():
    alone, among = row(range(1000)), row(range(1000))
    lonely, crowded = Scheduler(1), Scheduler(8)
    lonely.add([alone])
    crowded.add([*(row(range(n, n + 40 * n), str(n), 30) for n in range(1, 8)), among])

    def pieces(scheduler, wanted):
        return [
            (chunk.start, chunk.length)
            for scheduled in carry_out(scheduler)
            for chunk in scheduled.prefill
            if chunk.state is wanted
        ]

    assert pieces(lonely, alone) == pieces(crowded, among) == [(0, 256), (256, 256), (512, 256), (768, 231)]


def beside(*arrivals):
    """A scheduler with a row that is running, and others that have just arrived."""
    scheduler = Scheduler(2 + len(arrivals))
    scheduler.add([running := row([1], "running", 100)])
    extend(scheduler.schedule())
    scheduler.add(arrivals)
    return scheduler, running


def test_give_running_rows_their_tokens_beside_a_long_prompt():
    scheduler, running = beside(row(range(3000), "long", 1))

    passes = [scheduler.schedule() for _ in range(6)]

    assert [sum(chunk.length for chunk in scheduled.prefill) for scheduled in passes] == [DECODE_DELAY] * 5 + [
        2999 - 5 * DECODE_DELAY
    ]
    assert all(running in scheduled.decode for scheduled in passes)


def test_let_running_rows_sit_out_urgent_prompts_but_not_for_long():
    scheduler, running = beside(*(row(range(n, n + 101), n, 1, urgent=True) for n in range(12)))

    passes = carry_out(scheduler, passes=14)

    assert [running in scheduled.decode for scheduled in passes] == [False] * 5 + [True] + [False] * 5 + [True] + [
        False
    ] * 2
    assert all(len(scheduled.decode) == 1 for scheduled in passes if scheduled.prefill)


def test_let_running_rows_sit_out_no_more_passes_where_urgent_prompts_are_tiny():
    scheduler, running = beside()
    passes = []
    for number in range(40):
        scheduler.add([row([number, 1], number, 1, urgent=True)])
        passes.append(scheduler.schedule())
        extend(passes[-1])
        scheduler.drop(lambda one: bool(one.finish_reason))

    most = DECODE_DELAY // URGENT_PREFILL
    assert [running in scheduled.decode for scheduled in passes[: most + 1]] == [False] * most + [True]


def test_fill_in_urgent_prompts_first_then_short_ones():
    rows = [row(range(n), n, 1, urgent) for n, urgent in ((900, False), (60, False), (300, True), (50, True))]
    scheduler, _ = beside(*rows)
    _, middling, long_and_urgent, short_and_urgent = rows

    passes = carry_out(scheduler, passes=3)

    assert [scheduled.prefill[0].state for scheduled in passes] == [short_and_urgent, long_and_urgent, middling]


def test_fill_in_small_urgent_prompts_together():
    scheduler, _ = beside(*(row(range(n, n + 11), n, 1, urgent=True) for n in range(9)))

    assert [len(scheduled.prefill) for scheduled in carry_out(scheduler, passes=3)] == [4, 4, 1]


def test_come_to_a_long_prompt_in_the_end_however_many_are_shorter():
    scheduler = Scheduler(300)
    scheduler.add([row([1], "running", 100)])
    extend(scheduler.schedule())
    scheduler.add([long := row(range(1000), "long", 1)])
    arriving = 0
    while not long.finish_reason:
        arriving += 1
        scheduler.add(row(range(n, n + 250), "short", 1) for n in range(4))
        extend(scheduler.schedule())
        scheduler.drop(lambda one: bool(one.finish_reason))
        assert arriving < 40


def test_fill_in_a_prompt_once_for_all_its_samples():
    scheduler = Scheduler(4)
    prompt = tuple(range(50))
    samples = [row(prompt, tokens=n) for n in (2, 9, 9, 9, 3, 3)]
    scheduler.add(samples)

    passes = carry_out(scheduler)

    assert sum(chunk.length for scheduled in passes for chunk in scheduled.prefill) == 49
    assert sum(copy.length == 49 for scheduled in passes for copy in scheduled.copies) >= 5
    assert all(one.finish_reason for one in samples)


def test_let_another_sample_fill_in_the_prompt_where_the_first_is_gone():
    scheduler = Scheduler(2)
    first, second = row(range(600), "a"), row(range(600), "b")
    scheduler.add([first, second])
    scheduler.schedule()

    scheduler.drop(lambda one: one is first)
    carry_out(scheduler)

    assert second.finish_reason == "length"


def test_move_the_last_row_into_a_hole():
    scheduler = Scheduler(3)
    rows = [row([n], str(n), n) for n in (1, 5, 5)]
    scheduler.add(rows)
    extend(scheduler.schedule())
    scheduler.drop(lambda one: bool(one.finish_reason))

    scheduled = scheduler.schedule()

    assert [(copy.source, copy.target, copy.length) for copy in scheduled.copies] == [(2, 0, 1)]
    assert sorted(one.slot for one in scheduled.decode) == [0, 1]


def test_give_owners_their_turn_at_free_slots():
    scheduler = Scheduler(2)
    scheduler.add([row([1], "many", 4) for _ in range(100)])
    scheduler.add([late := row([1], "one", 4)])

    passes = carry_out(scheduler, passes=4)

    assert late in passes[0].decode


def test_let_urgent_owners_go_first():
    scheduler = Scheduler(1)
    scheduler.add([row([1], "batch", 1) for _ in range(5)])
    scheduler.add([urgent := row([1], "person", 1, urgent=True)])

    assert scheduler.schedule().decode == (urgent,)


def test_let_others_have_every_fourth_slot_beside_urgent_owners():
    scheduler = Scheduler(1)
    scheduler.add([row([1], "batch", 1) for _ in range(3)])
    scheduler.add([row([1], "people", 1, urgent=True) for _ in range(30)])

    owners = [scheduled.decode[0].owner for scheduled in carry_out(scheduler)]

    assert owners[:12] == (["people"] * 3 + ["batch"]) * 3
    assert Counter(owners) == {"people": 30, "batch": 3}


def test_keep_a_slot_in_nine_for_urgent_rows():
    scheduler = Scheduler(18)
    scheduler.add([row([1], "batch", 50) for _ in range(40)])
    assert len(scheduler.schedule().decode) == 16

    scheduler.add([row([1], "person", 50, urgent=True) for _ in range(5)])

    scheduler.schedule()

    assert Counter(one.owner for one in scheduler.running) == {"batch": 16, "person": 2}


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
    given_to, prefilled, delayed = Counter(), Counter(), Counter()
    admitted, dropped_rows = set(), set()
    passes = 0
    while passes < 40 or not scheduler.is_idle:
        scheduler.add(one for at, one in rows if at == passes)
        if passes in gone:
            dropped = rows[passes % len(rows)][1]
            scheduler.drop(lambda one, dropped=dropped: one is dropped)
            dropped_rows.add(dropped)
        scheduled = scheduler.schedule()
        if scheduled:
            seats = [one.slot for one in scheduler.running]
            assert seats == list(range(len(seats)))
            assert len(seats) <= slots
            assert sum(not one.urgent for one in scheduler.running) <= slots - slots // SLOTS_PER_RESERVED
            assert all(one.cached == len(one.prompt) + len(one.tokens) for one in scheduled.decode)
            for chunk in scheduled.prefill:
                assert chunk.start % CHUNK == 0
                assert scheduler.running[chunk.state.slot] is chunk.state
                prefilled[chunk.state] += chunk.length
            admitted.update(scheduler.running)
            for owner in {one.owner for one in scheduler.running}:
                own = [one for at in range(passes + 1) for when, one in rows if when == at and one.owner == owner]
                begun = [one in admitted for one in own if one not in dropped_rows]
                assert begun == sorted(begun, reverse=True), "a later row of an order was begun before an earlier one"
            delayed.update(
                {one: sum(chunk.length for chunk in scheduled.prefill) for one in scheduler.running if one.tokens}
            )
            assert all(tokens <= DECODE_DELAY for tokens in delayed.values())
            for one in scheduled.decode:
                delayed[one] = 0
            given_to.update(scheduled.decode)
            extend(scheduled)
        scheduler.drop(lambda one: bool(one.finish_reason))
        passes += 1
        assert passes < 20_000, "a row starves"

    assert not scheduler.running
    untouched = {id(rows[number % len(rows)][1]) for number in gone}
    for _, one in rows:
        if id(one) not in untouched:
            assert given_to[one] == one.sequence.sampling.max_new_tokens
        assert prefilled[one] <= max(0, len(one.prompt) - 1)
