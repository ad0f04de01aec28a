"""Each test of the source contract catches a source that breaks its promise."""

from __future__ import annotations

import asyncio

import pytest

from bspump.abc.capabilities import Can
from bspump.abc.errors import NotConnectedError
from bspump.abc.source import Chunk, Source
from bspump.core.log import get_logger
from bspump.testing import MemorySource, eventually
from bspump.testing.contracts import SourceContract, SourceTarget

log = get_logger(__name__)


class Good(MemorySource):
    """Keeps every promise there is, and takes its time."""

    def __init__(self, app, pipeline, events):
        super().__init__(app, pipeline, events, chunk_size=100)

    async def read(self, position):
        await asyncio.sleep(0.001)
        return await super().read(position)


class Endless(Good):
    """The good one without an end."""

    Capabilities = Can.RESUME | Can.ORDER

    def __init__(self, app, pipeline, events):
        super().__init__(app, pipeline, events)
        self.IsEndless = True

    async def read(self, position):
        await asyncio.sleep(0.001)
        self._check_connected()
        start = position or 0
        events = self.Events[start : start + 100]
        return Chunk(events, start + len(events))


class Broker(Endless):
    """The good one that claims nothing but to deliver again what is not acknowledged."""

    Capabilities = Can.REDELIVER

    def __init__(self, app, pipeline, events):
        super().__init__(app, pipeline, events)
        self._next = self._done = 0

    async def connect(self):
        await super().connect()
        self._next = self._done

    async def read(self, position):
        chunk = await super().read(self._next)
        self._next = chunk.position
        return chunk

    async def acknowledge(self, position):
        self._done = max(self._done, position)


class SkipsTheFirst(Good):
    async def read(self, position):
        return await super().read(position or 1)


class Backwards(Good):
    async def read(self, position):
        chunk = await super().read(position)
        return Chunk(chunk.events[::-1], chunk.position, is_last=chunk.is_last)


class Strips(Good):
    async def read(self, position):
        chunk = await super().read(position)
        events = [{**event, "text": event["text"].strip()} for event in chunk.events]
        return Chunk(events, chunk.position, is_last=chunk.is_last)


class Talks(Good):
    async def read(self, position):
        log.info("reads")
        return await super().read(position)


class NeverEnds(Endless):
    Capabilities = Endless.Capabilities | Can.END


class EndsWithAnEvent(Good):
    async def read(self, position):
        chunk = await super().read(position)
        return Chunk(chunk.events, chunk.position, is_last=chunk.is_last and bool(self.Events))


class Hasty(Source):
    """Does not care whether the pipeline is ready."""

    def __init__(self, app, pipeline, events):
        super().__init__(app, pipeline)
        self.Events, self.Done = events, 0

    async def main(self):
        while True:
            await asyncio.sleep(0.001)
            if self.Done < len(self.Events):
                self.Done += 1
                if self.Pipeline.is_ready():
                    await self.process(self.Events[self.Done - 1])


class RunsOnce(Endless):
    Runs = 0

    async def connect(self):
        self.Runs += 1
        if self.Runs > 1:
            raise RuntimeError("runs once")
        await super().connect()


class SkipsToTheEnd(Endless):
    """Begins at the end of the input after a lost connection."""

    IsLost = False

    async def read(self, position):
        try:
            chunk = await super().read(position)
        except NotConnectedError:
            self.IsLost = True
            raise
        if self.IsLost and chunk.events:
            self.IsLost = False
            return Chunk([], len(self.Events))
        return chunk


class ClosesOnce(Good):
    async def close(self):
        if not self.IsConnected:
            raise RuntimeError("not open")
        await super().close()


class RaisesOtherErrors(Good):
    async def read(self, position):
        try:
            return await super().read(position)
        except NotConnectedError as error:
            raise OSError("broken pipe") from error


class Tuples(Good):
    async def read(self, position):
        chunk = await super().read(position and position[0])
        return Chunk(chunk.events, (chunk.position,), is_last=chunk.is_last)


class Cursor(Good):
    """Remembers by itself where it is."""

    At = 0

    async def read(self, position):
        chunk = await super().read(self.At)
        self.At = chunk.position
        return chunk


class Private(Good):
    """Its positions mean something to itself alone."""

    def __init__(self, app, pipeline, events):
        super().__init__(app, pipeline, events)
        self._positions = [0]

    async def read(self, position):
        chunk = await super().read(self._positions[position or 0])
        self._positions.append(chunk.position)
        return Chunk(chunk.events, len(self._positions) - 1, is_last=chunk.is_last)


