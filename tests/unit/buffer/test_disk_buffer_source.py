"""The disk buffer in a pipeline: what comes in comes out, whatever the pipeline does meanwhile."""

from __future__ import annotations

import asyncio
import functools
import shutil

import pytest

from bspump.abc.errors import ConfigError
from bspump.abc.processor import Processor
from bspump.buffer import DiskBufferSource
from bspump.buffer.writing import cut
from bspump.testing import MemorySource, eventually
from bspump.testing.harness import Harness


class Watching(Processor):
    """Notes the contexts of events."""

    def __init__(self, app, pipeline, seen):
        super().__init__(app, pipeline)
        self.seen = seen

    def process(self, context, event):
        self.seen.append(dict(context))
        return event


def logged(harness, sentence):
    return [record for record in harness.logs if sentence in record.getMessage()]


async def come_out(harness, expected):
    await eventually(lambda: len(harness.out()) >= len(expected))
    assert harness.out() == expected


async def test_events_come_out_with_their_contexts_in_their_order(buffered):
    seen = []
    async with buffered.running() as harness:
        watching = Watching(harness.app, harness.pipeline_, seen)
        harness.pipeline_.insert_before("Out", watching)
        await harness.inner.process({"n": 0}, {"peer": "a"})
        await harness.inner.Pipeline.process_many([b"1", "2"], [{"peer": "b"}, {}])
        await harness.inner.Pipeline.process_many([3, [4]])
        await come_out(harness, [{"n": 0}, b"1", "2", 3, [4]])
    assert seen == [{"peer": "a"}, {"peer": "b"}, {}, {}, {}]


async def test_what_comes_while_the_pipeline_is_held_back_is_kept(buffered):
    async with buffered.running() as harness:
        harness.pipeline_.throttle("test")
        for n in range(300):
            await harness.inner.process(n)
        assert harness.out() == []
        assert harness.inner.Pipeline.is_ready()
        assert harness.buffer.rest_get()["events"] == 300
        harness.pipeline_.throttle("test", False)
        await come_out(harness, list(range(300)))


async def test_what_was_not_processed_comes_out_of_the_next_application(buffered):
    async with buffered.running() as harness:
        for n in range(5):
            await harness.inner.process(n)
        await come_out(harness, list(range(5)))
        await harness.pipeline_.checkpoint()
        harness.pipeline_.throttle("test")
        for n in range(5, 10):
            await harness.inner.process(n)
    async with buffered.running() as harness:
        await come_out(harness, list(range(5, 10)))
        await harness.inner.process(10)
        await come_out(harness, list(range(5, 11)))
    async with buffered.running() as harness:
        await asyncio.sleep(0.05)
        assert harness.out() == []


async def test_after_a_crash_all_since_the_checkpoint_comes_again(buffered):
    async with buffered.running() as harness:
        await harness.inner.process("before")
        await come_out(harness, ["before"])
        await harness.pipeline_.checkpoint()
        await harness.inner.process("after")
        await come_out(harness, ["before", "after"])
        copy = buffered.directory.with_name("as it was")
        shutil.copytree(buffered.directory, copy)
        await harness.crash()
    buffered.directory = copy
    async with buffered.running() as harness:
        await come_out(harness, ["after"])


async def test_without_checkpoints_an_end_in_peace_leaves_nothing_to_come_again(buffered):
    async with buffered.running(store=False) as harness:
        await harness.inner.process(1)
        await come_out(harness, [1])
    async with buffered.running(store=False) as harness:
        await harness.inner.process(2)
        await come_out(harness, [2])


async def test_processed_files_are_removed(buffered):
    async with buffered.running(max_bytes=100_000, segment_bytes=10_000) as harness:
        for n in range(50):
            await harness.inner.process(b"%d" % n + b"x" * 5000)
        await eventually(lambda: len(harness.out()) == 50)
        await harness.pipeline_.checkpoint()
        await eventually(lambda: harness.buffer.rest_get()["size_bytes"] <= 15_000)


