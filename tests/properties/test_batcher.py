from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bspump.abc.options import BatchOptions
from bspump.core.batcher import Batcher

MOST, BYTES, AGE_S = 7, 100, 10.0
OPTIONS = BatchOptions(max_events=MOST, max_bytes=BYTES, max_age=AGE_S)


@given(st.lists(st.tuples(st.integers(0, 60), st.floats(0, 5)), max_size=60))
def test_batches_hold_all_events_in_their_order_and_none_is_larger_than_it_may_be(events):
    batcher, batches, now_s, since_s = Batcher(OPTIONS), [], 0.0, None
    for number, (size_bytes, passed_s) in enumerate(events):
        now_s += passed_s
        since_s = now_s if since_s is None else since_s
        is_complete = batcher.add({"n": number}, (number, size_bytes), size_bytes, now_s=now_s)
        assert batcher.due_s == since_s + AGE_S
        if is_complete:
            batches.append(batcher.take())
            since_s = None
            assert (len(batcher), batcher.due_s) == (0, None)
    rest = batcher.take()
    assert [event for batch in [*batches, rest] for event in batch.events] == [
        (number, size_bytes) for number, (size_bytes, _) in enumerate(events)
    ]
    for batch in [*batches, rest]:
        assert [context["n"] for context in batch.contexts] == [n for n, _ in batch.events]
        assert len(batch) <= MOST
        # Complete at the first event that reaches a limit, and not before.
        assert sum(size for _, size in batch.events[:-1]) < BYTES
    for batch in batches:
        assert len(batch) == MOST or sum(size for _, size in batch.events) >= BYTES
    assert len(rest) < MOST
    assert sum(size for _, size in rest.events) < BYTES


@given(st.lists(st.lists(st.integers(0, 60), max_size=20), max_size=10))
def test_many_at_once_make_the_same_batches_as_one_by_one(lists):
    single, many, expected, found, number = Batcher(OPTIONS), Batcher(OPTIONS), [], [], 0
    for sizes in lists:
        done = 0
        for size in sizes:
            if single.add({}, (number, size), size, now_s=0.0):
                expected.append(list(single.take().events))
            number += 1
        first = number - len(sizes)
        while done < len(sizes):
            part = sizes[done : done + many.room()]
            numbered = [(first + done + i, size) for i, size in enumerate(part)]
            if sum(part) > many.room_bytes():
                found += [
                    list(many.take().events)
                    for event in numbered
                    if many.add({}, event, event[1], now_s=0.0)
                ]
            elif many.add_many([{}] * len(part), numbered, sum(part), now_s=0.0):
                found.append(list(many.take().events))
            done += len(part)
    assert [*found, list(many.take().events)] == [*expected, list(single.take().events)]
