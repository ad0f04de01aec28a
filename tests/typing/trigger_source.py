"""A source that is started by a trigger, and one that runs by itself."""

from __future__ import annotations

from typing import Any, assert_type

import bspump
import bspump.abc.trigger


class Snapshots(bspump.TriggerSource):
    """Emits one event in each cycle, with the time."""

    async def cycle(self, *args: Any, **kwargs: Any) -> None:
        await self.Pipeline.ready()
        await self.process({"at": self.time()}, context={"from": self.Id})


class Ticks(bspump.Source):
    """Emits events until it is stopped."""

    async def main(self) -> None:
        while await self.Pipeline.ready():
            await self.Pipeline.process_many([1, 2, 3])
            await self.App.Clock.sleep(1.0)


class Sample(bspump.Pipeline):
    """Both of them."""

    def __init__(self, app: bspump.BSPumpApplication, pipeline_id: str) -> None:
        super().__init__(app, pipeline_id)
        source = Snapshots(app, self).on(bspump.abc.trigger.Trigger(app))
        assert_type(source, Snapshots)
        self.build([source, Ticks(app, self, id="Ticks")])
