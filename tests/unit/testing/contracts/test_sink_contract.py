"""Each test of the sink contract catches a sink that breaks its promise."""

from __future__ import annotations

import asyncio

import pytest

from bspump.abc.capabilities import Can
from bspump.abc.errors import NotConnectedError, RejectedError
from bspump.core.log import get_logger
from bspump.testing import MemoryBatchSink, MemorySink, MemoryUpsertSink
from bspump.testing.contracts import SinkContract, SinkTarget

log = get_logger(__name__)

POISON = {"number": -1, "text": "poison"}


class Good(MemoryUpsertSink):
    """Keeps every promise there is, and takes its time."""

    def __init__(self, app, pipeline, events):
        super().__init__(
            app,
            pipeline,
            key=lambda event: event["number"],
            events=events,
            rejects=POISON.__eq__,
        )

    async def connect(self):
        await asyncio.sleep(0.01)
        await super().connect()

    async def write(self, batch):
        await asyncio.sleep(0.01)
        await super().write(batch)


class Whole(MemoryBatchSink):
    """The good one that claims nothing."""

    def __init__(self, app, pipeline, events):
        super().__init__(app, pipeline, events, rejects=POISON.__eq__)


class Plain(MemorySink):
    """The good one without batches."""

    def __init__(self, app, pipeline, events):
        super().__init__(app, pipeline, events)


class Twice(Whole):
    async def write(self, batch):
        await super().write(batch)
        await super().write(batch)


class OnlyTheFirst(Whole):
    async def write(self, batch):
        await super().write(batch.take(range(min(len(batch), 100))))


class Backwards(Whole):
    async def write(self, batch):
        await super().write(batch.take(reversed(range(len(batch)))))


class WritesAtTheEnd(Plain):
    def __init__(self, app, pipeline, events):
        super().__init__(app, pipeline, [])
        self._stored = events

    async def close(self):
        self._stored.extend(self.Events)


class Strips(Whole):
    async def write(self, batch):
        events = [{**event, "text": event["text"].strip()} for event in batch.events]
        await super().write(type(batch)(events, batch.contexts))


class WritesAHeader(Whole):
    async def connect(self):
        await super().connect()
        self.Events.append("header")


class StartsAnew(Whole):
    async def connect(self):
        await super().connect()
        self.Events.clear()


class Pops(Whole):
    async def write(self, batch):
        await super().write(type(batch)([dict(event) for event in batch.events], batch.contexts))
        for event in batch.events:
            event.pop("text", None)


class Talks(Whole):
    async def write(self, batch):
        await super().write(batch)
        log.info("written", count=len(batch))


class Leaks(Plain):
    """Lets events go on behind it."""

    def process(self, context, event):
        super().process(context, event)
        return event


class DropsPoisonedBatches(Whole):
    async def write(self, batch):
        try:
            await super().write(batch)
        except RejectedError:
            return


class ClosesOnce(Whole):
    async def close(self):
        if not self.IsConnected:
            raise RuntimeError("not open")
        await super().close()


class WritesLater(Whole):
    Waiting = None

    async def write(self, batch):
        if self.Waiting is not None:
            await super().write(self.Waiting)
        self.Waiting = batch

    async def close(self):
        if self.Waiting is not None:
            await super().write(self.Waiting)
            self.Waiting = None
        await super().close()


class StoresEmptyBatches(Whole):
    async def write(self, batch):
        await super().write(batch)
        if not len(batch):
            self.Events.append(None)


class ClaimsPartial(Whole):
    Capabilities = Can.PARTIAL


class ClaimsIdempotent(Whole):
    Capabilities = Can.IDEMPOTENT


class RaisesOtherErrors(Whole):
    async def write(self, batch):
        try:
            await super().write(batch)
        except NotConnectedError as error:
            raise OSError("broken pipe") from error


class PretendsToWrite(Whole):
    async def write(self, batch):
        try:
            await super().write(batch)
        except NotConnectedError:
            self.IsConnected = True


