"""Windows in a pipeline, in a few words."""

from __future__ import annotations

from functools import partial

from bspump.testing import Harness
from bspump.window import EventTime, WindowAggregator

SKIP = {"on_error": "skip"}
NEVER = ["--set", "[checkpoint] interval=1000"]


def time(lateness=0):
    config = {"lateness": lateness, "max_skew": 0, "idle": 0}
    return partial(EventTime, time="at", config={**config, "format": "s"})


def windows(window, aggregate=None, **choices):
    aggregate = {"n": "count"} if aggregate is None else aggregate
    return partial(WindowAggregator, window=window, aggregate=aggregate, **choices)


def at(second, key="a", **fields):
    return {"at": second, "key": key, **fields}


async def said(part, events, lateness=0, *, is_ended=True):
    async with Harness() as harness:
        harness.chain(time(lateness), part, config=SKIP)
        harness.send(events)
        await harness.settle()
        if is_ended:
            await harness.finish()
        assert [failure.error for failure in harness.errors] == []
        return harness.out()


def short(found):
    """Return key, end in seconds, kind and count of firings; what is taken back is negative."""
    return [
        (e["key"], e["end_ms"] / 1000, e["firing"], -e["n"] if e.get("retracted") else e["n"])
        for e in found
    ]
