"""What a keyed processor remembers, and when its timers fire."""

from __future__ import annotations

from functools import partial

import pytest
from keyed_counting import Count, counting, feed

from bspump.abc.errors import UnknownNameError
from bspump.abc.event_time import EVENT_TIME, WATERMARK
from bspump.testing import Harness, virtual_time


@virtual_time
async def test_each_key_has_a_state_of_its_own():
    async with Harness() as harness:
        part = counting(harness)
        await feed(harness, ("a", None), ("b", None), ("a", None))
        assert harness.out() == ["a:1", "b:1", "a:2"]
        assert part.keys() == 2
        assert part.inspect("a")["State"] == {"count": 2}
        assert part.inspect("nobody") is None
        assert [found["Key"] for found in part.sample()] == ["a", "b"]
        assert part.rest_get()["Keys"] == 2


@virtual_time
async def test_a_list_goes_on_as_several_events():
    async with Harness() as harness:
        counting(harness)
        harness.send([{"key": "a", "say": "list"}])
        await harness.settle()
        assert harness.out() == ["a", 1]


@virtual_time
async def test_a_state_can_be_replaced_and_a_key_forgotten():
    async with Harness() as harness:
        part = counting(harness)
        await feed(harness, ("a", None, ("replace", {"count": 10})), ("a", None))
        await feed(harness, ("a", None, ("forget",)))
        assert part.keys() == 0
        await feed(harness, ("a", None))
        assert harness.out() == ["a:1", "a:11", "a:12", "a:1"]


@virtual_time
async def test_outside_of_an_event_nothing_can_be_set():
    async with Harness() as harness:
        part = counting(harness)
        await feed(harness, ("a", None))
        for name, *arguments in (("set_timer", "x", 1), ("forget",), ("replace", 1), ("timers",)):
            with pytest.raises(RuntimeError, match="no key is being processed"):
                getattr(part, name)(*arguments)


@virtual_time
async def test_a_timer_fires_before_the_first_event_that_is_as_late():
    async with Harness() as harness:
        part = counting(harness)
        await feed(harness, ("a", 0, ("set_timer", "x", 100)))
        await feed(harness, ("b", 99))
        assert part.inspect("a")["Timers"] == [{"name": "x", "at_ms": 100, "clock": "event"}]
        assert part.rest_get()["Due"] == 100
        await feed(harness, ("b", 100))
        assert harness.out() == ["a:1", "b:1", "a x 100", "b:2"]
        assert part.inspect("a")["Timers"] == []


@virtual_time
async def test_what_a_timer_makes_has_its_time_and_is_not_late():
    contexts = []
    async with Harness() as harness:
        harness.chain(Count, lambda context, event: contexts.append(dict(context)) or event)
        await feed(harness, ("a", 10, ("set_timer", "x", 50)), ("a", 70))
        assert (contexts[1][EVENT_TIME], contexts[1][WATERMARK]) == (50, 10)
        assert (contexts[2][EVENT_TIME], contexts[2][WATERMARK]) == (70, 70)


@virtual_time
async def test_timers_fire_in_the_order_of_their_times_then_of_keys():
    async with Harness() as harness:
        counting(harness)
        await feed(
            harness,
            ("c", 0, ("set_timer", "x", 20), ("set_timer", "a", 20)),
            ("a", 0, ("set_timer", "x", 20)),
            ("b", 0, ("set_timer", "x", 10)),
            (1, 0, ("set_timer", "x", 20)),
            ("z", 30),
        )
        fired = harness.out()[4:-1]
        assert fired == ["b x 10", "a x 20", "c a 20", "c x 20", "1 x 20"]


@virtual_time
async def test_a_timer_moves_and_can_be_taken_back():
    async with Harness() as harness:
        counting(harness)
        await feed(
            harness,
            ("a", 0, ("set_timer", "x", 10), ("set_timer", "y", 10), ("cancel_timer", "y")),
            ("a", 1, ("set_timer", "x", 30), ("cancel_timer", "nothing")),
            ("a", 20),
            ("b", 1, ("set_timer", "x", 40)),
            ("b", 1, ("set_timer", "x", 25)),
            ("a", 50),
        )
        assert [line for line in harness.out() if " " in line] == ["b x 25", "a x 30"]


@virtual_time
async def test_a_time_that_has_come_fires_before_the_next_event():
    async with Harness() as harness:
        counting(harness)
        await feed(harness, ("a", 100, ("set_timer", "x", 7)), ("b", 100))
        assert harness.out() == ["a:1", "a x 7", "b:1"]


@virtual_time
async def test_a_timer_that_sets_itself_again_catches_up():
    async with Harness() as harness:
        counting(harness)
        await feed(harness, ("a", 0, ("set_timer", "again", 10)), ("b", 35))
        assert harness.out() == ["a:1", "a again 10", "a again 20", "a again 30", "b:1"]