class StaysBusy(Good):
    IsBusy = False

    async def write(self, batch):
        if self.IsBusy:
            raise RuntimeError("busy")
        self.IsBusy = True
        await super().write(batch)
        self.IsBusy = False


class SwallowsCancel(Good):
    async def write(self, batch):
        try:
            await super().write(batch)
        except asyncio.CancelledError:
            return


class ConnectsOnce(Good):
    IsConnecting = False

    async def connect(self):
        if self.IsConnecting:
            raise RuntimeError("connects already")
        self.IsConnecting = True
        await super().connect()
        self.IsConnecting = False


CAUGHT_BY = {
    "test_every_event_arrives_once": [Twice, OnlyTheFirst, Backwards],
    "test_what_was_taken_is_durable_after_a_flush": [WritesAtTheEnd, WritesLater],
    "test_odd_texts_and_a_large_event_arrive_as_they_are": [Strips],
    "test_a_run_without_events_stores_nothing": [WritesAHeader],
    "test_a_second_run_adds_to_what_the_first_has_stored": [StartsAnew],
    "test_an_event_is_left_alone": [Pops],
    "test_every_event_is_counted_and_nothing_is_logged": [Talks, Leaks],
    "test_a_rejected_event_spares_its_neighbours": [DropsPoisonedBatches],
    "test_closing_is_possible_at_any_time": [ClosesOnce],
    "test_a_write_that_has_returned_is_durable": [WritesLater],
    "test_an_empty_batch_stores_nothing": [StoresEmptyBatches],
    "test_a_partial_failure_names_the_events_at_fault": [ClaimsPartial],
    "test_a_repeated_batch_changes_nothing": [ClaimsIdempotent],
    "test_a_lost_connection_asks_for_a_new_one": [RaisesOtherErrors, PretendsToWrite],
    "test_a_lost_connection_loses_nothing": [PretendsToWrite],
    "test_a_lost_reply_loses_nothing": [ClaimsIdempotent],
    "test_what_is_not_written_is_not_acknowledged": [Twice],
    "test_cancelling_a_write_leaves_it_usable": [StaysBusy, SwallowsCancel],
    "test_cancelling_a_connect_leaves_it_usable": [ConnectsOnce],
}


def target_of(sink_class, **changes):
    stored = []
    arguments = {
        "make": lambda app, pipeline: sink_class(app, pipeline, stored),
        "stored": lambda: stored,
        "poison": POISON,
        "disconnect": sink_class.disconnect if hasattr(sink_class, "disconnect") else None,
    }
    return SinkTarget(**arguments | changes)


@pytest.mark.parametrize(
    ("test", "broken"), [(test, each) for test, list_ in CAUGHT_BY.items() for each in list_]
)
def test_a_broken_sink_is_caught(outcome, test, broken):
    assert isinstance(outcome(SinkContract, test, target_of(broken)), Exception)


@pytest.mark.parametrize("test", CAUGHT_BY)
def test_a_good_sink_passes(outcome, test):
    assert outcome(SinkContract, test, target_of(Good)) == "passed"


@pytest.mark.parametrize("good", [Whole, Plain])
def test_a_sink_that_claims_less_passes_or_is_spared(outcome, good):
    poison = POISON if good is Whole else None
    results = {
        test: outcome(SinkContract, test, target_of(good, poison=poison)) for test in CAUGHT_BY
    }
    assert set(results.values()) == {"passed", "skipped"}, results


def test_no_test_is_left_without_a_sink_that_it_catches(names):
    assert set(CAUGHT_BY) == names(SinkContract)


def test_the_order_does_not_matter_where_it_is_not_promised(outcome):
    test, target = "test_every_event_arrives_once", target_of(Backwards, is_ordered=False)
    assert outcome(SinkContract, test, target) == "passed"


def test_something_else_than_a_sink_is_an_error_of_the_target(outcome):
    target = target_of(MemorySink, make=lambda app, pipeline: lambda context, event: event)
    found = outcome(SinkContract, "test_a_run_without_events_stores_nothing", target)
    assert isinstance(found, TypeError)
