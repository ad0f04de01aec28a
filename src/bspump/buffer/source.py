"""The source that reads from a buffer on disk what another source has brought."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast
from urllib.parse import quote

from bspump.abc.capabilities import Can
from bspump.abc.errors import ConfigError, TransientError
from bspump.abc.options import Options
from bspump.abc.source import Chunk, PullSource, Source
from bspump.state import LogBlock, SegmentLog

from .entrance import Entrance
from .options import DiskBufferSourceOptions
from .records import RecordCodec
from .writing import Writer

if TYPE_CHECKING:
    from bspump.abc.host import Application, Pipeline

SourceFactory = Callable[[Any, Any], Source]
"""Makes a source, given the application and the pipeline: a class, or a function."""


class DiskBufferSource(PullSource[DiskBufferSourceOptions, int]):
    """Keep on disk what a source brings that cannot bring it again, until it is processed.

    Emits the events of `source` in the order in which they came. For `source`, an event has been
    dealt with when it is on the disk, as `buffer.fsync` says; so it takes what comes also while the
    pipeline cannot, until the buffer is full. Events must be plain data; others are rejected.
    See `context` for what becomes of contexts.

    Position: the number of the next record. What a checkpoint has is removed from the disk, file
    by file. After a crash of the program every event that `source` has passed comes out, and
    those since the last checkpoint come once more. A record that was not written completely is
    cut off; damaged ones are passed over, logged and counted, as is what a full buffer drops.

    Args:
        app: the application.
        pipeline: the pipeline it belongs to.
        source: makes the source, such as `lambda app, pipeline: TCPSource(app, pipeline)`. It
            must be made for the pipeline that it is given.
        id: names the buffer within the pipeline, and its directory.
        config: options that override all others.

    Raises:
        ConfigError: `source` is a pull source.
    """

    OptionsClass: ClassVar[type[Options]] = DiskBufferSourceOptions
    Capabilities = Can.RESUME | Can.ORDER

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        source: SourceFactory,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self._directory = self._find_directory()
        self._log = SegmentLog(self._directory, self.Options.buffer)
        self._writer = Writer(self._log, self.Options, pipeline, self.Id)
        self._records = RecordCodec(self.Options.context, self._say_left_out)
        entrance = Entrance(pipeline, self._records, self._writer)
        self.Source = source(app, cast("Pipeline", entrance))
        entrance.serve(self.Source)
        self._refuse_pull_source()
        self._has_inner_run = False
        self._reported = 0
        tags = {"pipeline": pipeline.Id, "source": self.Id}
        self._counter = pipeline.MetricsService.create_counter(
            "bspump.buffer", tags=tags, init_values={"event.dropped": 0, "event.lost": 0}
        )
        self._gauge = pipeline.MetricsService.create_gauge(
            "bspump.buffer.size", tags=tags, init_values={"events": 0, "bytes": 0}
        )

    def _find_directory(self) -> Path:
        if self.Options.directory:
            return Path(self.Options.directory)
        entry = self.App.Config.entries("general").get("var_dir")
        if entry is None or not entry.value:
            self.App.Config.report(
                ConfigError(
                    f"{self.locate_address()}: there is no place for the buffer"
                    f" [{ConfigError.Code}]\n"
                    f"  what to do: set `var_dir` in [general], where checkpoints are kept as well;"
                    f" or `directory` here"
                )
            )
        name = f"{quote(self.Pipeline.Id, safe='')}.{quote(self.Id, safe='')}"
        return Path(str(entry.value) if entry is not None else "") / "buffers" / name

    def _refuse_pull_source(self) -> None:
        if isinstance(self.Source, PullSource):
            raise ConfigError(
                f"{self.locate_address()}: {type(self.Source).__name__} reads by itself"
                f" [{ConfigError.Code}]\n"
                f"  expected: a source that is driven from outside, such as a server\n"
                f"  what to do: use it without a buffer"
            )

    # Its life

    async def main(self) -> None:
        await self.connect()
        try:
            self._start_inner()
            await super().main()
        finally:
            await self.close()

    def _start_inner(self) -> None:
        self.Source.start(self.Loop)
        task = self.Source.Task
        if task is not None:
            self._has_inner_run = True
            task.add_done_callback(lambda _: self._writer.changed.set())

    def restart(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        super().restart(loop)
        if self._log.is_open():
            self._start_inner()

    async def stop(self) -> None:
        # First of all nothing more comes in; it lasts, whatever becomes of the rest.
        await self._stop_inner()
        await super().stop()

    async def _stop_inner(self) -> None:
        await self.Source.stop()
        if self._log.is_open():
            await self._writer.settle()

    async def connect(self) -> None:
        if self._log.is_open():
            return
        cut_bytes = await self._log.open(self.Position or 0)
        if cut_bytes:
            self.Pipeline.L.warning(
                "the end of the buffer was not complete and was cut off",
                source=self.Id,
                size_bytes=cut_bytes,
            )
        self._reported = self.Position or 0
        self._writer.opened()
        self.Pipeline.MetricsService.add_collector(self._collect)

    async def close(self) -> None:
        if not self._log.is_open():
            return
        self.Pipeline.MetricsService.remove_collector(self._collect)
        try:
            await self.Source.stop()
            with suppress(TransientError):
                # So that without checkpoints nothing comes again after an end in peace.
                await self._log.trim()
        finally:
            self._writer.closed()
            await self._log.close()

    # Reading

    async def read(self, position: int | None, /) -> Chunk[int]:
        at = self._log.stats().begin if position is None else position
        while True:
            self._writer.changed.clear()
            block = await self._log.read(at)
            if block.position != at:
                return self._chunk(block)
            if self._is_at_end():
                return Chunk([], at, is_last=True)
            await self._writer.changed.wait()

    async def acknowledge(self, position: int, /) -> None:
        await self._log.acknowledge(position)

    def _is_at_end(self) -> bool:
        return self._has_inner_run and self.Source.is_finished() and not self._writer.waiting()

    def _chunk(self, block: LogBlock) -> Chunk[int]:
        events, contexts, unreadable = self._records.decode(block.records)
        # What is read again after a cancel was reported before.
        if block.position > self._reported:
            self._reported = block.position
            self._report(block, unreadable)
        return Chunk(events, block.position, contexts)

    def _report(self, block: LogBlock, unreadable: int) -> None:
        log = self.Pipeline.L
        for damage in block.damages:
            self._counter.add("event.lost", damage.lost)
            log.error("a part of the buffer is damaged", source=self.Id, **damage._asdict())
        if unreadable:
            self._counter.add("event.lost", unreadable)
            log.error("records of the buffer cannot be read", source=self.Id, count=unreadable)
        if block.dropped:
            self._counter.add("event.dropped", block.dropped)
            log.warning("events were dropped unread", source=self.Id, count=block.dropped)

    # What is told

    def _say_left_out(self, key: Any, value: Any) -> None:
        self.Pipeline.L.info(
            "an entry of contexts is no plain data and is not kept",
            source=self.Id,
            key=str(key),
            type=type(value).__qualname__,
        )

    def _buffered(self) -> int:
        stats = self._log.stats()
        return stats.end - max(stats.begin, self.Position or 0)

    def _collect(self) -> None:
        self._gauge.set("events", self._buffered())
        self._gauge.set("bytes", self._log.stats().size_bytes)

    def rest_get(self) -> dict[str, Any]:
        """Return what the REST interface shows."""
        stats = self._log.stats()
        return {
            **super().rest_get(),
            "source": self.Source.rest_get(),
            "directory": str(self._directory),
            "events": self._buffered(),
            "size_bytes": stats.size_bytes,
            "max_bytes": self.Options.buffer.max_bytes,
            "dropped": stats.dropped,
        }
