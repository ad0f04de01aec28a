from __future__ import annotations

from datetime import UTC, datetime

import pytest

import bspump
from bspump.abc.errors import ConfigError
from bspump.common import NullSink
from bspump.testing import Harness, virtual_time
from bspump.trigger import (
    CronTrigger,
    OpportunisticTrigger,
    PeriodicTrigger,
    PubSubTrigger,
    RunOnceTrigger,
    Trigger,
)

START = datetime(2024, 3, 30, 11, 59, 30, tzinfo=UTC).timestamp()


class Cycles(bspump.TriggerSource):
    """Notes when its cycles begin; each takes as long as it is told."""

    def __init__(self, app, pipeline, id=None, config=None, *, duration_s=0.0):
        super().__init__(app, pipeline, id, config)
        self.At = []
        self.DurationS = duration_s

    async def cycle(self):
        self.At.append(self.App.Clock.monotonic())
        await self.App.Clock.sleep(self.DurationS)


def source_of(harness, *triggers, id="Test", **kwargs):
    pipeline = bspump.Pipeline(harness.app, id)
    source = Cycles(harness.app, pipeline, **kwargs)
    for trigger in triggers:
        source.on(trigger)
    pipeline.build(source, NullSink(harness.app, pipeline))
    harness.pipeline(pipeline)
    return source


@virtual_time
async def test_a_periodic_trigger_fires_at_multiples_of_its_interval():
    harness = Harness()
    source = source_of(harness, PeriodicTrigger(harness.app, "2500ms"))
    async with harness:
        await harness.advance(10)
        assert source.At == [2.5, 5.0, 7.5, 10.0]


@virtual_time
async def test_long_cycles_absorb_what_fires_meanwhile_and_move_nothing():
    async with Harness() as harness:
        source = source_of(harness, PeriodicTrigger(harness.app, 2), duration_s=2.5)
        await harness.advance(13)
        assert source.At == [2, 6, 10]


@virtual_time
async def test_a_busy_loop_leaves_out_what_it_has_missed():
    async with Harness() as harness:

        class Late(PeriodicTrigger):
            def fire(self):
                super().fire()
                if len(fired) == 1:
                    # As if the loop had been blocked: time goes on, nothing runs.
                    harness.app.Clock.monotonic = lambda: real() + 3.5
                fired.append(real())

        fired, real = [], harness.app.Clock.monotonic
        source_of(harness, Late(harness.app, 1))
        await harness.advance(8)
        assert fired[:2] == [1.0, 2.0]
        assert fired[2] == pytest.approx(2.5)
        assert fired[3] == pytest.approx(3.5)


@virtual_time
async def test_without_an_interval_it_fires_each_second():
    async with Harness() as harness:
        source = source_of(harness, PeriodicTrigger(harness.app))
        await harness.advance(3)
        assert source.At == [1, 2, 3]


@virtual_time
@pytest.mark.parametrize("interval", [0, -1, "soon"])
async def test_a_wrong_interval_is_refused(interval):
    with pytest.raises(ConfigError, match=r"PeriodicTrigger: interval: .*got"):
        PeriodicTrigger(Harness().app, interval)


@virtual_time
async def test_a_trigger_that_was_closed_fires_no_more():
    async with Harness() as harness:
        triggers = [
            PeriodicTrigger(harness.app, 1),
            PubSubTrigger(harness.app, "go!"),
            OpportunisticTrigger(harness.app, run_immediately=False, chilldown_period=0),
            CronTrigger(harness.app, "* * * * * *"),
            RunOnceTrigger(harness.app),
        ]
        source = source_of(harness, *triggers[:4])
        await harness.idle()
        for trigger in triggers:
            trigger.close()
        harness.app.PubSub.publish("go!")
        await harness.advance(10)
        assert source.At == []


@virtual_time
@pytest.mark.parametrize(
    ("schedule", "timezone", "expected_s"),
    [
        ("* * * * *", "UTC", [30, 90]),
        ("*/15 * * * * *", "UTC", [15, 30, 45, 60, 75, 90]),
        ("0 13 * * *", "Europe/Prague", [30]),
        ("0 12 * * SUN", "UTC", []),
    ],
)
async def test_a_cron_trigger_fires_when_the_expression_says(schedule, timezone, expected_s):
    async with Harness(start_s=START) as harness:
        source = source_of(harness, CronTrigger(harness.app, schedule, timezone))
        await harness.advance(100)
        assert source.At == pytest.approx(expected_s)


@virtual_time
async def test_a_cron_trigger_follows_the_clocks_of_its_zone():
    """On 31 March 2024 the clocks of Prague went from 02:00 to 03:00."""
    async with Harness(start_s=START) as harness:
        source = source_of(harness, CronTrigger(harness.app, "0 12 * * *", "Europe/Prague"))
        await harness.advance(3 * 86400)
        fired = [datetime.fromtimestamp(START + at, UTC).isoformat()[:16] for at in source.At]
        assert fired == ["2024-03-31T10:00", "2024-04-01T10:00", "2024-04-02T10:00"]


