"""The processor in the real engine: crashes, checkpoints, and the promises of all processors."""

from __future__ import annotations

import random
from functools import partial

import pytest

from bspump.abc.errors import ConfigError
from bspump.abc.event_time import EVENT_TIME, WATERMARK
from bspump.abc.state import PartState
from bspump.anomaly import AnomalyDetector, HalfSpaceTrees, HoltWinters, RobustZScore, ZScore
from bspump.testing import (
    Harness,
    MemorySource,
    MemoryTable,
    MemoryTwoPhaseSink,
    crash_everywhere,
    slow,
    virtual_time,
)
from bspump.testing.contracts import ProcessorContract, ProcessorTarget

CONFIG = {
    "key": "key",
    "time": "at",
    "warm_up": 3,
    "incident.cool_down": "5s",
    "max_keys": 3,
}


def readings():
    rng = random.Random(21)
    given = [
        {
            "key": rng.choice("aabbcd"),
            "at": i * 1000,
            "value": rng.gauss(10, 1) + 40 * (i % 15 > 12),
        }
        for i in range(120)
    ]
    return [*given, {"key": "a", "at": 200_000, "value": 10.0}]


def detector(app, pipeline, **config):
    return AnomalyDetector(app, pipeline, lambda: RobustZScore(window=10), config=CONFIG | config)


def source(app, pipeline):
    made = MemorySource(app, pipeline, readings(), chunk_size=17)
    slow(made, 0.3, method="read")  # So there are several checkpoints on the way.
    return made


async def expected():
    async with Harness() as harness:
        harness.chain(partial(MemorySource, events=readings()), partial(detector))
        await harness.finish()
        return harness.out()


@virtual_time
async def test_a_crash_at_any_moment_changes_no_alert():
    alerts = await expected()
    assert len(alerts) > 6

    def build(harness, table):
        harness.chain(partial(source), partial(detector), partial(MemoryTwoPhaseSink, table=table))

    def check(table):
        assert table.Events == alerts

    turns = await crash_everywhere(MemoryTable, build, check, every=29)
    assert turns > 30


def state_of(part):
    snapshot = part.snapshot()
    return PartState(version=snapshot.version, value=snapshot.value, keyed=dict(snapshot.changed))


async def test_nothing_new_is_no_snapshot():
    async with Harness() as harness:
        pipeline = harness.chain(partial(detector))
        part = next(pipeline.iter_processors())
        assert part.snapshot() is None
        await pipeline.process_many(readings()[:10])
        assert len(part.snapshot().changed) == 3
        assert part.snapshot() is None
        await pipeline.process(readings()[10])
        assert list(part.snapshot().changed) == [readings()[10]["key"]]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (ZScore, RobustZScore),
        (lambda: HoltWinters(period=12), lambda: HoltWinters(period=24)),
        (lambda: HalfSpaceTrees(seed=1), lambda: HalfSpaceTrees(seed=2)),
        (lambda: HalfSpaceTrees({"x": (0, 1)}), lambda: HalfSpaceTrees({"x": (0, 2)})),
    ],
)
async def test_what_another_detector_learned_is_refused_with_a_way_out(before, after):
    async with Harness() as harness:
        pipeline = harness.chain(lambda context, event: event)
        first = AnomalyDetector(harness.app, pipeline, before)
        first.generate({}, {"value": 1.0}, 1)
        second = AnomalyDetector(harness.app, pipeline, after)
        with pytest.raises(ConfigError, match="of another detector") as caught:
            second.restore(state_of(first))
        assert "give this part another Id" in str(caught.value)


async def test_an_incident_that_was_kept_cools_down_without_another_event():
    config = {"warm_up": 5, "incident.cool_down": "10s"}
    make = partial(AnomalyDetector, detector=ZScore, config=config)
    async with Harness() as harness:
        first = make(harness.app, harness.chain(lambda context, event: event, id="First"))
        for at_s, value in enumerate([1.0, 2.0, 1.0, 2.0, 1.0, 50.0]):
            at_ms = at_s * 1000
            first.generate({EVENT_TIME: at_ms, WATERMARK: at_ms}, {"value": value}, 1)
        second = next(harness.chain(make, id="Second").iter_processors())
        second.restore(state_of(first))
        second.advance(15_000, 0)
        await harness.settle()
        (closed,) = harness.out("Second.Out")
        assert (closed["state"], closed["last_ms"]) == ("closed", 5000)


async def test_what_a_newer_version_learned_is_refused():
    class Newer(ZScore):
        version = 2

    Newer.__name__ = "ZScore"
    async with Harness() as harness:
        pipeline = harness.chain(lambda context, event: event)
        first = AnomalyDetector(harness.app, pipeline, Newer)
        first.generate({}, {"value": 1.0}, 1)
        second = AnomalyDetector(harness.app, pipeline, ZScore)
        with pytest.raises(ConfigError, match="of a newer version"):
            second.restore(state_of(first))


async def test_the_state_of_a_newer_processor_is_refused():
    class Newer(AnomalyDetector):
        Version = 2

    async with Harness() as harness:
        pipeline = harness.chain(lambda context, event: event)
        first = Newer(harness.app, pipeline)
        first.generate({}, {"value": 1.0}, 1)
        with pytest.raises(ConfigError, match="of version 2"):
            AnomalyDetector(harness.app, pipeline).restore(state_of(first))


async def test_arguments_that_have_no_part_in_what_was_learned_may_change():
    async with Harness() as harness:
        pipeline = harness.chain(lambda context, event: event)
        first = AnomalyDetector(harness.app, pipeline, lambda: RobustZScore(window=50))
        for value in range(40):
            first.generate({}, {"value": value}, 1)
        config = {"incident.min_events": 2, "threshold.enter": 9, "warm_up": 10}
        second = AnomalyDetector(
            harness.app, pipeline, lambda: RobustZScore(window=20), config=config
        )
        second.restore(state_of(first))
        second.generate({}, {"value": 40.0}, 1)
        (model,) = second._watch._models.values()
        assert model.detector.snapshot() == [float(n) for n in range(21, 41)]


async def test_fewer_keys_than_were_kept_keeps_those_seen_last():
    async with Harness() as harness:
        pipeline = harness.chain(lambda context, event: event)
        config = {"key": "key", "warm_up": 1}
        first = AnomalyDetector(harness.app, pipeline, ZScore, config=config)
        for key in "cabdba":
            first.generate({}, {"key": key, "value": 1.0}, 1)
        second = AnomalyDetector(harness.app, pipeline, ZScore, config=config | {"max_keys": 2})
        second.restore(state_of(first))
        assert list(second._watch._models) == ["b", "a"]
        second.generate({}, {"key": "a", "value": 1.0}, 1)
        assert second.snapshot().removed == {"c", "d"}


class TestAlerts(ProcessorContract):
    @pytest.fixture
    def target(self):
        return ProcessorTarget(make=detector, events=readings())


class TestAnnotatedEvents(ProcessorContract):
    @pytest.fixture
    def target(self):
        return ProcessorTarget(
            make=partial(detector, emit="events", key=""), events=readings(), broken=["text", 7]
        )