async def test_a_full_buffer_holds_the_source_back_until_there_is_room(buffered):
    async with buffered.running(max_bytes=20_000) as harness:
        harness.pipeline_.throttle("test")
        entrance = harness.inner.Pipeline

        async def pour():
            for n in range(40):
                await harness.inner.process(b"%d" % n + b"x" * 2000)

        pouring = asyncio.ensure_future(pour())
        await eventually(lambda: not entrance.is_ready())
        ready = asyncio.ensure_future(entrance.ready())
        await asyncio.sleep(0.05)
        assert not pouring.done()
        assert not ready.done()
        assert harness.buffer.rest_get()["size_bytes"] <= 20_000
        harness.pipeline_.throttle("test", False)
        while not pouring.done():
            await harness.pipeline_.checkpoint()
            await asyncio.sleep(0.01)
        await pouring
        await asyncio.wait_for(ready, 5)
        await eventually(lambda: len(harness.out()) == 40)
        assert logged(harness, "the buffer is full: the source is held back")
        assert logged(harness, "the buffer has room again")
        assert harness.pipeline_.rest_get()["Sources"][0]["dropped"] == 0


async def test_a_source_that_is_stopped_while_the_buffer_is_full_blocks_nobody(buffered):
    async with buffered.running(max_bytes=10_000) as harness:
        harness.pipeline_.throttle("test")
        blocked = asyncio.ensure_future(harness.inner.Pipeline.process_many([b"x" * 4000] * 5))
        await eventually(lambda: not harness.inner.Pipeline.is_ready())
        blocked.cancel()
        await asyncio.wait([blocked])
        harness.pipeline_.throttle("test", False)
        await eventually(lambda: len(harness.out()) == 2)
        await harness.pipeline_.checkpoint()
        await asyncio.wait_for(harness.inner.Pipeline.ready(), 5)
        await harness.inner.process(b"after")
        await eventually(lambda: harness.out()[-1] == b"after")


async def test_the_oldest_are_dropped_and_counted_where_that_was_asked_for(buffered):
    async with buffered.running(max_bytes=20_000, when_full="drop_oldest") as harness:
        harness.pipeline_.throttle("test")
        await harness.inner.process(b"0")
        for n in range(1, 40):
            await harness.inner.process(b"%d" % n + b"x" * 2000)
        harness.pipeline_.throttle("test", False)
        await eventually(lambda: harness.out()[-1:] and harness.out()[-1].startswith(b"39"))
        assert logged(harness, "the oldest events were dropped")
        dropped = harness.buffer._counter.values["event.dropped"]
        assert len(harness.out()) + dropped == 40
        assert harness.buffer.rest_get()["dropped"] >= dropped >= 25


async def test_an_event_that_cannot_be_kept_is_rejected_alone(buffered):
    async with buffered.running(max_bytes=10_000) as harness:
        await harness.inner.Pipeline.process_many([1, {frozenset()}.__class__, b"x" * 20_000, 2])
        await come_out(harness, [1, 2])
        errors = [str(failure.error) for failure in harness.errors]
        assert len(errors) == 2
        assert "not plain data" in errors[0]
        assert "can never fit" in errors[1]


async def test_the_buffer_is_empty_when_the_input_has_ended(buffered):
    async with buffered.running() as harness:
        for n in range(3):
            await harness.inner.process(n)
        harness.inner.ended.set()
        await eventually(harness.pipeline_.is_finished)
        assert harness.out() == [0, 1, 2]


async def test_what_was_injected_is_durable_after_settling(buffered):
    async with buffered.running() as harness:
        harness.pipeline_.throttle("test")
        entrance = harness.inner.Pipeline
        for n in range(100):
            entrance.inject({"n": n}, n, 0)
        assert entrance.under_way() > 0
        await entrance.settle()
        assert entrance.under_way() == 0
        assert harness.buffer.rest_get()["events"] == 100
        entrance.inject({}, 100, 0)
        await entrance.process(101)
        harness.pipeline_.throttle("test", False)
        await come_out(harness, list(range(102)))


async def test_a_damaged_record_is_passed_over_and_counted(buffered):
    async with buffered.running() as harness:
        harness.pipeline_.throttle("test")
        for n in range(5):
            await harness.inner.process(b"event %d" % n)
    (segment,) = buffered.directory.glob("*.segment")
    segment.write_bytes(segment.read_bytes().replace(b"event 2", b"EVENT 2"))
    async with buffered.running() as harness:
        await come_out(harness, [b"event %d" % n for n in (0, 1, 3, 4)])
        assert logged(harness, "a part of the buffer is damaged")
        assert harness.buffer._counter.values["event.lost"] == 1


