"""Follow a file, count per key, write files: all of it exactly once."""

import sys

import bspump
import bspump.common
import bspump.file
from bspump.abc.state import PartState, Snapshot


class CountPerKey(bspump.Processor):
    """Adds to each event how many of its key there were: wrong if one is lost or comes twice."""

    def __init__(self, app, pipeline, id=None):
        super().__init__(app, pipeline, id)
        self.Counts = {}
        self._changed = set()

    def process(self, context, event):
        key = event["key"]
        count = self.Counts[key] = self.Counts.get(key, 0) + 1
        self._changed.add(key)
        return {**event, "count": count}

    def snapshot(self):
        if not self._changed:
            return None
        changed = {key: self.Counts[key] for key in self._changed}
        self._changed.clear()
        return Snapshot(changed=changed)

    def restore(self, state: PartState):
        self.Counts = dict(state.keyed)


class Copy(bspump.Pipeline):
    def __init__(self, app, source, sink):
        super().__init__(app, "Copy")
        self.build(
            bspump.file.TailSource(app, self, config={"path": source, "idle": 0.01}),
            bspump.common.BytesJsonParser(app, self),
            CountPerKey(app, self),
            bspump.file.FileSink(
                app, self, config={"path": sink, "codec": "json", "rotate.max_events": 700}
            ),
        )


def main(source, sink, directory):
    settings = ["--set", f"[general] var_dir={directory}", "--set", "[checkpoint] interval=0.1"]
    app = bspump.BSPumpApplication(args=settings)
    app.PumpService.add_pipeline(Copy(app, source, sink))
    return app.run()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
