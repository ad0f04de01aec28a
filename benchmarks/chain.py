"""What the engine adds to the calls of processors: against loops written by hand.

The bare loops make the same calls on the same events and hand a fresh context to each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from types import SimpleNamespace
from typing import Any

from _measure import cpu_ns, cpu_ns_awaited, heading, in_turns, row

import bspump
from bspump.common import InternalSource, NullSink, RouterSink

EVENTS = 100_000
LIST = 1_000
FAN_OUT = 10

Context = dict[str, Any]


class Touch(bspump.Processor):
    """Returns the event as it is."""

    def process(self, context: Context, event: Any) -> Any:
        return event


class CountSink(bspump.Sink):
    """Counts, one by one."""

    seen = 0

    def process(self, context: Context, event: Any) -> None:
        self.seen += 1


class PassSink(bspump.Sink):
    """Takes events one by one and forgets them."""

    def process(self, context: Context, event: Any) -> None:
        return


class TenAsync(bspump.Generator):
    """Makes ten of one in a coroutine that does not wait."""

    async def generate(self, context: Context, event: Any, depth: int) -> None:
        for _ in range(FAN_OUT):
            self.Pipeline.inject(context, event, depth)


class TenList(bspump.Generator):
    """Makes ten of one as a list."""

    def generate(self, context: Context, event: Any, depth: int) -> list[Any]:
        return [event] * FAN_OUT


class Feed(bspump.Source):
    """Runs the work that is measured, then stops the application."""

    work: Callable[[], Coroutine[Any, Any, None]]

    async def main(self) -> None:
        await self.Pipeline.ready()
        try:
            await self.work()
        except BaseException:
            self.App.stop(1)
            raise
        self.App.stop()


def application(
    *parts: Callable[[Any, Any], Any],
) -> tuple[bspump.BSPumpApplication, bspump.Pipeline, Feed]:
    """Return an application with one pipeline of `parts`."""
    app = bspump.BSPumpApplication(args=[])
    pipeline = bspump.Pipeline(app, "Measured")
    feed = Feed(app, pipeline)
    pipeline.build(feed, *(part(app, pipeline) for part in parts))
    app.PumpService.add_pipeline(pipeline)
    return app, pipeline, feed


def run_in_pipeline(
    parts: list[Callable[[Any, Any], Any]],
    work: Callable[[bspump.Pipeline], Coroutine[Any, Any, None]],
    events: int = EVENTS,
    delivered: int = EVENTS,
) -> float:
    """Return what `work` costs per event, measured inside the running application."""
    app, pipeline, feed = application(*parts)
    spent = 0.0

    async def measured() -> None:
        nonlocal spent
        spent = await cpu_ns_awaited(events, lambda: work(pipeline))
        app.MetricsService.collect()
        assert pipeline.MetricsCounter.values["event.out"] == delivered

    feed.work = measured
    assert app.run() == 0
    assert spent
    return spent


def bare_list(k: int) -> float:
    """A loop by hand over lists."""
    app, pipeline, _ = application(*[Touch] * k, CountSink)
    calls = [part.process for part in pipeline.iter_processors()]
    lists = [list(range(LIST)) for _ in range(EVENTS // LIST)]
    # Written out, as a programmer would for a known number of processors.
    names = [f"p{i}" for i in range(len(calls))]
    lines = [f"def loop(lists, {', '.join(names)}):", " for events in lists:", "  for e in events:"]
    lines += [
        "   c = {}",
        *(f"   e = {name}(c, e)" for name in names[:-1]),
        f"   {names[-1]}(c, e)",
    ]
    scope: dict[str, Any] = {}
    exec("\n".join(lines), scope)  # noqa: S102 - our own text
    app.Loop.close()
    return cpu_ns(EVENTS, lambda: scope["loop"](lists, *calls))


def engine_list(k: int) -> float:
    """The engine over lists."""

    async def work(pipeline: bspump.Pipeline) -> None:
        for events in lists:
            await pipeline.process_many(events)

    lists = [list(range(LIST)) for _ in range(EVENTS // LIST)]
    return run_in_pipeline([*[Touch] * k, CountSink], work)


def bare_coroutine(k: int) -> float:
    """A coroutine per event that makes the same calls."""
    app, pipeline, _ = application(*[Touch] * k, CountSink)
    calls = [part.process for part in pipeline.iter_processors()]
    names = [f"p{i}" for i in range(len(calls))]
    lines = [f"def make({', '.join(names)}):", " async def process(e):", "  c = {}"]
    lines += [*(f"  e = {name}(c, e)" for name in names[:-1]), f"  {names[-1]}(c, e)"]
    lines += [" return process"]
    scope: dict[str, Any] = {}
    exec("\n".join(lines), scope)  # noqa: S102 - our own text
    app.Loop.close()
    # Called as the engine is: through an attribute of an object.
    pump = SimpleNamespace(process=scope["make"](*calls))

    async def main() -> None:
        for event in range(EVENTS):
            await pump.process(event)

    return cpu_ns(EVENTS, lambda: asyncio.run(main()))


def engine_process(k: int) -> float:
    """The engine, event by event."""

    async def work(pipeline: bspump.Pipeline) -> None:
        for event in range(EVENTS):
            await pipeline.process(event)

    return run_in_pipeline([*[Touch] * k, CountSink], work)


def tasks() -> float:
    """A task per event that runs the same coroutine, as the original does."""

    async def work(pipeline: bspump.Pipeline) -> None:
        generator: Any = pipeline.locate_processor("TenAsync")
        for start in range(0, EVENTS // FAN_OUT, LIST):
            async with asyncio.TaskGroup() as group:
                for event in range(start, start + LIST):
                    group.create_task(generator.generate({}, event, 1))

    return run_in_pipeline([TenAsync, PassSink], work, EVENTS // FAN_OUT)


def engine_fan(generator: type[bspump.Generator]) -> float:
    """The engine, one event into ten."""

    async def work(pipeline: bspump.Pipeline) -> None:
        for events in lists:
            await pipeline.process_many(events)

    lists = [list(range(LIST)) for _ in range(EVENTS // FAN_OUT // LIST)]
    sink = NullSink if generator is TenList else PassSink
    return run_in_pipeline([generator, sink], work, EVENTS // FAN_OUT)


class Forward(RouterSink):
    """Routes every event to the other pipeline."""

    def process(self, context: Context, event: Any) -> None:
        self.route(context, event, "Target.*In", copy_event=False)


def engine_hop() -> float:
    """One pipeline into another by a router."""
    app, pipeline, feed = application(Forward)
    target = bspump.Pipeline(app, "Target")
    sink = CountSink(app, target)
    target.build(InternalSource(app, target, "In"), sink)
    app.PumpService.add_pipeline(target)
    spent = 0.0

    async def measured() -> None:
        nonlocal spent
        spent = await cpu_ns_awaited(EVENTS, work)
        assert sink.seen == EVENTS

    async def work() -> None:
        for events in lists:
            await pipeline.process_many(events)
        while sink.seen < EVENTS:
            await app.Clock.sleep(0)

    lists = [list(range(LIST)) for _ in range(EVENTS // LIST)]
    feed.work = measured
    assert app.run() == 0
    assert spent
    return spent


def main() -> None:
    """Measure and print."""
    heading("The chain, CPU per event")
    for k in (1, 5, 10):
        found = in_turns({"bare": partial(bare_list, k), "engine": partial(engine_list, k)})
        row(f"{k} processors, bare loop over lists", found["bare"], found["bare"])
        row(f"{k} processors, process_many", found["engine"], found["bare"], 1.3)
        found = in_turns({"bare": partial(bare_coroutine, k), "engine": partial(engine_process, k)})
        row(f"{k} processors, bare coroutine per event", found["bare"], found["bare"])
        row(f"{k} processors, await process(event)", found["engine"], found["bare"], 1.3)
    found = in_turns(
        {
            "task": tasks,
            "async": partial(engine_fan, TenAsync),
            "list": partial(engine_fan, TenList),
        }
    )
    row("ten of one, a task per event", found["task"], found["task"])
    row("ten of one, async generate that does not wait", found["async"], found["task"], 1 / 3)
    row("ten of one, generate returns a list", found["list"], found["task"], 1 / 8)
    found = in_turns(
        {"ten": partial(engine_list, 10), "none": partial(engine_list, 0), "hop": engine_hop}
    )
    ten = found["ten"] - found["none"]
    row("ten plain processors, without the rest", ten, ten)
    row("a router hop, without the rest", found["hop"] - 2 * found["none"], ten, 1.0)


if __name__ == "__main__":
    main()
