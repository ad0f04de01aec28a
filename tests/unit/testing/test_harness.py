from __future__ import annotations

import asyncio
import functools
import time

import pytest

import bspump
from bspump.abc.errors import ConfigErrors, RejectedError, UnknownNameError
from bspump.abc.sink import BatchSinkOptions
from bspump.testing import (
    Harness,
    MemoryBatchSink,
    MemorySink,
    MemorySource,
    virtual_time,
)


def double(context, event):
    return event * 2


def drop_odd(context, event):
    return None if event % 2 else event


def fail_on_three(context, event):
    if event == 3:
        raise ValueError("three")
    return event


class Outside(bspump.PullSource):
    """Reaches outside; a test must never open it."""

    async def connect(self):
        raise AssertionError("opened")


class Elsewhere(bspump.BatchSink):
    """Reaches outside; a test must never open it."""

    async def connect(self):
        raise AssertionError("opened")


class Sums(bspump.Pipeline):
    """A pipeline of a user, with ends that reach outside."""

    def __init__(self, app, pipeline_id=None):
        super().__init__(app, pipeline_id)
        self.build(Outside(app, self, "Kafka"), double, Elsewhere(app, self, "ES"))


@virtual_time
async def test_what_is_sent_comes_out():
    async with Harness() as harness:
        harness.chain(double)
        harness.send([1, 2])
        harness.send([3])
        await harness.settle()
        assert harness.out() == [2, 4, 6]


@virtual_time
async def test_pipelines_may_be_added_before_it_begins():
    harness = Harness()
    harness.chain(double)
    harness.send([1])
    async with harness:
        await harness.settle()
        assert harness.out() == [2]


@virtual_time
async def test_contexts_go_with_their_events():
    async with Harness() as harness:
        pipeline = harness.chain(lambda context, event: context["k"] + event)
        harness.send(["a", "b"], contexts=[{"k": "x"}, {"k": "y"}])
        harness.send(["c"], contexts=[{"k": "z"}])
        await harness.settle()
        assert harness.out() == ["xa", "yb", "zc"]
        assert pipeline.locate_processor("Out").Contexts == [{"k": "x"}, {"k": "y"}, {"k": "z"}]


@virtual_time
async def test_no_time_passes_unless_it_is_advanced():
    started = time.monotonic()
    async with Harness(start_s=1000.0) as harness:
        harness.chain(double)
        harness.send(range(1000))
        await harness.settle()
        assert harness.app.time() == 1000.0
        await harness.advance(3600)
        assert harness.app.time() == 4600.0
    assert time.monotonic() - started < 10


@virtual_time
async def test_batches_are_written_when_they_are_old_enough():
    async with Harness() as harness:
        harness.chain(functools.partial(MemoryBatchSink, config={"batch.max_age": "5s"}))
        harness.send([1, 2])
        await harness.advance(4.9)
        assert harness.out() == []
        await harness.advance(0.2)
        assert harness.out() == [1, 2]


@virtual_time
async def test_settling_does_not_wait_for_the_age_of_a_batch():
    async with Harness() as harness:
        harness.chain(functools.partial(MemoryBatchSink, config={"batch.max_age": "1h"}))
        harness.send([1, 2])
        await harness.settle()
        assert harness.out() == [1, 2]
        assert harness.app.Clock.monotonic() < 1


@virtual_time
async def test_an_error_that_stopped_a_pipeline_is_raised_at_the_end():
    async def scenario():
        async with Harness() as harness:
            harness.chain(fail_on_three)
            harness.send([1, 2, 3, 4])
            await harness.settle()
            assert harness.out() == [1, 2]

    with pytest.raises(ValueError, match="three"):
        await scenario()


@virtual_time
async def test_an_error_that_the_test_has_looked_at_is_not():
    async with Harness() as harness:
        harness.chain(fail_on_three)
        harness.send([1, 2, 3, 4])
        await harness.settle()
        (failure,) = harness.errors
        assert (failure.pipeline_id, failure.event, failure.is_handled) == ("Test", 3, False)
        assert str(failure.error) == "three"


@virtual_time
async def test_events_with_errors_can_be_skipped():
    async with Harness() as harness:
        harness.chain(fail_on_three, config={"on_error": "skip"})
        harness.send([1, 2, 3, 4])
        await harness.settle()
        assert harness.out() == [1, 2, 4]
        assert [failure.event for failure in harness.errors] == [3]


@virtual_time
async def test_what_the_block_raises_is_not_hidden_by_an_error_of_a_pipeline():
    async def scenario():
        async with Harness() as harness:
            harness.chain(fail_on_three)
            harness.send([3])
            await harness.settle()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await scenario()


@virtual_time
async def test_events_are_counted():
    async with Harness() as harness:
        harness.chain(drop_odd, config={"on_error": "skip"})
        harness.send([1, 2, "x", 4])
        await harness.settle()
        counts = harness.counts()
    expected = {"event.in": 4, "event.out": 2, "event.drop": 1, "event.fail": 1, "error": 0}
    assert counts.items() >= expected.items()


@virtual_time
async def test_what_was_logged_is_kept():
    async with Harness() as harness:
        pipeline = harness.chain(double)
        pipeline.L.warning("odd", count=3)
        assert [(r.getMessage(), r.fields) for r in harness.logs] == [("odd", {"count": 3})]


@virtual_time
async def test_sources_and_sinks_of_a_user_are_replaced_and_never_opened():
    async with Harness() as harness:
        pipeline = harness.pipeline(Sums, doubles=["Kafka", "ES"])
        harness.send([1, 2], "Kafka")
        await harness.settle()
        assert harness.out("ES") == [2, 4]
        assert isinstance(pipeline, Sums)
        assert pipeline.Id == "Sums"
        assert [source.Id for source in pipeline.Sources] == ["Kafka"]


