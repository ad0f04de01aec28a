"""A processor that declares options: they are typed, and so are context and event."""

from __future__ import annotations

from typing import Annotated, Any, assert_type

from msgspec import Meta

import bspump
from bspump.abc.options import Duration, Size


class ThresholdOptions(bspump.Options, frozen=True, kw_only=True):
    """What the processor can be told."""

    threshold: Annotated[int, Meta(ge=0, description="Smaller values are dropped.")] = 10
    age: Duration = 60.0
    memory: Size | None = None


class Threshold(bspump.Processor):
    """Drops events whose value is small."""

    OptionsClass = ThresholdOptions
    Options: ThresholdOptions

    def process(self, context: dict[str, Any], event: dict[str, Any]) -> dict[str, Any] | None:
        assert_type(self.Options.threshold, int)
        assert_type(self.Options.age, float)
        assert_type(self.Options.memory, int | None)
        assert_type(self.Config.getseconds("age"), float)
        self.Options.thresholt  # type: ignore[attr-defined]  # noqa: B018 - it must not pass
        return event if event["value"] >= self.Options.threshold else None


class Counting(bspump.Processor):
    """Has no options; reads what it needs of its `Config`."""

    ConfigDefaults = {"start": 0}

    def __init__(
        self,
        app: bspump.BSPumpApplication,
        pipeline: bspump.Pipeline,
        id: str | None = None,
        config: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.Count = self.Config.getint("start")

    def process(self, context: dict[str, Any], event: Any) -> Any:
        self.Count += 1
        context["count"] = self.Count
        return event


class Sample(bspump.Pipeline):
    """Takes bytes, numbers or both at once."""

    def __init__(self, app: bspump.BSPumpApplication, pipeline_id: str) -> None:
        super().__init__(app, pipeline_id)
        self.build([], Threshold(app, self, config={"threshold": 5}), Counting(app, self))


def main() -> int:
    """Run it."""
    app = bspump.BSPumpApplication(args=[])
    app.PumpService.add_pipeline(Sample(app, "Sample"))
    assert_type(app.run(), int)
    return app.run()
