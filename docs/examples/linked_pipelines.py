"""One pipeline reads and another one writes; a queue is between them.

A slow writer holds the reader back when the queue is nearly full. When the file has been read
and everything was written, the program ends.
"""

from __future__ import annotations

import sys
from typing import Any

import bspump
import bspump.common
import bspump.file


class Reader(bspump.Pipeline):
    """Reads lines of JSON, and sends them to the writer."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.build(
            bspump.file.FileSource(app, self, config={"path": "in.ndjson", "codec": "json"}),
            bspump.common.RouterSink(app, self, config={"target": "Writer.*InternalSource"}),
        )


class Writer(bspump.Pipeline):
    """Numbers what it gets, and writes it."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self._number = 0
        self.build(
            bspump.common.InternalSource(app, self),
            self.numbered,
            bspump.file.FileSink(app, self, config={"path": "out.ndjson", "codec": "json"}),
        )

    def numbered(self, context: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
        """Add a number; `context["ancestor"]` would be the context of the reader."""
        self._number += 1
        return {"number": self._number, **event}


if __name__ == "__main__":
    application = bspump.BSPumpApplication()
    application.PumpService.add_pipelines(Reader(application), Writer(application))
    sys.exit(application.run())