class SkipsWhatIsAcknowledged(Good):
    Done = 0

    async def acknowledge(self, position):
        self.Done = max(self.Done, position)

    async def read(self, position):
        return await super().read(max(position or 0, self.Done))


class Forgets(Broker):
    async def read(self, position):
        chunk = await super().read(position)
        self._done = chunk.position
        return chunk


class LosesWhatItHolds(Good):
    """Advances before it waits, and so claims in vain that it can resume."""

    At = 0

    async def read(self, position):
        start, self.At = self.At, self.At + 5
        return await super().read(start)


class SwallowsCancel(Good):
    async def read(self, position):
        try:
            return await super().read(position)
        except asyncio.CancelledError:
            return Chunk([], position or 0)


CAUGHT_BY = {
    "test_everything_written_is_read": [SkipsTheFirst, Backwards],
    "test_odd_texts_are_read_as_they_were_written": [Strips],
    "test_every_event_is_counted_and_nothing_is_logged": [Talks],
    "test_bounded_input_ends": [NeverEnds],
    "test_bounded_input_without_events_ends_too": [EndsWithAnEvent],
    "test_a_full_pipeline_is_spared_and_reading_goes_on_afterwards": [Hasty],
    "test_it_reads_on_after_a_stop_and_a_start": [RunsOnce],
    "test_a_lost_connection_loses_nothing": [SkipsToTheEnd],
    "test_closing_is_possible_at_any_time": [ClosesOnce],
    "test_a_lost_connection_asks_for_a_new_one": [RaisesOtherErrors],
    "test_a_position_is_plain_data": [Tuples],
    "test_reading_is_a_function_of_the_position": [Cursor],
    "test_another_source_reads_on_from_each_position": [Private, Cursor],
    "test_acknowledging_again_or_late_skips_nothing": [SkipsWhatIsAcknowledged],
    "test_what_is_not_acknowledged_comes_again": [Forgets],
    "test_cancelling_a_read_loses_nothing": [LosesWhatItHolds, SwallowsCancel],
}


def target_of(source_class):
    events = []
    return SourceTarget(
        make=lambda app, pipeline: source_class(app, pipeline, events),
        write=events.extend,
        disconnect=MemorySource.disconnect,
    )


@pytest.mark.parametrize(
    ("test", "broken"), [(test, each) for test, list_ in CAUGHT_BY.items() for each in list_]
)
def test_a_broken_source_is_caught(outcome, test, broken):
    assert isinstance(outcome(SourceContract, test, target_of(broken)), Exception)


@pytest.mark.parametrize("good", [Good, Endless, Broker])
def test_a_good_source_passes(outcome, good):
    results = {test: outcome(SourceContract, test, target_of(good)) for test in CAUGHT_BY}
    assert set(results.values()) == {"passed", "skipped"}, results


class Live(Endless):
    """The good one that hears only what is said while it listens, and claims nothing."""

    Capabilities = Can.NOTHING

    def __init__(self, app, pipeline, listeners):
        super().__init__(app, pipeline, [])
        self._listeners = listeners

    async def connect(self):
        await super().connect()
        self._listeners.append(self.Events)

    async def close(self):
        await super().close()
        self._listeners[:] = [heard for heard in self._listeners if heard is not self.Events]

    async def read(self, position):
        await asyncio.sleep(0.001)
        self._check_connected()
        heard = self.Events[:100]
        del self.Events[: len(heard)]
        return Chunk(heard, None)


def test_a_live_source_is_spoken_to_while_it_listens(outcome):
    def target():
        listeners = []

        async def write(events):
            await eventually(lambda: listeners)
            for heard in listeners:
                heard.extend(events)

        def disconnect(source):
            source.disconnect()
            listeners.clear()

        return SourceTarget(
            make=lambda app, pipeline: Live(app, pipeline, listeners),
            write=write,
            disconnect=disconnect,
            is_live=True,
        )

    results = {test: outcome(SourceContract, test, target()) for test in CAUGHT_BY}
    passed = {test for test, result in results.items() if result == "passed"}
    assert set(results.values()) == {"passed", "skipped"}, results
    assert "test_a_lost_connection_asks_for_a_new_one" in passed
    assert "test_a_full_pipeline_is_spared_and_reading_goes_on_afterwards" in passed


def test_every_promise_is_tested_on_one_good_source_or_another(outcome):
    passed = {
        test
        for test in CAUGHT_BY
        for good in (Good, Endless, Broker)
        if outcome(SourceContract, test, target_of(good)) == "passed"
    }
    assert passed == set(CAUGHT_BY)


def test_no_test_is_left_without_a_source_that_it_catches(names):
    assert set(CAUGHT_BY) == names(SourceContract)
