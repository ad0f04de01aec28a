"""Watches the machine it runs on: a line each second, and a warning when something gets full.

It runs until Ctrl-C. What counts as full can be set::

    python examples/host/main.py --set '[pipeline:Host:Thresholds] high=80'
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated, Any

from msgspec import Meta

import bspump
import bspump.common
import bspump.trigger
from bspump.abc.extras import require


class HostOptions(bspump.Options, frozen=True, kw_only=True):
    """What the source can be told."""

    interval: Annotated[str, Meta(description="Time between two samples.")] = "1s"
    samples: Annotated[int, Meta(ge=0, description="Then it ends; 0: never.")] = 0
    disk: Annotated[str, Meta(description="A path on the file system to be watched.")] = "/"


class HostSource(bspump.TriggerSource):
    """Emit a dict with shares in percent and totals in bytes, once per cycle."""

    OptionsClass = HostOptions
    Options: HostOptions

    def __init__(self, app: Any, pipeline: Any) -> None:
        super().__init__(app, pipeline)
        self._psutil = require("psutil", extra="demo")
        self._count = 0
        self.on(bspump.trigger.PeriodicTrigger(app, self.Options.interval))

    async def cycle(self, *args: Any, **kwargs: Any) -> None:
        await self.process(self.sample())
        self._count += 1
        if self.is_finished():
            self.Pipeline.check_finished()

    def is_finished(self) -> bool:
        return 0 < self.Options.samples <= self._count

    def sample(self) -> dict[str, Any]:
        """Return what there is to say now; none of these calls waits."""
        psutil = self._psutil
        disks, network = psutil.disk_io_counters(), psutil.net_io_counters()
        return {
            "time": self.time(),
            "cpu": psutil.cpu_percent(),
            "memory": psutil.virtual_memory().percent,
            "disk": psutil.disk_usage(self.Options.disk).percent,
            "read": disks.read_bytes if disks else 0,
            "written": disks.write_bytes if disks else 0,
            "received": network.bytes_recv if network else 0,
            "sent": network.bytes_sent if network else 0,
        }


class Rates(bspump.Processor):
    """Turn totals into bytes per second, by the sample before; the first one goes no further."""

    FIELDS = ("read", "written", "received", "sent")

    def __init__(self, app: Any, pipeline: Any) -> None:
        super().__init__(app, pipeline)
        self._before: dict[str, Any] | None = None

    def process(self, context: dict[str, Any], event: dict[str, Any], /) -> dict[str, Any] | None:
        before, self._before = self._before, event
        if before is None or event["time"] <= before["time"]:
            return None
        seconds = event["time"] - before["time"]
        # A total that went back belongs to a device that is gone.
        rates = {name: max(0, event[name] - before[name]) / seconds for name in self.FIELDS}
        return {**event, **rates}


class ThresholdOptions(bspump.Options, frozen=True, kw_only=True):
    """When something is full, and when it is not any more."""

    high: Annotated[float, Meta(ge=0, le=100, description="Percent at which it begins.")] = 90.0
    low: Annotated[float, Meta(ge=0, le=100, description="Percent below which it ends.")] = 75.0


class Thresholds(bspump.Processor):
    """Say once when a share gets high, and once when it is low again; `alerts` are the high ones.

    What is between the two thresholds changes nothing, so that a share that trembles around one
    of them is no news.
    """

    OptionsClass = ThresholdOptions
    Options: ThresholdOptions

    def __init__(self, app: Any, pipeline: Any) -> None:
        super().__init__(app, pipeline)
        self._high: set[str] = set()

    def process(self, context: dict[str, Any], event: dict[str, Any], /) -> dict[str, Any]:
        for name in ("cpu", "memory", "disk"):
            percent = event[name]
            if name not in self._high and percent >= self.Options.high:
                self._high.add(name)
                self.Pipeline.L.warning("is high", what=name, percent=percent)
            elif name in self._high and percent < self.Options.low:
                self._high.remove(name)
                self.Pipeline.L.info("is low again", what=name, percent=percent)
        return {**event, "alerts": sorted(self._high)}


def as_line(context: dict[str, Any], event: dict[str, Any]) -> str:
    """Return a line for people."""
    time = datetime.fromtimestamp(event["time"], UTC).astimezone()
    shares = "  ".join(f"{name} {event[name]:.1f} %" for name in ("cpu", "memory", "disk"))
    rates = "  ".join(f"{name} {event[name] / 1e6:.2f}" for name in Rates.FIELDS)
    alerts = f"  HIGH: {', '.join(event['alerts'])}" if event["alerts"] else ""
    return f"{time:%H:%M:%S}  {shares}  MB/s: {rates}{alerts}"


class Host(bspump.Pipeline):
    """From samples to lines."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.build(
            HostSource(app, self),
            Rates(app, self),
            Thresholds(app, self),
            as_line,
            bspump.common.PrintSink(app, self),
        )


if __name__ == "__main__":
    application = bspump.BSPumpApplication()
    application.PumpService.add_pipeline(Host(application))
    sys.exit(application.run())