@virtual_time
async def test_processors_are_replaced_by_their_id():
    async with Harness() as harness:
        harness.pipeline(
            Sums, doubles=["Kafka", "ES"], replace={"double": lambda context, event: event + 1}
        )
        harness.send([1, 2])
        await harness.settle()
        assert harness.out() == [2, 3]


@virtual_time
async def test_sinks_are_replaced_by_a_class():
    async with Harness() as harness:
        pipeline = harness.pipeline(Sums, doubles=["Kafka"], replace={"ES": MemoryBatchSink})
        harness.send([1])
        await harness.settle()
        assert harness.out("Sums.ES") == [2]
        assert isinstance(pipeline.locate_processor("ES"), MemoryBatchSink)


@virtual_time
async def test_a_double_for_a_part_that_is_not_there_is_an_error():
    with pytest.raises(UnknownNameError, match="did you mean 'Kafka'"):
        Harness().pipeline(Sums, doubles=["Kafak", "ES"])


@virtual_time
async def test_a_double_does_not_stumble_over_the_options_of_the_original():
    class Options(BatchSinkOptions, frozen=True, kw_only=True):
        url: str

    class WithOptions(Elsewhere):
        OptionsClass = Options

    class Writes(bspump.Pipeline):
        def __init__(self, app, pipeline_id=None):
            super().__init__(app, pipeline_id)
            self.build(MemorySource(app, self), WithOptions(app, self, "ES"))

    harness = Harness(["--set", "[pipeline:Writes:ES] url=here"])
    harness.pipeline(Writes, doubles=["ES"])
    async with harness:
        harness.send([1])
        await harness.settle()
        assert harness.out() == [1]


@virtual_time
async def test_a_wrong_configuration_is_an_error_at_once():
    with pytest.raises(ConfigErrors, match="slice"):
        Harness().chain(double, config={"slice": "long"})


@virtual_time
async def test_several_ends_are_told_apart_by_their_address():
    async with Harness() as harness:
        harness.chain(double, id="A")
        harness.chain(double, id="B")
        harness.send([1], "B.*In")
        await harness.settle()
        assert (harness.out("A.Out"), harness.out("B.Out")) == ([], [2])
        assert harness.counts("B")["event.in"] == 1
        with pytest.raises(LookupError, match=r"got 2; there are: A\.\*In"):
            harness.send([1])
        with pytest.raises(LookupError, match="got 0"):
            harness.out("C")
        with pytest.raises(LookupError, match=r"\['A', 'B'\]"):
            harness.counts()


@virtual_time
async def test_pipelines_finish_when_their_sources_end():
    async with Harness() as harness:
        pipeline = harness.chain(MemoryBatchSink)
        harness.send([1, 2])
        await harness.finish()
        assert pipeline.is_finished()
        assert harness.out() == [1, 2]


@virtual_time
async def test_settling_waits_for_a_source_that_must_reconnect():
    async with Harness() as harness:
        pipeline = harness.chain()
        (source,) = pipeline.Sources
        source.IsReachable = False
        await harness.idle()
        source.disconnect()
        harness.send([1])
        await harness.advance(100)
        assert harness.out() == []
        source.IsReachable = True
        await harness.settle()
        assert harness.out() == [1]


@virtual_time
async def test_settling_does_not_wait_for_a_pipeline_that_is_held_back():
    async with Harness() as harness:
        pipeline = harness.chain()
        await harness.idle()
        pipeline.throttle("test")
        harness.send([1])
        await harness.settle()
        assert harness.out() == []
        pipeline.throttle("test", False)
        await harness.settle()
        assert harness.out() == [1]


@virtual_time
async def test_who_never_settles_is_named():
    async with Harness() as harness:

        async def stuck(context, event):
            await asyncio.sleep(1000)
            return event

        harness.chain(stuck)
        harness.send([1])
        with pytest.raises(TimeoutError, match="'Test' is not done within 5 s"):
            await harness.settle(within_s=5)


@virtual_time
async def test_rejected_events_are_among_the_errors():
    async with Harness() as harness:
        harness.chain(
            functools.partial(MemoryBatchSink, rejects=lambda event: event == 2),
            config={"on_error": "skip"},
        )
        harness.send([1, 2, 3])
        await harness.settle()
        assert harness.out() == [1, 3]
        assert [(f.event, type(f.error)) for f in harness.errors] == [(2, RejectedError)]


async def test_it_works_in_real_time_too():
    async with Harness() as harness:
        harness.chain(double, MemoryBatchSink)
        harness.send([1, 2])
        await harness.settle()
        assert harness.out() == [2, 4]
        await harness.idle()


@virtual_time
async def test_a_list_that_is_given_outlives_the_ends():
    given, taken = [1, 2], []
    async with Harness() as harness:
        harness.chain(
            functools.partial(MemorySource, events=given),
            double,
            functools.partial(MemorySink, events=taken),
        )
        await harness.finish()
    assert taken == [2, 4]


def test_each_run_is_the_same():
    async def run():
        order = []

        async def slow(context, event):
            await asyncio.sleep(event % 7 / 10)
            order.append((event, asyncio.get_running_loop().time()))
            return event

        async with Harness() as harness:
            harness.chain(slow, MemoryBatchSink)
            harness.send(range(200))
            await harness.settle()
            return order, harness.out()

    once, again = virtual_time(run)(), virtual_time(run)()
    assert once == again
    assert once[1] == list(range(200))
