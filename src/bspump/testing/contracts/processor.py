"""What every processor and generator promises."""

# ruff: noqa: S101 - a contract asserts

from __future__ import annotations

import copy
import inspect
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bspump.abc.processor import AsyncProcessor, Generator, Processor
from bspump.testing.faults import cancel_everywhere
from bspump.testing.harness import Harness

from .base import (
    Contract,
    all_counted,
    bare,
    does_not_apply,
    made_in,
    maker,
    nothing_logged,
    same,
)

_SKIP = {"on_error": "skip"}


@dataclass(frozen=True, kw_only=True)
class ProcessorTarget:
    """A processor or generator to be tested, and what to test it with.

    Args:
        make: makes it, given the application and the pipeline: its class, or a function.
        events: events that it can process, at least one.
        expected: what comes out for all of them; `None` if that is tested elsewhere.
        broken: events at which it must raise.
        changes_events: it says that it changes the event it is given.
        is_ordered: what comes out is in the order of what went in.
        longest_call_s: no call may take longer, for the loop stands still meanwhile.
    """

    make: Callable[[Any, Any], Any]
    events: Sequence[Any]
    expected: Sequence[Any] | None = None
    broken: Sequence[Any] = ()
    changes_events: bool = False
    is_ordered: bool = True
    longest_call_s: float = 0.05


class ProcessorContract(Contract[ProcessorTarget]):
    """What every processor promises. Subclass it and provide the fixture `target`."""

    async def test_what_comes_out_is_what_was_promised(self, target: ProcessorTarget) -> None:
        if target.expected is None:
            does_not_apply("what comes out is not named by the target")
        same(await _results(target), target.expected, is_ordered=target.is_ordered)

    async def test_the_same_events_give_the_same_results(self, target: ProcessorTarget) -> None:
        same(await _results(target), await _results(target), is_ordered=target.is_ordered)

    async def test_one_by_one_gives_the_same_as_all_at_once(self, target: ProcessorTarget) -> None:
        at_once, singly = await _results(target), await _results(target, singly=True)
        same(singly, at_once, is_ordered=target.is_ordered)

    async def test_a_list_gives_the_same_as_single_calls(self, target: ProcessorTarget) -> None:
        async with Harness() as harness:
            events = _accepted(made_in(harness, target.make), target.events)
            single = made_in(harness, target.make)
            expected = [single.process({}, event) for event in copy.deepcopy(events)]
            for has_contexts in (False, True):
                contexts: list[Any] | None = [{} for _ in events] if has_contexts else None
                many = made_in(harness, target.make)
                found = many.process_batch(contexts, copy.deepcopy(events))
                assert list(found) == expected

    async def test_a_list_that_raises_has_done_nothing(self, target: ProcessorTarget) -> None:
        if not target.broken:
            does_not_apply("it does not raise")
        async with Harness() as harness:
            events = _accepted(made_in(harness, target.make), target.events)
            part, fresh = made_in(harness, target.make), made_in(harness, target.make)
            for broken in target.broken:
                _check_raises(part.process_batch, None, copy.deepcopy([*events, broken]))
            expected = fresh.process_batch(None, copy.deepcopy(events))
            assert list(part.process_batch(None, copy.deepcopy(events))) == list(expected)

    async def test_an_empty_list_is_no_surprise(self, target: ProcessorTarget) -> None:
        async with bare(target.make) as part:
            assert list(_with_lists(part).process_batch(None, [])) == []

    async def test_the_error_of_an_event_spares_its_neighbours(
        self, target: ProcessorTarget
    ) -> None:
        if not target.broken:
            does_not_apply("it does not raise")
        expected = await _results(target)
        mixed = list(target.events)
        for i, broken in enumerate(target.broken):
            mixed.insert(1 + 2 * i, broken)
        for singly in (False, True):
            async with Harness() as harness:
                found = await _run(harness, target, mixed, singly=singly)
                same(found, expected, is_ordered=target.is_ordered)
                assert len(harness.errors) == len(target.broken)
                counts = harness.counts()
                assert (counts["event.in"], counts["event.fail"]) == (
                    len(mixed),
                    len(target.broken),
                )

    async def test_an_event_is_left_alone(self, target: ProcessorTarget) -> None:
        if target.changes_events:
            does_not_apply("it says that it changes events")
        events, before = copy.deepcopy(list(target.events)), list(target.events)
        async with Harness() as harness:
            await _run(harness, target, events)
        assert events == before

    async def test_every_event_is_counted(self, target: ProcessorTarget) -> None:
        async with Harness() as harness:
            found = await _run(harness, target, target.events)
            pipeline = harness.pipelines[0]
            if isinstance(next(pipeline.iter_processors()), Generator):
                assert harness.counts()["event.in"] == len(target.events)
            else:
                all_counted(harness, len(target.events))
            assert harness.counts()["event.out"] == len(found)

    async def test_nothing_is_logged_in_normal_operation(self, target: ProcessorTarget) -> None:
        async with Harness() as harness:
            await _run(harness, target, target.events)
            nothing_logged(harness)

    async def test_no_default_is_shared_by_all_of_its_kind(self, target: ProcessorTarget) -> None:
        async with bare(target.make) as part:
            parameters = inspect.signature(type(part)).parameters.values()
            shared = [p.name for p in parameters if isinstance(p.default, list | dict | set)]
            assert shared == [], "use None as the default, and make the object inside"

    async def test_no_call_holds_up_the_loop(self, target: ProcessorTarget) -> None:
        async with bare(target.make) as part:
            if not isinstance(part, Processor):
                does_not_apply("it is not called for one event at a time")
            # The best of three: the machine may have been busy with something else.
            rounds = [
                [_seconds(part, event) for event in copy.deepcopy(list(target.events))]
                for _ in range(3)
            ]
            slowest_s = max(map(min, zip(*rounds, strict=True)))
            assert slowest_s <= target.longest_call_s

    async def test_a_cancelled_call_leaves_it_usable(self, target: ProcessorTarget) -> None:
        async with bare(target.make) as part:
            if not isinstance(part, AsyncProcessor):
                does_not_apply("it does not wait")
            await part.open()
            event = target.events[0]
            expected = await part.process({}, copy.deepcopy(event))

            async def check() -> None:
                assert await part.process({}, copy.deepcopy(event)) == expected

            await cancel_everywhere(lambda: part.process({}, copy.deepcopy(event)), check)
            await part.close()


