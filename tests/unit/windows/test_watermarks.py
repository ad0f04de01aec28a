"""Watermarks: the least of the newest times, of whoever is not silent."""

from __future__ import annotations

import doctest

from hypothesis import given
from hypothesis import strategies as st

from bspump.abc.event_time import BEGIN_MS
from bspump.windows import watermarks
from bspump.windows.watermarks import Watermarks


def looked(stream, start_s, stop_s, *, by_s=1.0, may_come=True):
    """Look every second, from one time to another."""
    now_s = start_s
    while now_s <= stop_s:
        stream.look(now_s, may_come=may_come)
        now_s += by_s
    return stream


def test_the_examples_are_true():
    assert doctest.testmod(watermarks).failed == 0


def test_nothing_is_known_at_first():
    assert Watermarks(lateness_ms=5).watermark_ms == BEGIN_MS


def test_the_newest_time_minus_the_lateness_is_the_watermark():
    stream = Watermarks(lateness_ms=10)
    assert [stream.observe(None, at_ms) for at_ms in (100, 95, 130, 120)] == [90, 90, 120, 120]


def test_a_partition_that_begins_later_does_not_move_the_watermark_back():
    stream = Watermarks(lateness_ms=0)
    stream.observe("a", 100)
    assert stream.observe("b", 10) == 100
    assert stream.observe("a", 200) == 100
    assert stream.observe("b", 150) == 150


def test_a_partition_that_is_expected_holds_the_watermark_back_until_it_has_come():
    stream = Watermarks(lateness_ms=0)
    stream.expect("b")
    assert stream.observe("a", 100) == BEGIN_MS
    assert stream.observe("b", 40) == 40
    stream.expect("b")
    assert stream.observe("b", 60) == 60


def test_who_leaves_is_not_waited_for():
    stream = Watermarks(lateness_ms=0)
    stream.observe("a", 100)
    stream.observe("b", 40)
    stream.leave("b")
    stream.leave("unknown")
    assert stream.watermark_ms == 100
    assert stream.partitions() == ["a"]
    stream.leave("a")
    assert stream.watermark_ms == 100
    assert stream.held_back_by() is None


def test_who_is_silent_for_too_long_is_not_waited_for_until_something_comes():
    stream = Watermarks(lateness_ms=0, idle_s=10)
    stream.expect("b")
    for second in range(11):
        assert stream.observe("a", 100 + second) == BEGIN_MS
        stream.look(second)
    assert stream.watermark_ms == 110
    assert stream.observe("a", 200) == 200
    assert stream.observe("b", 150) == 200
    assert stream.observe("a", 300) == 200
    assert stream.observe("b", 250) == 250


def test_where_all_are_silent_time_stands_still():
    stream = Watermarks(lateness_ms=0, idle_s=10)
    stream.observe("b", 40)
    stream.observe("a", 100)
    looked(stream, 0, 100)
    assert stream.watermark_ms == 40
    assert stream.held_back_by() is None
    assert all(each["Idle"] for each in stream.explain())
    assert stream.observe("b", 50) == 50


def test_the_time_in_which_nothing_could_come_is_no_silence():
    stream = Watermarks(lateness_ms=0, idle_s=10)
    stream.observe("b", 40)
    stream.observe("a", 100)
    stream.look(0)
    looked(stream, 1, 100, may_come=False)
    assert stream.watermark_ms == 40
    assert [each["SilentFor"] for each in stream.explain()] == [0, 0]


def test_what_has_come_shows_that_others_could_have():
    stream = Watermarks(lateness_ms=0, idle_s=10)
    stream.expect("b")
    for second in range(20):
        stream.observe("a", 100 + second)
        stream.look(second, may_come=False)
    assert stream.watermark_ms == 119


def test_a_long_time_without_a_look_is_not_taken_for_silence():
    stream = Watermarks(lateness_ms=0, idle_s=10)
    stream.observe("b", 40)
    stream.observe("a", 100)
    stream.look(0)
    stream.observe("a", 101)
    stream.look(3600)
    assert stream.watermark_ms == 40


def test_without_an_idle_time_everybody_is_waited_for():
    stream = Watermarks(lateness_ms=0)
    stream.observe("b", 40)
    stream.observe("a", 100)
    looked(stream, 0, 1000)
    assert stream.watermark_ms == 40


