"""The base of the sources that read files one by one and rename them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from msgspec import Meta

from bspump.abc.config import parse_bytes
from bspump.abc.options import Duration, Options
from bspump.abc.source import TriggerSource
from bspump.clients.files.claims import Claim, claim, hold, reclaim
from bspump.clients.files.globs import split_patterns
from bspump.clients.files.problems import sort_problem

from .characters import Newline
from .opening import open_file
from .scanning import Scan, Version, scan, version

if TYPE_CHECKING:
    from bspump.abc.host import Application, Pipeline

_KEPT_NAMES = 1000


class FileABCOptions(Options, frozen=True, kw_only=True):
    """What every source that renames its files can be told."""

    path: Annotated[
        str, Meta(description="Globs of the files, separated by `:`; `**` is any depth.")
    ] = ""
    mode: Annotated[Literal["rb", "r", "rt"], Meta(description="`rb` for bytes, `r` for text.")] = (
        "rb"
    )
    newline: Annotated[Newline, Meta(description=r"Of text, as Python's `open` takes it.")] = "\n"
    encoding: Annotated[str, Meta(description="Of text; empty means UTF-8.")] = ""
    post: Annotated[
        Literal["delete", "noop", "move"],
        Meta(description="What to do with a file that was read; `noop` leaves it as it is."),
    ] = "move"
    move_destination: Annotated[
        str, Meta(description="Directory for files that were read; empty: where they were.")
    ] = ""
    include: Annotated[
        str, Meta(description="Globs of names or paths, one of which must match too.")
    ] = ""
    exclude: Annotated[str, Meta(description="Globs of names or paths to be passed over.")] = ""
    max_line: Annotated[
        int,
        Meta(
            ge=1,
            description="Sources of lines reject those that are longer.",
            extra={"parse": parse_bytes},
        ),
    ] = 1 << 24
    lines_per_event: Annotated[
        int, Meta(ge=1, description="`simulate_event` lets others run after so many calls.")
    ] = 10_000
    event_idle_time: Annotated[
        Duration, Meta(description="How long `simulate_event` then waits.")
    ] = 0.01


class FileABCSource(TriggerSource):
    """Read one file per cycle; the files are told from each other by their names.

    A subclass overrides `read`. Names that end in `-locked`, `-processed` or `-failed` are not
    read; what is compressed (`.gz`, `.bz2`, `.xz`, `.lzma`, `.zst`) is decompressed on the way.

    A file is called `<name>-locked` while it is read, by one source only however many processes
    look into the directory. When `read` has returned and the sinks have made everything
    durable, `post` says what becomes of it. After an error it is called `<name>-failed`. When
    the source is stopped in the middle the file gets its name back. When the process is killed
    the file stays `-locked`, and the next source that looks takes it up: so every file is
    read at least once, from its beginning.

    A cycle that finds nothing publishes `bspump.file_source.no_files!` on the pipeline's PubSub.
    The gauge `file_count` says how many files there are of each kind.

    With `post=noop` files are neither renamed nor read a second time, unless they have changed;
    a new process reads them again.
    """

    OptionsClass: ClassVar[type[Options]] = FileABCOptions
    Options: FileABCOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self._names: deque[tuple[str, bool]] = deque()
        self._seen: dict[str, Version] = {}
        self._gauge: Any = None
        self._calls = 0

    async def read(self, filename: str, f: IO[Any]) -> None:
        """Bring in the content of a file.

        Args:
            filename: the name of the file, without marks.
            f: the file, open for reading as `mode` says.
        """
        raise NotImplementedError(f"{type(self).__name__}.read")

    async def simulate_event(self) -> None:
        """Let others run, now and then; for a `read` that takes long and passes few events."""
        self._calls += 1
        if self._calls % self.Options.lines_per_event == 0:
            await self.App.Clock.sleep(self.Options.event_idle_time)

    async def cycle(self, *args: Any, **kwargs: Any) -> None:
        """Read the next file, if there is one."""
        try:
            taken = self._claim_next() or await self._look()
        except OSError as error:
            raise sort_problem(error, f"look for files at {self.Options.path!r}") from error
        if taken is None:
            self.Pipeline.PubSub.publish("bspump.file_source.no_files!")
            return
        with taken:
            await self._read_claimed(taken)

    async def _read_claimed(self, taken: Claim) -> None:
        options = self.Options
        try:
            with open_file(
                taken.path,
                options.mode,
                filename=taken.filename,
                encoding=options.encoding,
                newline=options.newline,
            ) as f:
                await self.read(taken.filename, f)
            await self.Pipeline.settle()
        except asyncio.CancelledError:
            taken.release()
            raise
        except Exception as error:
            # Whatever it was: a file that could not be read must not be taken for one that was.
            error.add_note(f"while reading {taken.filename!r}")
            self._conclude(taken, "fail")
            raise
        self._conclude(taken, options.post)

    def _conclude(self, taken: Claim, what: str) -> None:
        """Do with the file what `what` says; where renaming is off, remember it."""
        if self.Options.post == "noop":
            self._seen[taken.filename] = version(taken.stat)
            taken.release()
        elif what == "fail":
            taken.fail()
        elif what == "delete":
            taken.delete()
        else:
            taken.move(self.Options.move_destination)

    async def _look(self) -> Claim | None:
        options = self.Options
        found = await asyncio.to_thread(
            scan,
            split_patterns(options.path),
            split_patterns(options.include),
            split_patterns(options.exclude),
        )
        self._count(found)
        self._seen = {name: seen for name, seen in self._seen.items() if name in found.files}
        self._names.extend((name, True) for name in found.locked)
        unseen = [name for name, what in found.files.items() if self._seen.get(name) != what]
        self._names.extend((name, False) for name in unseen[:_KEPT_NAMES])
        return self._claim_next()

    def _claim_next(self) -> Claim | None:
        """Claim the first of the files found before that can still be had."""
        while self._names:
            name, was_locked = self._names.popleft()
            if was_locked:
                taken = reclaim(name)
            elif self.Options.post == "noop":
                taken = hold(name)
            else:
                taken = claim(name)
            if taken is not None:
                return taken
        return None

    def _count(self, found: Scan) -> None:
        if self._gauge is None:
            self._gauge = self.Pipeline.MetricsService.create_gauge(
                "file_count",
                tags={"pipeline": self.Pipeline.Id},
                init_values=found.counts,
                description="Files by what became of them, and seconds that the look took.",
            )
        for name, value in found.counts.items():
            self._gauge.set(name, value)
