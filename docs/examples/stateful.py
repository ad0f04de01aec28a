"""Adds to each order what its customer has spent so far; right also after a crash.

Lines that are added to `orders.ndjson` are followed. What was spent, and how far the file was
read, are in `data` with every checkpoint.
"""

from __future__ import annotations

import sys
from typing import Any

import bspump
import bspump.file
from bspump.abc.state import PartState, Snapshot


class Totals(bspump.Processor):
    """Remembers the sum of each customer."""

    def __init__(self, app: Any, pipeline: Any) -> None:
        super().__init__(app, pipeline)
        self.Totals: dict[str, int] = {}
        self._changed: set[str] = set()

    def process(self, context: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
        customer = event["customer"]
        total = self.Totals[customer] = self.Totals.get(customer, 0) + event["cents"]
        self._changed.add(customer)
        return {**event, "total_cents": total}

    def snapshot(self) -> Snapshot | None:
        if not self._changed:
            return None
        changed = {customer: self.Totals[customer] for customer in self._changed}
        self._changed.clear()
        return Snapshot(version=1, changed=changed)

    def restore(self, state: PartState, /) -> None:
        self.Totals = dict(state.keyed)


class Orders(bspump.Pipeline):
    """From lines to lines."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.build(
            bspump.file.TailSource(app, self, config={"path": "orders.ndjson", "codec": "json"}),
            Totals(app, self),
            bspump.file.FileSink(app, self, config={"path": "totals.ndjson", "codec": "json"}),
        )


if __name__ == "__main__":
    application = bspump.BSPumpApplication(["--set", "[general] var_dir=data", *sys.argv[1:]])
    application.PumpService.add_pipeline(Orders(application))
    sys.exit(application.run())
