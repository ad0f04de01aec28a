from __future__ import annotations

import asyncio
import time
from datetime import datetime

import bspump
from bspump.core.ticks import TICKS, next_housekeeping
from bspump.testing import Harness, virtual_time


class Listener:
    """Notes the messages that it hears, and when."""

    def __init__(self, app, *messages):
        self.Heard = []
        self._now = app.Clock.monotonic
        self._begin = self._now()
        for message in messages:
            app.PubSub.subscribe(message, self.note)

    def note(self, message):
        self.Heard.append((message, self._now() - self._begin))

    def count(self, message):
        return sum(heard == message for heard, _ in self.Heard)


@virtual_time
async def test_there_is_a_tick_each_second_and_slower_ones():
    async with Harness() as harness:
        names = ["Application.tick!", *(f"Application.tick/{n}!" for n in TICKS)]
        listener = Listener(harness.app, *names)
        await harness.advance(3600.5)
        assert [listener.count(name) for name in names] == [3600, 360, 60, 12, 6, 2, 1, 0, 0]
        seconds = [at for name, at in listener.Heard if name == "Application.tick!"]
        assert max(abs(at - n) for n, at in enumerate(seconds, start=1)) < 0.001


@virtual_time
async def test_ticks_that_a_busy_loop_has_missed_are_left_out():
    async with Harness() as harness:
        names = ["Application.tick!", "Application.tick/10!"]
        listener = Listener(harness.app, *names)
        await harness.advance(1.5)
        # The loop is busy: time passes and nobody is woken.
        harness.app.Loop._now_s += 25.0
        await harness.advance(2)
        assert listener.count("Application.tick!") == 1 + 1 + 2
        assert listener.count("Application.tick/10!") == 1


@virtual_time
async def test_housekeeping_comes_once_at_three_in_the_morning():
    three = next_housekeeping(1_700_000_000.0)
    assert datetime.fromtimestamp(three).astimezone().strftime("%H:%M:%S") == "03:00:00"
    async with Harness(start_s=three - 10) as harness:
        listener = Listener(harness.app, "Application.housekeeping!")
        await harness.advance(9)
        assert listener.Heard == []
        await harness.advance(60)
        assert listener.count("Application.housekeeping!") == 1


def test_the_next_housekeeping_is_never_now():
    due = next_housekeeping(1_700_000_000.0)
    assert 0 < due - 1_700_000_000 <= 86_400
    assert next_housekeeping(due) - due in (82_800, 86_400, 90_000)


async def test_a_source_that_never_waits_leaves_others_their_turn():
    class Greedy(bspump.Source):
        async def main(self):
            while True:
                await self.Pipeline.process_many([0] * 1000)

    class GreedySingly(bspump.Source):
        async def main(self):
            while True:
                await self.Pipeline.process(0)

    def work(context, event):
        for _ in range(20):
            event += 1
        return event

    class Forget(bspump.Sink):
        def process(self, context, event):
            pass

    for source in (Greedy, GreedySingly):
        app = bspump.BSPumpApplication(args=[])
        pipeline = bspump.Pipeline(app, "Tested")
        pipeline.build(source(app, pipeline), work, Forget(app, pipeline))
        app.PumpService.add_pipeline(pipeline)
        spent_s = []
        async with app.running():
            # What a timer that is due has to wait for is one turn of the loop. In time of the
            # processor, for the machine may be busy with something else.
            for _ in range(50):
                before = time.process_time()
                await asyncio.sleep(0)
                spent_s.append(time.process_time() - before)
            assert max(spent_s) < 0.05
            assert pipeline.under_way() == 0
            app.MetricsService.collect()
            assert pipeline.MetricsCounter.values["event.in"] > 1000