@virtual_time
async def test_a_timer_cannot_set_itself_to_the_time_that_has_come():
    async with Harness() as harness:
        harness.chain(Count, config={"on_error": "skip"})
        await feed(harness, ("a", 0, ("set_timer", "stuck", 10)), ("b", 35))
        assert "expected a later time" in str(harness.errors[0].error)
        assert harness.out() == ["a:1", "b:1"]


@virtual_time
async def test_forgetting_a_key_takes_its_timers_along():
    async with Harness() as harness:
        part = counting(harness)
        await feed(harness, ("a", 0, ("set_timer", "x", 10), ("set_timer", "forget", 5)), ("b", 20))
        assert harness.out() == ["a:1", "a forget 5", "b:1"]
        assert part.rest_get()["Timers"] == 0


@virtual_time
@pytest.mark.parametrize("arguments", [("", 5), ("x", 5.0), ("x", 5, "moon")])
async def test_a_timer_that_cannot_be_is_an_error_of_the_event(arguments):
    async with Harness() as harness:
        harness.chain(Count, config={"on_error": "skip"})
        await feed(harness, ("a", 0, ("set_timer", *arguments)))
        assert "expected a timer" in str(harness.errors[0].error)


@virtual_time
async def test_timers_of_the_wall_clock_fire_without_events():
    async with Harness() as harness:
        part = counting(harness)
        now_ms = round(harness.app.time() * 1000)
        await feed(harness, ("a", None, ("set_timer", "x", now_ms + 5000, "wall")))
        await harness.advance(4.5)
        assert harness.out() == ["a:1"]
        await harness.advance(1)
        assert harness.out() == ["a:1", f"a x {now_ms + 5000}"]
        assert part.rest_get()["Timers"] == 0


@virtual_time
async def test_at_the_end_of_the_input_timers_of_event_time_fire_once():
    async with Harness() as harness:
        counting(harness)
        now_ms = round(harness.app.time() * 1000)
        await feed(
            harness,
            ("b", 0, ("set_timer", "again", 2000)),
            ("a", 0, ("set_timer", "x", 1000), ("set_timer", "w", now_ms + 10**9, "wall")),
        )
        await harness.finish()
        assert harness.out()[2:] == ["a x 1000", "b again 2000"]


@virtual_time
async def test_an_error_in_a_timer_spares_the_others():
    async with Harness() as harness:
        harness.chain(Count, config={"on_error": "skip"})
        await feed(
            harness,
            ("a", 0, ("set_timer", "fail", 10), ("set_timer", "x", 20)),
            ("b", 0, ("set_timer", "many", 15), ("set_timer", "silent", 16)),
            ("c", 30),
        )
        (failure,) = harness.errors
        assert failure.event == {"key": "a", "name": "fail", "at_ms": 10, "clock": "event"}
        assert harness.out() == ["a:1", "b:1", 1, 2, "a x 20", "c:1"]


@virtual_time
async def test_what_an_event_has_changed_before_it_failed_stays_changed():
    async with Harness() as harness:
        harness.chain(Count, config={"on_error": "skip"})
        await feed(harness, ("a", 0, ("fail",)), ("a", 0))
        assert harness.out() == ["a:2"]
        assert len(harness.errors) == 1


@virtual_time
async def test_a_key_is_forgotten_after_its_time_to_live_of_event_time():
    async with Harness() as harness:
        part = counting(harness, {"ttl": "10s"})
        await feed(harness, ("a", 0), ("b", 5_000), ("a", 9_000), ("b", 14_999))
        await feed(harness, ("c", 18_999))
        assert part.keys() == 3
        # A 64th of the time later at the most.
        await feed(harness, ("c", 19_156))
        assert part.inspect("a") is None
        await feed(harness, ("a", 25_156))
        assert harness.out()[-1] == "a:1"
        assert part.inspect("b") is None


@virtual_time
async def test_a_key_is_forgotten_by_the_wall_clock_where_events_have_no_time():
    async with Harness() as harness:
        part = counting(harness, {"ttl": 10})
        await feed(harness, ("a", None))
        await harness.advance(6)
        await feed(harness, ("a", None), ("b", None))
        await harness.advance(9)
        assert part.keys() == 2
        await harness.advance(2)
        assert part.keys() == 0


@virtual_time
async def test_where_time_to_live_is_of_event_time_an_event_needs_a_time():
    async with Harness() as harness:
        harness.chain(partial(Count, config={"ttl": 10}), config={"on_error": "skip"})
        await feed(harness, ("a", 0), ("a", None))
        assert "the event has no time" in str(harness.errors[0].error)


@virtual_time
async def test_an_unknown_store_is_refused_when_the_pipeline_is_built():
    async with Harness() as harness:
        with pytest.raises(UnknownNameError, match="keyed store 'disk'"):
            counting(harness, {"store": "disk"})
