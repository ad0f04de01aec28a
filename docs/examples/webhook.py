"""Takes JSON by POST, and says 200 only when it is on the disk.

    curl -d '{"order": 7}' http://127.0.0.1:8080/

Whoever sends repeats what was not answered by 200, so that nothing is lost.
"""

from __future__ import annotations

import sys
from typing import Any

import bspump
import bspump.file
import bspump.http


class Orders(bspump.Pipeline):
    """From requests to lines of JSON."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.build(
            bspump.http.HTTPServerSource(app, self),
            self.stamped,
            bspump.file.FileSink(
                app,
                self,
                config={
                    "path": "orders.ndjson",
                    "codec": "json",
                    "append": True,
                    "batch.max_age": "10ms",
                },
            ),
        )

    def stamped(self, context: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
        """Add when it came; what is no order is refused, by 422."""
        if not isinstance(event, dict) or "order" not in event:
            raise bspump.RejectedError(f"expected an `order`, got {event!r}")
        return {**event, "received_at": self.App.time()}

    def handle_error(self, exception: BaseException, context: Any, event: Any) -> bool:
        return isinstance(exception, bspump.RejectedError)


if __name__ == "__main__":
    application = bspump.BSPumpApplication()
    application.PumpService.add_pipeline(Orders(application))
    sys.exit(application.run())
