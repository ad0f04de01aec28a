"""Files that grow, followed like `tail -F` does, by position."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypedDict

from msgspec import Meta

from bspump.abc.capabilities import Can
from bspump.abc.codec import Codec
from bspump.abc.errors import ConfigError
from bspump.abc.options import Duration, Options
from bspump.abc.source import Chunk
from bspump.clients.files.globs import literal_directory, split_patterns
from bspump.clients.files.marks import Mark
from bspump.clients.files.problems import transient_problem

from .block_lines import BlockLinesOptions, BlockLinesSource
from .following import Follower, FollowOptions, Marks, Step
from .waking import ChangeWatch

if TYPE_CHECKING:
    from bspump.abc.host import Application, Pipeline


class TailPosition(TypedDict):
    """How far each file was read, by device and inode. Plain data."""

    files: dict[str, Mark]


class TailOptions(BlockLinesOptions, frozen=True, kw_only=True):
    """What a source that follows files can be told."""

    start: Annotated[
        Literal["beginning", "end"],
        Meta(description="Where to begin with files that are there at the very first start."),
    ] = "beginning"
    rotate_wait: Annotated[
        Duration, Meta(description="So long a renamed or deleted file may still be written to.")
    ] = 5.0
    watch: Annotated[
        bool, Meta(description="Wait for the system to tell of changes; with it set `idle` to 0.")
    ] = False


class TailSource(BlockLinesSource[TailPosition]):
    """Follow the lines of files that grow, without an end.

    Files may appear later, be renamed and begun anew, copied and truncated, truncated, or
    deleted, also while the source is stopped: what has been read of them is recognised by inode
    and content. Of a file that was renamed or deleted the rest is read first. What a rotation
    compresses (`app.log.1.gz`) is not read again. Older parts that came and went while the
    source was stopped are read if `path` matches their names (`app.log*`).

    Emits one event per line, without its newline: `bytes`, or what `codec` makes of it. A line
    at the end of a file waits for its newline. Empty lines are passed over. Lines of one file
    keep their order; those of a truncated file go on with what is new.

    Position: per file path, offset and checksums of what is before it. So nothing is read twice
    or left out over a restart. Where a file is truncated before everything was read, the rest is
    lost, unless there is a copy whose name begins like its own (`app.log.1`).
    """

    OptionsClass: ClassVar[type[Options]] = TailOptions
    Options: TailOptions
    Capabilities: ClassVar[Can] = Can.RESUME | Can.ORDER

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
        *,
        codec: Codec | None = None,
        schema: Any = None,
    ) -> None:
        super().__init__(app, pipeline, id, config, codec=codec, schema=schema)
        self._follower = Follower(
            FollowOptions(
                split_patterns(self.Options.path),
                split_patterns(self.Options.exclude),
                self.Options.block,
                self.Options.max_line,
                self.Options.rotate_wait,
            )
        )
        self._watch: ChangeWatch | None = None

    async def connect(self) -> None:
        await super().connect()
        patterns = split_patterns(self.Options.path)
        if not patterns:
            raise ConfigError(f"{self.locate_address()}: `path` is empty: name the files to follow")
        if self.Options.watch:
            directories = {literal_directory(pattern) for pattern in patterns}
            is_deep = any(literal_directory(each) != Path(each).parent for each in patterns)
            self._watch = ChangeWatch(directories, is_deep=is_deep)

    async def read(self, position: TailPosition | None, /) -> Chunk[TailPosition]:
        try:
            if position is not None:
                marks = position["files"]
            elif self.Options.start == "end":
                marks = await asyncio.to_thread(self._follower.start_at_end)
            else:
                marks = {}
            step = await self._step(marks)
            if step.is_idle and self._watch is not None:
                await self._watch.wait()
                step = await self._step(step.marks)
        except OSError as error:
            raise transient_problem(error, f"follow {self.Options.path!r}") from error
        events, contexts = self.decode(step.path, step.block)
        return Chunk(events, TailPosition(files=step.marks), contexts)

    async def close(self) -> None:
        # In a thread, since a read that was cancelled may still be at work in one.
        await asyncio.to_thread(self._follower.close)
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.close()

    async def _step(self, marks: Marks) -> Step:
        """Take a step; steps that moved but found no line do not count."""
        while True:
            now_s = self.App.Clock.monotonic()
            step = await asyncio.to_thread(self._follower.step, marks, now_s)
            for problem in step.problems:
                self.Pipeline.L.warning("cannot follow", source=self.Id, problem=problem)
            if step.is_idle or step.block.data or step.block.long_line:
                return step
            marks = step.marks