def test_idle_ones_may_be_forgotten_and_come_again():
    stream = Watermarks(lateness_ms=0, idle_s=10)
    stream.forgets_idle = True
    for device in range(1000):
        stream.observe(device, 40)
    for second in range(12):
        stream.observe("a", 100 + second)
        stream.look(second)
    assert stream.partitions() == ["a"]
    assert stream.watermark_ms == 111
    assert stream.observe(5, 90) == 111
    assert stream.observe("a", 200) == 111
    assert stream.observe(5, 150) == 150


def test_who_is_told_the_same_again_is_as_silent_as_before():
    stream = Watermarks(lateness_ms=0, idle_s=10)
    stream.expect("b")
    for second in range(12):
        stream.observe("a", 100 + second)
        stream.move_on("b", BEGIN_MS)
        stream.look(second)
    assert stream.watermark_ms == 111
    stream.move_on("b", 90)
    stream.observe("a", 200)
    assert stream.watermark_ms == 111
    stream.move_on("b", 150)
    assert stream.watermark_ms == 150


def test_it_says_who_holds_time_back():
    stream = Watermarks(lateness_ms=0, idle_s=60)
    stream.observe(("clicks", 1), 40)
    stream.observe(("clicks", 0), 100)
    stream.look(0)
    stream.look(5)
    assert stream.held_back_by() == {
        "Partition": "clicks 1",
        "Latest": 40,
        "Idle": False,
        "SilentFor": 5.0,
    }
    assert [each["Latest"] for each in stream.explain()] == [40, 100]


def test_of_many_partitions_it_shows_the_slowest_ones():
    stream = Watermarks(lateness_ms=0)
    for device in range(1000):
        stream.observe(device, 5000 - device)
    assert [each["Latest"] for each in stream.explain()] == list(range(4001, 4011))


def test_restored_it_waits_for_those_that_it_knew():
    stream = Watermarks(lateness_ms=0, idle_s=10)
    stream.observe(("t", 1), 40)
    stream.observe("a", 100)
    other = Watermarks(lateness_ms=0, idle_s=10)
    other.restore(stream.snapshot())
    assert other.watermark_ms == 40
    assert other.observe("a", 200) == 40
    assert other.observe(("t", 1), 170) == 170


def test_restored_it_is_as_far_as_it_was_whoever_came_later():
    stream = Watermarks(lateness_ms=0)
    stream.observe("a", 100)
    stream.observe("b", 10)
    other = Watermarks(lateness_ms=0)
    other.restore(stream.snapshot())
    assert other.watermark_ms == 100


times = st.integers(0, 40)
steps = st.one_of(
    st.tuples(st.just("observe"), st.integers(0, 4), times),
    st.tuples(st.just("leave"), st.integers(0, 4), st.just(0)),
    st.tuples(st.just("expect"), st.integers(0, 4), st.just(0)),
    st.tuples(st.just("look"), st.just(0), st.just(0)),
    st.tuples(st.just("restore"), st.just(0), st.just(0)),
)


@given(st.lists(steps, max_size=60), st.integers(0, 10))
def test_it_is_the_least_of_the_newest_times_whatever_happens(steps, lateness_ms):
    stream = Watermarks(lateness_ms, idle_s=3)
    newest, silent_s, seen, expected, now_s = {}, {}, {}, BEGIN_MS, 0.0

    def active():
        return [at_ms for name, at_ms in newest.items() if silent_s[name] < 3]

    stream.look(now_s)
    for kind, name, at_ms in steps:
        if kind == "observe":
            assert stream.observe(name, at_ms) >= expected
            newest[name] = max(newest.get(name, BEGIN_MS), at_ms)
            silent_s[name], seen[name] = 0.0, True
        elif kind == "leave":
            stream.leave(name)
            newest.pop(name, None)
        elif kind == "expect":
            stream.expect(name)
            if name not in newest:
                newest[name], silent_s[name], seen[name] = BEGIN_MS, 0.0, True
        elif kind == "look":
            now_s += 1
            stream.look(now_s)
            for each in newest:
                silent_s[each] = 0.0 if seen[each] else silent_s[each] + 1
                seen[each] = False
        else:
            state, stream = stream.snapshot(), Watermarks(lateness_ms, idle_s=3)
            stream.restore(state)
            stream.look(now_s)
            silent_s, seen = dict.fromkeys(newest, 0.0), dict.fromkeys(newest, False)
        if active() and min(active()) > BEGIN_MS:
            expected = max(expected, min(active()) - lateness_ms)
        assert stream.watermark_ms == expected
