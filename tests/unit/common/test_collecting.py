from __future__ import annotations

from functools import partial

from bspump.abc.errors import ProcessingError
from bspump.common import ListSink, NullSink
from bspump.testing import Harness, virtual_time


@virtual_time
async def test_events_and_contexts_are_kept():
    async with Harness() as harness:
        pipeline = harness.chain(ListSink)
        sink = pipeline.locate_processor("ListSink")
        harness.send([1, 2], contexts=[{"n": 1}, {"n": 2}])
        harness.send([3])
        await harness.settle()
        assert sink.Events == [1, 2, 3]
        assert sink.Contexts == [{"n": 1}, {"n": 2}, {}]
        kept = sink.Events
        sink.clear()
        assert (sink.Events, kept) == ([], [1, 2, 3])


@virtual_time
async def test_a_full_list_refuses_what_does_not_fit():
    async with Harness() as harness:
        part = partial(ListSink, config={"max_events": "2"})
        pipeline = harness.chain(part, config={"on_error": "skip"})
        harness.send([1, 2, 3])
        await harness.settle()
        assert pipeline.locate_processor("ListSink").Events == [1, 2]
        assert [type(failure.error) for failure in harness.errors] == [ProcessingError]


@virtual_time
async def test_what_is_discarded_counts_as_delivered():
    async with Harness() as harness:
        harness.chain(NullSink)
        harness.send(range(100))
        await harness.settle()
        assert harness.counts()["event.out"] == 100
        assert harness.counts()["event.drop"] == 0
