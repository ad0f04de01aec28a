"""A source of one's own that is started by a trigger, and has a client session for all cycles."""

from __future__ import annotations

import sys
from typing import Any

import aiohttp

import bspump
import bspump.common
import bspump.trigger


class StatusSource(bspump.TriggerSource):
    """Emit the status of a page, once per cycle."""

    ConfigDefaults = {"url": "http://127.0.0.1:8080/"}

    async def main(self) -> None:
        async with aiohttp.ClientSession() as session:
            await super().main(session)

    async def cycle(self, session: aiohttp.ClientSession) -> None:
        async with session.get(self.Config["url"]) as response:
            await self.process({"url": str(response.url), "status": response.status})


class StatusPipeline(bspump.Pipeline):
    """From statuses to lines."""

    def __init__(self, app: Any, pipeline_id: str | None = None) -> None:
        super().__init__(app, pipeline_id)
        self.build(
            StatusSource(app, self).on(
                bspump.trigger.OpportunisticTrigger(app, chilldown_period="500ms")
            ),
            bspump.common.PrintSink(app, self),
        )


if __name__ == "__main__":
    app = bspump.BSPumpApplication()
    svc = app.get_service("bspump.PumpService")
    svc.add_pipeline(StatusPipeline(app))
    sys.exit(app.run())
