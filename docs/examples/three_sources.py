"""A pipeline with three sources: whatever comes by TCP, by UDP or in files is printed.

What comes by any of them goes the same way, and the order of each is kept.
"""

from __future__ import annotations

import sys
from typing import Any

import bspump
import bspump.common
import bspump.file
import bspump.socket
import bspump.trigger


class MyPipeline(bspump.Pipeline):
    """Counts everything, and forgets it."""

    def __init__(self, app: Any, pipeline_id: str | None = None) -> None:
        super().__init__(app, pipeline_id)
        self.build(
            [
                bspump.socket.TCPSource(app, self, id="TCP"),
                bspump.socket.UDPSource(app, self, id="UDP"),
                bspump.file.FileLineSource(app, self, config={"path": "in/*.log"}).on(
                    bspump.trigger.OpportunisticTrigger(app)
                ),
            ],
            bspump.common.PrintProcessor(app, self),
            bspump.common.NullSink(app, self),
        )


if __name__ == "__main__":
    app = bspump.BSPumpApplication()
    svc = app.get_service("bspump.PumpService")
    svc.add_pipeline(MyPipeline(app))
    sys.exit(app.run())
