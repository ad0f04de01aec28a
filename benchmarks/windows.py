"""What aggregation by key and window costs, against loops with a dict that give the same answer.

The pipeline is `EventTime` and `WindowAggregator`; lists of events go in, nothing goes out. The
loops are given the same events; they keep the watermark, count what is late, and close what time
has passed. Both are checked to have said the same.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Any

from _measure import cpu_ns, cpu_ns_awaited, heading, in_turns, row

import bspump
from bspump.common import NullSink
from bspump.window import EventTime, Firing, Session, Tumbling, WindowAggregator

EVENTS = 1_000_000
LIST = 1_000
KEYS = 2_000
PER_SECOND = 1_000
LATENESS_MS = 5_000
SIZE_MS = 60_000
GAP_MS, SHORT_GAP_MS = 10_000, 3_000
START_MS = 1_700_000_000_000

Event = dict[str, Any]
Said = tuple[int, int, int]
"""How many firings, events in them, and the sum of all of their results."""


def events() -> list[Event]:
    """Return events of about 17 minutes, out of order by less than the lateness."""
    chance = random.Random(1)
    return [
        {
            "at": START_MS + n * 1000 // PER_SECOND - chance.randrange(LATENESS_MS),
            "key": f"key-{chance.randrange(KEYS)}",
            "value": chance.randrange(1000),
        }
        for n in range(EVENTS)
    ]


def tumbling_by_hand(given: list[Event]) -> tuple[int, Said]:
    """Count, add up and find the greatest for each key and minute, in the simplest loop."""
    windows: dict[int, dict[str, list[int]]] = {}
    watermark_ms, due_ms, late, said = 0, 1 << 62, 0, (0, 0, 0)
    for event in given:
        at_ms = event["at"]
        if at_ms - LATENESS_MS > watermark_ms:
            watermark_ms = at_ms - LATENESS_MS
            while due_ms <= watermark_ms:
                said = _say(said, windows.pop(due_ms - SIZE_MS))
                due_ms = min(windows, default=1 << 62) + SIZE_MS
        start_ms = at_ms - at_ms % SIZE_MS
        window = windows.get(start_ms)
        if window is None:
            if start_ms + SIZE_MS <= watermark_ms:
                late += 1
                continue
            window = windows[start_ms] = {}
            due_ms = min(windows) + SIZE_MS
        key, value = event["key"], event["value"]
        found = window.get(key)
        if found is None:
            window[key] = [1, value, value]
        else:
            found[0] += 1
            found[1] += value
            if value > found[2]:  # noqa: PLR1730 - half the time of `max`
                found[2] = value
    for _, window in sorted(windows.items()):
        said = _say(said, window)
    return late, said


def _say(said: Said, window: dict[str, list[int]]) -> Said:
    firings, count, total = said
    for one in window.values():
        firings, count, total = firings + 1, count + one[0], total + sum(one)
    return firings, count, total


def sessions_by_hand(given: list[Event], gap_ms: int = GAP_MS) -> tuple[int, Said]:
    """Do the same for each key and session, in the simplest loop that is right out of order."""
    sessions: dict[str, list[list[int]]] = {}
    watermark_ms, next_ms, late, said = 0, 0, 0, (0, 0, 0)
    for event in given:
        at_ms, key, value = event["at"], event["key"], event["value"]
        if at_ms - LATENESS_MS > watermark_ms:
            watermark_ms = at_ms - LATENESS_MS
            if watermark_ms >= next_ms:
                next_ms = watermark_ms + gap_ms
                said = _close(said, sessions, watermark_ms)
        end_ms = at_ms + gap_ms
        found = sessions.get(key)
        if found is not None:
            last = found[-1]
            if last[0] <= at_ms < last[1]:
                if end_ms > last[1]:  # noqa: PLR1730
                    last[1] = end_ms
                last[2] += 1
                last[3] += value
                if value > last[4]:  # noqa: PLR1730
                    last[4] = value
                continue
        near = [each for each in found or () if each[0] < end_ms and at_ms < each[1]]
        if not near and end_ms <= watermark_ms:
            late += 1
            continue
        new = [at_ms, end_ms, 1, value, value]
        for each in near:
            new = [
                min(new[0], each[0]),
                max(new[1], each[1]),
                new[2] + each[2],
                new[3] + each[3],
                max(new[4], each[4]),
            ]
        sessions[key] = sorted([each for each in found or () if each not in near] + [new])
    return late, _close(said, sessions, 1 << 62)


def _close(said: Said, sessions: dict[str, list[list[int]]], watermark_ms: int) -> Said:
    """Look at all sessions, which is right as long as it is done seldom."""
    for key, found in list(sessions.items()):
        ended = [each for each in found if each[1] <= watermark_ms]
        if ended:
            said = _say(said, {str(n): each[2:] for n, each in enumerate(ended)})
            rest = [each for each in found if each[1] > watermark_ms]
            if rest:
                sessions[key] = rest
            else:
                del sessions[key]
    return said


class Summary(WindowAggregator):
    """Adds up what is said, so that it can be compared; nothing goes on."""

    said: Said = (0, 0, 0)

    def report(self, firing: Firing, /) -> None:
        results: Any = firing.results
        self.said = _say(self.said, {"": list(results.values())})


class Feed(bspump.Source):
    """Passes the events in lists, then ends the application."""

    given: list[Event]
    spent_ns: float

    async def main(self) -> None:
        await self.Pipeline.ready()
        self.spent_ns = await cpu_ns_awaited(len(self.given), self._pass)
        self.App.stop()

    async def _pass(self) -> None:
        for start in range(0, len(self.given), LIST):
            await self.Pipeline.process_many(self.given[start : start + LIST])


def by_pipeline(window: Any, given: list[Event], expected: tuple[int, Said]) -> float:
    """Return what a pipeline takes per event; it has to say what the loop says."""
    app = bspump.BSPumpApplication(args=[])
    pipeline = bspump.Pipeline(app, "Measured")
    feed = Feed(app, pipeline)
    feed.given = given
    aggregator = Summary(
        app,
        pipeline,
        window=window,
        key="key",
        aggregate={"n": "count", "sum": "sum of value", "max": "max of value"},
    )
    lateness = {"lateness": LATENESS_MS / 1000}
    time = EventTime(app, pipeline, "at", config=lateness)
    pipeline.build(feed, time, aggregator, NullSink(app, pipeline))
    app.PumpService.add_pipeline(pipeline)
    assert app.run() == 0
    assert (aggregator.rest_get()["Late"], aggregator.said) == expected
    return feed.spent_ns


def by_hand(
    loop: Callable[[list[Event]], tuple[int, Said]],
    given: list[Event],
    expected: tuple[int, Said],
) -> float:
    """Return what a loop takes per event."""

    def work() -> None:
        assert loop(given) == expected

    return cpu_ns(len(given), work)


def main() -> None:
    """Measure and print."""
    heading(f"Count, sum and maximum by key and window: {EVENTS:,} events, {KEYS:,} keys")
    given = events()
    # Where the gap is shorter than the lateness, many events connect sessions.
    short = partial(sessions_by_hand, gap_ms=SHORT_GAP_MS)
    for name, window, loop, limit in (
        ("tumbling, a minute", Tumbling(SIZE_MS / 1000), tumbling_by_hand, 3),
        ("sessions, a gap of 10 s", Session(GAP_MS / 1000), sessions_by_hand, 3),
        ("sessions, a gap of 3 s", Session(SHORT_GAP_MS / 1000), short, None),
    ):
        expected = loop(given)
        runs = {
            "loop": partial(by_hand, loop, given, expected),
            "pipeline": partial(by_pipeline, window, given, expected),
        }
        found = in_turns(runs, repetitions=5)
        row(f"{name}, bare loop", found["loop"], found["loop"])
        row(f"{name}, pipeline", found["pipeline"], found["loop"], limit)


if __name__ == "__main__":
    main()
