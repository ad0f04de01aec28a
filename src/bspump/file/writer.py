"""Output files one after another: opened when there is something to write, completed when full."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, TypedDict

from bspump.abc.errors import RejectedError, TransientError
from bspump.clients.files.globs import find_paths
from bspump.clients.files.output import (
    OutputFile,
    Prepared,
    abort,
    commit,
    cut_torn_line,
    tag_of,
    take_over,
)
from bspump.formats.compression import compressor, decompressor

from .names import NameTemplate

_READ_BYTES = 1 << 18
_LINEAGE: Final = 8
"""So many digits of a tag say which store of checkpoints; the others say which sink."""


class Mark(TypedDict):
    """Where a writer stands. Plain data.

    `unnamed` are files that are complete and have yet to get their names; `open` is the one
    being written: its path, its name, its size in bytes; `since_s` is when that was begun.
    """

    index: int
    unnamed: list[Any]
    open: list[Any] | None
    events: int
    since_s: float


@dataclass(frozen=True, slots=True)
class WriterOptions:
    """How files are written. Limits of 0 are none.

    Args:
        compression: by its name; every `put` becomes a member of its own, which is whole.
        level: of the compression; `None` for its default.
        is_durable: `put` waits for the disk.
        appends: go on with the file that has the name, instead of making new ones.
        max_bytes: of a file, as it is on the disk.
        max_events: in a file.
        max_age_s: from its beginning on.
        tag: marks temporary files as those of one sink and one store of checkpoints: files get
            their names by `publish` alone. Empty: as soon as they are complete.
    """

    compression: str = "none"
    level: int | None = None
    is_durable: bool = True
    appends: bool = False
    max_bytes: int = 0
    max_events: int = 0
    max_age_s: float = 0.0
    tag: str = ""


class Writer:
    """Writes blocks of lines to files named by a template. Its methods block: use a thread.

    After `put` has returned the caller says `confirm`. What was put but not confirmed, since the
    caller was cancelled or the disk was full, is not in the file: it is to be put again.

    Args:
        names: of the files.
        options: how they are written.
        time: the wall clock.
    """

    def __init__(
        self, names: NameTemplate, options: WriterOptions, time: Callable[[], float]
    ) -> None:
        self._names = names
        self._options = options
        self._time = time
        self._lock = threading.RLock()
        self._file: OutputFile | None = None
        self._unnamed: list[Prepared] = []
        self._suspended: list[Any] | None = None
        self._index = 0
        self._events = 0
        self._put_events = 0
        self._since_s = 0.0

    @property
    def path(self) -> Path | None:
        """The name that the file being written is to get, `None` while there is no such file."""
        return None if self._file is None else self._file.final

    def room(self) -> int | None:
        """Return how many events the file being written still takes; `None`: no limit."""
        limit = self._options.max_events
        return limit - self._events % limit if limit else None

    def due_s(self) -> float | None:
        """Return when the file being written is to be completed for its age, `None` for never."""
        if self._file is None or not self._options.max_age_s:
            return None
        return self._since_s + self._options.max_age_s

    def put(self, data: bytes, events: int) -> None:
        """Write lines.

        Raises:
            OSError: they could not be written.
            TransientError: somebody else is writing the file that is to be appended to.
        """
        options = self._options
        with self._lock:
            self._name_if_free()
            if options.compression != "none":
                squeeze = compressor(options.compression, options.level)
                data = squeeze.feed(data) + squeeze.finish()
            if self._is_full(len(data)):
                self.complete()
            if self._file is None:
                self._file = self._open()
            self._file.append(data)
            self._put_events = events

    def confirm(self) -> None:
        """Take note that what was put last is going to count."""
        if self._file is not None:
            self._file.confirm()
        self._events += self._put_events
        self._put_events = 0

    def complete(self) -> None:
        """Give the file being written its name; one without any content is removed."""
        with self._lock:
            self._name_if_free()
            file = self._file
            if file is None:
                return
            prepared = file.prepare()
            self._file = None
            self._events = self._put_events = 0
            if file.size_bytes:
                self._unnamed.append(prepared)
            else:
                abort(prepared)
            self._name_if_free()

    def is_due(self) -> bool:
        """Tell whether the file being written has reached a limit."""
        options, due_s = self._options, self.due_s()
        return self._file is not None and (
            (due_s is not None and self._time() >= due_s)
            or 0 < options.max_events <= self._events
            or 0 < options.max_bytes <= self._file.size_bytes
        )

    def recover(self) -> list[Path]:
        """Complete what writers that are dead have left; return the names.

        Lines that were never confirmed may be among it, but none that is torn. Files that are
        marked as those of a sink with the same store of checkpoints are left alone.
        """
        if self._options.appends:
            return []
        recovered = []
        for path in self._temporary_paths():
            tag = tag_of(path)
            is_ours = not tag or tag[:_LINEAGE] != self._options.tag[:_LINEAGE]
            file = take_over(path) if is_ours else None
            if file is not None:
                final = self._recover(file)
                if final is not None:
                    recovered.append(final)
        return recovered

    def _temporary_paths(self) -> list[Path]:
        paths = map(Path, find_paths([self._names.temporary_glob()]))
        return [path for path in paths if self._names.is_temporary(path)]

    # With checkpoints

    def mark(self, *, is_complete: bool = False) -> Mark:
        """Return where it stands, as far as it is confirmed.

        Args:
            is_complete: as it will stand when the file being written has been completed.
        """
        with self._lock:
            opened, unnamed = self._suspended, list(self._unnamed)
            if self._file is not None:
                opened = [str(self._file.path), str(self._file.final), self._file.size_bytes]
            if opened is not None and is_complete:
                if opened[2]:
                    unnamed.append(Prepared(temporary=opened[0], final=opened[1]))
                opened = None
            return Mark(
                index=self._index,
                unnamed=unnamed,
                open=opened,
                events=0 if opened is None else self._events,
                since_s=self._since_s,
            )

    def publish(self, files: Sequence[Prepared]) -> None:
        """Give complete files their names. Doing it twice is fine."""
        with self._lock:
            for prepared in files:
                commit(prepared)
                if prepared in self._unnamed:
                    self._unnamed.remove(prepared)

    def unnamed(self) -> list[Prepared]:
        """Return the files that are complete and have no name yet."""
        with self._lock:
            return list(self._unnamed)

    def rewind(self, mark: Mark | None) -> bool:
        """Let files be as they were at `mark`, the last one that is stored; `None`: none is.

        Returns:
            False if the file that was being written is not there any more, or has lost something.
        """
        with self._lock:
            kept, is_whole = "", True
            if mark is not None:
                self._index, self._since_s = mark["index"], mark["since_s"]
                self._events = mark["events"]
                self.publish(mark["unnamed"])
                self._suspended = mark["open"]
                kept = mark["open"][0] if mark["open"] is not None else ""
                is_whole = self.resume()
            for path in self._temporary_paths():
                if tag_of(path) == self._options.tag and str(path) != kept:
                    path.unlink()
        return is_whole

    def suspend(self) -> None:
        """Close the file being written as it is, until `resume`."""
        with self._lock:
            self._suspended = self.mark()["open"]
            if self._file is not None:
                self._file.close()
                self._file = None

    def resume(self) -> bool:
        """Go on with the file that was being written; False if it has lost something."""
        with self._lock:
            suspended, self._suspended = self._suspended, None
            if suspended is None:
                return True
            path, final, size_bytes = suspended
            self._file = OutputFile.resume(
                Path(path), Path(final), size_bytes, is_durable=self._options.is_durable
            )
            if self._file is None:
                self._events = 0
            return self._file is not None

    def _name_if_free(self) -> None:
        if not self._options.tag:
            self._name()

    def _name(self) -> None:
        """Give complete files their names; what fails is done by the next call."""
        while self._unnamed:
            commit(self._unnamed[0])
            del self._unnamed[0]

    def _is_full(self, more_bytes: int) -> bool:
        if self._file is None:
            return False
        limit = self._options.max_bytes
        has_bytes = bool(limit and self._file.size_bytes)
        return self.is_due() or (has_bytes and self._file.size_bytes + more_bytes > limit)

    def _open(self) -> OutputFile:
        self._since_s = self._time()
        if self._options.appends:
            return self._extend(self._names.path(0, self._since_s))
        while True:
            final = self._names.path(self._index, self._since_s)
            final.parent.mkdir(parents=True, exist_ok=True)
            file = OutputFile.create(
                final, is_durable=self._options.is_durable, tag=self._options.tag
            )
            # An index is used once, so that names tell the order also when files are taken away.
            self._index += 1
            if file is not None:
                return file

    def _extend(self, path: Path) -> OutputFile:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = OutputFile.extend(path, is_durable=self._options.is_durable)
        if file is None:
            raise TransientError(
                f"{path}: another sink is writing it\n"
                f"  what to do: give each sink a file of its own"
            )
        if file.last_byte() not in (b"", b"\n"):
            # A line that a crash has torn: end it, so that it spoils only itself.
            file.append(b"\n")
            file.confirm()
        return file

    def _recover(self, file: OutputFile) -> Path | None:
        if self._options.compression == "none":
            cut_torn_line(file)
        elif not self._mend(file.path):
            file.size_bytes = 0
        prepared = file.prepare()
        if not file.size_bytes:
            abort(prepared)
            return None
        commit(prepared)
        return file.final

    def _mend(self, path: Path) -> bool:
        """Replace a compressed file by one of its whole lines; False if there are none."""
        squeeze = compressor(self._options.compression, self._options.level)
        mended = path.with_name(f"{path.name}.mended")
        has_lines = False
        with path.open("rb") as torn, mended.open("wb") as whole:
            for lines in _whole_lines(torn, self._options.compression):
                whole.write(squeeze.feed(lines))
                has_lines = True
            whole.write(squeeze.finish())
            whole.flush()
            os.fsync(whole.fileno())
        mended.replace(path)
        return has_lines


def _whole_lines(file: IO[bytes], compression: str) -> Iterator[bytes]:
    """Yield what can be decompressed, up to the last newline of it."""
    expand, held = decompressor(compression), b""
    try:
        while data := file.read(_READ_BYTES):
            for piece in expand.feed(data):
                held += piece
                cut = held.rfind(b"\n") + 1
                if cut:
                    yield held[:cut]
                    held = held[cut:]
    except RejectedError:
        # The end of the file is torn; what came before is whole.
        return
