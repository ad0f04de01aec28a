from __future__ import annotations

from functools import partial

import pytest

from bspump.abc.errors import ConfigError
from bspump.abc.trigger import Trigger
from bspump.random import RandomDrop, RandomEnricher, RandomSource
from bspump.testing import Harness, virtual_time


async def one_cycle(choice=None, seed=None, **config):
    async with Harness() as harness:
        pipeline = harness.chain(partial(RandomSource, choice=choice, config=config))
        source = pipeline.Sources[0]
        source.Random.seed(seed)
        trigger = Trigger(harness.app)
        source.on(trigger)
        trigger.fire()
        began_at = harness.app.Clock.monotonic()
        while source.TriggerEvent.is_set():
            await harness.advance(0.001)
        return harness.out(), harness.app.Clock.monotonic() - began_at


@virtual_time
async def test_a_cycle_brings_the_number_of_values_that_is_asked_for():
    out, _ = await one_cycle(number="2500", lower_bound="5", upper_bound="7")
    assert len(out) == 2500
    assert set(out) == {5, 6, 7}


@virtual_time
async def test_values_are_drawn_from_a_choice_and_put_into_a_field():
    out, _ = await one_cycle(choice=["a", "b"], number=100, field="letter")
    assert {tuple(event.items()) for event in out} == {(("letter", "a"),), (("letter", "b"),)}


@virtual_time
async def test_a_seed_brings_the_same_values_again():
    assert (await one_cycle(seed=1))[0] == (await one_cycle(seed=1))[0]
    assert (await one_cycle(seed=1))[0] != (await one_cycle(seed=2))[0]


@virtual_time
async def test_it_rests_after_every_so_many_events():
    _, duration_s = await one_cycle(number=50, events_till_idle=10, event_idle_time="2s")
    assert duration_s == pytest.approx(8, abs=0.01)


@virtual_time
async def test_none_may_be_asked_for():
    assert (await one_cycle(number=0))[0] == []


async def passed(part, events, seed=1):
    async with Harness() as harness:
        pipeline = harness.chain(part)
        name = getattr(part, "func", part).__name__
        pipeline.locate_processor(name).Random.seed(seed)
        harness.send(events)
        await harness.settle()
        return harness.out()


@virtual_time
async def test_an_event_gets_a_random_field_and_stays_as_it_was():
    event = {"a": 1}
    out = await passed(partial(RandomEnricher, config={"upper_bound": 0}), [event])
    assert (out, event) == ([{"a": 1, "enriched_field": 0}], {"a": 1})
    out = await passed(partial(RandomEnricher, choice="x", config={"field": "f"}), [event])
    assert out == [{"a": 1, "f": "x"}]


@virtual_time
@pytest.mark.parametrize(
    ("threshold", "lowest", "highest"), [("0", 1000, 1000), ("1", 0, 0), ("0.25", 700, 800)]
)
async def test_the_share_that_is_asked_for_is_dropped(threshold, lowest, highest):
    out = await passed(partial(RandomDrop, config={"threshold": threshold}), list(range(1000)))
    assert lowest <= len(out) <= highest
    assert out == sorted(out)


@virtual_time
@pytest.mark.parametrize("part", [RandomSource, RandomEnricher])
async def test_there_must_be_something_to_draw_from(part):
    async with Harness() as harness:
        with pytest.raises(ConfigError, match="lower_bound: expected at most upper_bound=1, got 2"):
            harness.chain(partial(part, config={"lower_bound": 2, "upper_bound": 1}))
        with pytest.raises(ConfigError, match="choice: expected one value or more"):
            harness.chain(partial(part, choice=[]))