@virtual_time
@pytest.mark.parametrize(
    ("schedule", "timezone", "message"),
    [
        ("soon", "UTC", "expected a cron expression such as"),
        ("0 0 30 2 *", "UTC", "expected a cron expression such as"),
        ("* * * * *", "Mars/Olympus", "no time zone 'Mars/Olympus'"),
    ],
)
async def test_a_wrong_schedule_is_refused(schedule, timezone, message):
    with pytest.raises(ConfigError, match=message):
        CronTrigger(Harness().app, schedule, timezone)


@virtual_time
async def test_an_opportunistic_trigger_fires_at_once_and_when_a_cycle_is_done():
    async with Harness() as harness:
        trigger = OpportunisticTrigger(harness.app, chilldown_period="2500ms")
        source = source_of(harness, trigger, duration_s=4)
        await harness.advance(13)
        assert source.At == [0, 4, 8, 12]


@virtual_time
async def test_an_opportunistic_trigger_rests_between_two_firings():
    async with Harness() as harness:
        source = source_of(harness, OpportunisticTrigger(harness.app))
        await harness.advance(16)
        assert source.At == [0, 5, 10, 15]


@virtual_time
async def test_an_opportunistic_trigger_may_wait_for_the_first_tick():
    async with Harness() as harness:
        trigger = OpportunisticTrigger(harness.app, run_immediately=False, chilldown_period=10)
        source = source_of(harness, trigger)
        await harness.advance(5)
        assert source.At == [1]


@virtual_time
async def test_a_message_fires_whatever_it_carries():
    harness = Harness()
    source = source_of(harness, PubSubTrigger(harness.app, "go!"))
    async with harness:
        await harness.idle()
        harness.app.PubSub.publish("go!")
        await harness.idle()
        harness.app.PubSub.publish("go!", 1, two=2)
        await harness.idle()
        harness.app.PubSub.publish("other!")
        await harness.idle()
        assert len(source.At) == 2


@virtual_time
async def test_several_messages_of_any_pubsub_may_fire():
    async with Harness() as harness:
        pipeline = harness.chain(id="Other")
        trigger = PubSubTrigger(harness.app, ["a!", "b!"], pipeline.PubSub)
        source = source_of(harness, trigger)
        await harness.idle()
        for message in ("a!", "b!"):
            pipeline.PubSub.publish(message, pipeline=pipeline)
            await harness.idle()
        harness.app.PubSub.publish("a!")
        await harness.idle()
        assert len(source.At) == 2


@virtual_time
async def test_a_trigger_on_the_start_of_the_application_fires():
    harness = Harness()
    source = source_of(harness, PubSubTrigger(harness.app, "Application.run!"))
    async with harness:
        await harness.idle()
        assert len(source.At) == 1


@virtual_time
async def test_run_once_stops_the_application_when_all_cycles_are_done():
    harness = Harness()
    trigger = RunOnceTrigger(harness.app)
    sources = [
        source_of(harness, trigger, id=f"P{seconds}", duration_s=seconds) for seconds in (1, 5)
    ]
    await harness.app.run_async()
    assert [source.At for source in sources] == [[0], [0]]
    assert harness.app.Clock.monotonic() == pytest.approx(5, abs=0.1)


@virtual_time
async def test_an_application_that_never_runs_leaves_nothing_behind():
    harness = Harness()
    for trigger in (PeriodicTrigger(harness.app, 1), CronTrigger(harness.app, "* * * * *")):
        source_of(harness, trigger, id=trigger.Id)


@virtual_time
@pytest.mark.parametrize(
    ("cls", "args"),
    [
        (Trigger, {"max_triggered": 2}),
        (PeriodicTrigger, {"interval": 2}),
        (CronTrigger, {"schedule": "* * * * *", "timezone": "Europe/Prague"}),
        (PubSubTrigger, {"message_types": "go!"}),
        (OpportunisticTrigger, {"chilldown_period": 0.5}),
        (RunOnceTrigger, {}),
    ],
)
async def test_an_id_is_an_id_and_nothing_else(cls, args):
    app = Harness().app
    for trigger in (
        cls(app, **args, id="Mine"),
        cls.construct(app, {"id": "Mine", "args": args}),
    ):
        assert trigger.Id == "Mine"
        assert trigger.MaxTriggered == args.get("max_triggered")
        trigger.fire()
        trigger.close()
    assert cls(app, **args).Id == cls.__name__
    if cls is not Trigger and cls not in (CronTrigger, PubSubTrigger):
        assert cls.construct(app, {}).Id == cls.__name__