async def test_an_end_that_was_not_written_completely_is_cut_off(buffered):
    async with buffered.running() as harness:
        harness.pipeline_.throttle("test")
        for n in range(3):
            await harness.inner.process(n)
    (segment,) = buffered.directory.glob("*.segment")
    segment.write_bytes(segment.read_bytes()[:-1])
    async with buffered.running() as harness:
        assert logged(harness, "was not complete and was cut off")
        await harness.inner.process("next")
        await come_out(harness, [0, 1, "next"])


async def test_a_second_user_of_the_directory_is_refused(buffered):
    async with buffered.running(), Harness() as harness:
        config = {"directory": str(buffered.directory)}
        pipeline = harness.chain(
            functools.partial(DiskBufferSource, source=buffered.Pushed, config=config)
        )
        await eventually(pipeline.has_error)
        (failure,) = harness.errors
        assert isinstance(failure.error, ConfigError)
        assert "another process uses it" in str(failure.error)
        assert not pipeline.Sources[0].Source.is_running


async def test_the_source_is_stopped_and_started_with_its_buffer(buffered):
    async with buffered.running() as harness:
        pipeline = harness.pipeline_
        assert harness.buffer.rest_get()["source"]["Id"] == "Pushed"
        await pipeline.stop()
        assert not harness.inner.is_running
        waiting = asyncio.ensure_future(harness.inner.process("while it is closed"))
        await asyncio.sleep(0.02)
        pipeline.start()
        await eventually(lambda: harness.inner.is_running)
        await waiting
        await come_out(harness, ["while it is closed"])
    assert harness.inner.starts == 2


async def test_an_error_of_the_source_is_one_of_the_pipeline_and_it_runs_again(buffered):
    class Failing(buffered.Pushed):
        async def main(self):
            self.starts += 1
            if self.starts == 1:
                raise OSError("the port is taken")
            await self.stopped()

    async with buffered.running(Failing) as harness:
        await eventually(harness.pipeline_.has_error)
        assert "the port is taken" in str(harness.errors[0].error)
        harness.pipeline_.set_error(None, None, None)
        await eventually(lambda: harness.inner.starts == 2)
        await harness.inner.process(1)
        await come_out(harness, [1])


async def test_a_full_disk_is_waited_for(buffered, monkeypatch):
    async with buffered.running() as harness:
        files = harness.buffer._log._files
        write, failures = files.write, iter(range(3))

        def failing(batches):
            if next(failures, None) is not None:
                raise OSError(28, "No space left on device")
            return write(batches)

        monkeypatch.setattr(files, "write", failing)
        await harness.inner.process(1)
        await come_out(harness, [1])
        assert len(logged(harness, "cannot write to the buffer")) == 3


async def test_a_pull_source_needs_no_buffer(tmp_path):
    make = functools.partial(
        DiskBufferSource, source=MemorySource, config={"directory": str(tmp_path)}
    )
    async with Harness() as harness:
        with pytest.raises(ConfigError, match="MemorySource reads by itself"):
            harness.chain(make)


async def test_a_buffer_needs_a_place(buffered):
    async with Harness() as harness:
        with pytest.raises(ConfigError, match="there is no place for the buffer"):
            harness.chain(functools.partial(DiskBufferSource, source=buffered.Pushed))


async def test_its_place_is_in_the_directory_of_the_application(buffered, tmp_path):
    async with Harness(["--set", f"[general] var_dir={tmp_path}"]) as harness:
        pipeline = harness.chain(
            functools.partial(DiskBufferSource, source=buffered.Pushed, id="a/b"), id="My pump"
        )
        source = pipeline.Sources[0]
        await eventually(lambda: source.Source.is_running)
        await source.Source.process(1)
        await come_out(harness, [1])
        assert list((tmp_path / "buffers" / "My%20pump.a%2Fb").glob("*.segment"))


def test_records_are_cut_into_pieces_that_fit():
    records = [b"x" * size for size in (10, 10, 500, 10, 10, 10)]
    assert [len(piece) for piece in cut(records, 100)] == [2, 1, 3]
    assert cut([], 100) == []
    assert max(len(piece) for piece in cut([b""] * 10_000, 1_000_000)) <= 4096
