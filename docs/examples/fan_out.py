"""One stream, several ways: a copy of everything is archived, and each country gets its file."""

from __future__ import annotations

import sys
from typing import Any

import bspump
import bspump.common
import bspump.file


class ByCountry(bspump.common.RouterSink):
    """Send an event to the pipeline of its country, or to the one for all others."""

    COUNTRIES = ("cz", "de")

    def process(self, context: dict[str, Any], event: dict[str, Any], /) -> None:
        country = event["country"] if event["country"] in self.COUNTRIES else "others"
        self.route(context, event, f"{country}.*InternalSource")


class Orders(bspump.Pipeline):
    """Reads the orders; what passes the TeeProcessor goes to the archive too."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.build(
            bspump.file.FileSource(app, self, config={"path": "in.ndjson", "codec": "json"}),
            bspump.common.TeeProcessor(app, self),
            ByCountry(app, self),
        )


class ToFile(bspump.Pipeline):
    """Writes what its source gets to `<id>.ndjson`."""

    def __init__(self, app: Any, id: str, source_class: Any) -> None:
        super().__init__(app, id)
        self.Source = source_class(app, self)
        config = {"path": "{pipeline}.ndjson", "codec": "json"}
        self.build(self.Source, bspump.file.FileSink(app, self, config=config))


if __name__ == "__main__":
    application = bspump.BSPumpApplication()
    service = application.PumpService
    service.add_pipeline(Orders(application))
    for name in (*ByCountry.COUNTRIES, "others"):
        service.add_pipeline(ToFile(application, name, bspump.common.InternalSource))
    archive = ToFile(application, "archive", bspump.common.TeeSource)
    archive.Source.bind("Orders.TeeProcessor")
    service.add_pipeline(archive)
    sys.exit(application.run())
