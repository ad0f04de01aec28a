from __future__ import annotations

from functools import partial

import pytest

from bspump.abc.trigger import Trigger
from bspump.common import IteratorGenerator, IteratorSource
from bspump.testing import Harness, virtual_time


@virtual_time
async def test_without_a_trigger_the_items_come_once_and_the_application_ends():
    harness = Harness()
    harness.chain(partial(IteratorSource, iterator=range(2500)))
    exit_code = await harness.app.run_async()
    assert exit_code == 0
    assert harness.out() == list(range(2500))


@virtual_time
async def test_bounded_input_shows_its_progress():
    async with Harness() as harness:
        pipeline = harness.chain(partial(IteratorSource, iterator=range(2500)))
        assert pipeline.Sources[0].progress() == (0, 2500, "events")
        await harness.finish()
        assert pipeline.Sources[0].progress() == (2500, 2500, "events")
        other = harness.chain(partial(IteratorSource, iterator=iter("ab")), id="Other")
        await harness.finish()
        assert other.Sources[0].progress() == (2, None, "events")
        assert IteratorSource(harness.app, other, []).on(Trigger(harness.app)).progress() is None


@virtual_time
async def test_an_error_does_not_make_it_begin_again():
    def fail_on_three(context, event):
        if event == 3:
            raise ValueError("three")
        return event

    async with Harness() as harness:
        pipeline = harness.chain(partial(IteratorSource, iterator=list(range(6))), fail_on_three)
        await harness.idle()
        assert pipeline.has_error()
        assert len(harness.errors) == 1
        pipeline.set_error(None, None, None)
        await harness.finish()
        assert harness.out() == [0, 1, 2, 4, 5]


@pytest.mark.parametrize(
    ("items", "expected"),
    [([1, 2], [1, 2, 1, 2]), (iter([1, 2]), [1, 2])],
    ids=["a list comes in every cycle", "an iterator is used up"],
)
def test_with_a_trigger_the_items_come_in_its_cycles(items, expected):
    @virtual_time
    async def run():
        async with Harness() as harness:
            trigger = Trigger(harness.app)

            pipeline = harness.chain(partial(IteratorSource, iterator=items))
            pipeline.Sources[0].on(trigger)
            await harness.idle()
            assert harness.out() == []
            for _ in range(2):
                trigger.fire()
                await harness.idle()
            assert harness.out() == expected

    run()


@virtual_time
async def test_items_are_taken_as_the_pipeline_has_room():
    taken = []

    def endless():
        while True:
            taken.append(len(taken))
            yield taken[-1]

    async with Harness() as harness:
        seen = []

        def stop_soon(context, event):
            seen.append(event)
            if event == 10:
                pipeline.throttle("test", True)
            return event

        pipeline = harness.chain(partial(IteratorSource, iterator=endless()), stop_soon)
        await harness.idle()
        assert seen == list(range(11))
        assert len(taken) <= 1000
        pipeline.throttle("test", False)


def test_an_iterable_event_becomes_its_items(through):
    out, errors = through(IteratorGenerator, events=[[1, 2], "ab", (), {"k": 1}, 42])
    assert out == [1, 2, "a", "b", "k"]
    assert [type(error) for error in errors] == [TypeError]