async def _results(target: ProcessorTarget, *, singly: bool = False) -> list[Any]:
    """Return what comes out of the real engine, from a processor that is made for it."""
    async with Harness() as harness:
        found = await _run(harness, target, target.events, singly=singly)
        assert [failure.error for failure in harness.errors] == []
        return found


async def _run(
    harness: Harness, target: ProcessorTarget, events: Sequence[Any], *, singly: bool = False
) -> list[Any]:
    pipeline = harness.chain(maker(target.make), config=_SKIP)
    given = list(events) if not target.changes_events else copy.deepcopy(list(events))
    if singly:
        for event in given:
            await pipeline.process(event)
    else:
        await pipeline.process_many(given)
    await harness.settle()
    return harness.out()


def _with_lists(part: Any) -> Any:
    if not hasattr(part, "process_batch"):
        does_not_apply("it has no process_batch")
    return part


def _accepted(part: Any, events: Sequence[Any]) -> list[Any]:
    """Return the events that `process_batch` takes; it may leave any of them to `process`."""
    taken = []
    for event in events:
        try:
            _with_lists(part).process_batch(None, [copy.deepcopy(event)])
        except Exception:  # noqa: BLE001, S112 - the engine would call `process`
            continue
        taken.append(event)
    return taken


def _check_raises(call: Callable[..., Any], *args: Any) -> None:
    try:
        found = call(*args)
    except Exception:  # noqa: BLE001 - which one is a matter of the processor
        return
    raise AssertionError(f"expected an error, got {found!r}")


def _seconds(part: Processor, event: Any) -> float:
    started = time.perf_counter()
    part.process({}, event)
    return time.perf_counter() - started
