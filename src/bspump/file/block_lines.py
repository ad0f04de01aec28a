"""What the sources that read blocks of lines by position have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

from msgspec import Meta

from bspump.abc.codec import Codec
from bspump.abc.config import parse_bytes
from bspump.abc.contexts import Copies
from bspump.abc.errors import RejectedError
from bspump.abc.options import Options
from bspump.abc.source import PullOptions, PullSource
from bspump.clients.files.blocks import Block
from bspump.formats.registry import codec as codec_by_name
from bspump.formats.registry import decode_block

if TYPE_CHECKING:
    from bspump.abc.host import Application, Pipeline

P = TypeVar("P")
_SHOWN_BYTES = 1000


class BlockLinesOptions(PullOptions, frozen=True, kw_only=True):
    """What every source that reads blocks of lines can be told."""

    path: Annotated[str, Meta(description="Globs of the files, separated by `:`.")]
    exclude: Annotated[str, Meta(description="Globs of names or paths to be passed over.")] = ""
    codec: Annotated[
        str, Meta(description="What a line holds: `raw` (bytes), `json`, `text`, …")
    ] = "raw"
    block: Annotated[
        int,
        Meta(ge=1, description="About so much is read at a time.", extra={"parse": parse_bytes}),
    ] = 1 << 17
    max_line: Annotated[
        int, Meta(ge=1, description="Longer lines are rejected.", extra={"parse": parse_bytes})
    ] = 1 << 24
    filename: Annotated[bool, Meta(description="Each context gets the path as `filename`.")] = False


class BlockLinesSource(PullSource[BlockLinesOptions, P]):
    """The base of sources whose events are lines.

    Empty lines are passed over. A line that the codec refuses or that is longer than
    `max_line` is rejected; its neighbours go on.

    Args:
        app: the application.
        pipeline: the pipeline it belongs to.
        id: names it within the pipeline.
        config: options that override all others.
        codec: decodes the lines, instead of the option `codec`.
        schema: what every line must be, usually a `msgspec.Struct`; for the option `codec`.
    """

    OptionsClass: ClassVar[type[Options]] = BlockLinesOptions

    _codec: Codec

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
        super().__init__(app, pipeline, id, config)
        self.Codec = codec
        self.Schema = schema

    async def connect(self) -> None:
        self._codec = self.Codec or codec_by_name(self.Options.codec, self.Schema)

    def decode(self, path: str, block: Block) -> tuple[list[Any], Copies | None]:
        """Return the events of a block and their contexts; reject the lines that are none."""
        if block.long_line:
            shown = block.long_line[:_SHOWN_BYTES]
            error = RejectedError(
                f"{path}: expected lines of at most {self.Options.max_line} bytes, "
                f"got a longer one; its event is its beginning\n"
                f"  what to do: raise `max_line` of {self.Id!r}"
            )
            self.Pipeline.reject([({"filename": path}, shown)], error, self)
        if not block.data:
            return [], None
        events, broken = decode_block(self._codec, block.data)
        for line, reason in broken:
            self.Pipeline.reject([({"filename": path}, line)], reason, self)
        is_named = self.Options.filename
        return events, Copies({"filename": path}, len(events)) if is_named else None
