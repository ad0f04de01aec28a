"""Sources that ask a server for text: whole, by lines, as rows of CSV."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import aiohttp
from msgspec import Meta

from bspump.abc.errors import ConfigError
from bspump.abc.options import Options, Size
from bspump.clients.http.session import read_body
from bspump.formats.framing import LineFraming
from bspump.formats.reject import rejected

from .client_source import HTTPABCClientSource, HTTPClientSourceOptions

if TYPE_CHECKING:
    from bspump.abc.host import Application, Pipeline

_ROWS_AT_ONCE = 1000
# In these a newline is more than one byte.
_WIDE = ("utf-16", "utf-32")


class HTTPClientTextSourceOptions(HTTPClientSourceOptions, frozen=True, kw_only=True):
    """How bytes become text."""

    encoding: Annotated[
        str, Meta(description="Encoding of the text; default is what the answer says, or UTF-8.")
    ] = ""


class HTTPClientTextSource(HTTPABCClientSource):
    """Emit the body of an answer, one per cycle, as `str`.

    An answer is passed on as a whole or not at all. One that is no text is set aside as bytes.
    """

    OptionsClass: ClassVar[type[Options]] = HTTPClientTextSourceOptions
    Options: HTTPClientTextSourceOptions

    async def main(self, *args: Any, **kwargs: Any) -> None:
        if self.Options.encoding:
            _lookup(self.Options.encoding)
        await super().main()

    async def read(self, response: aiohttp.ClientResponse) -> None:
        text = await self.read_text(response)
        if text is not None:
            await self.process(text)

    async def read_text(self, response: aiohttp.ClientResponse) -> str | None:
        """Return the body as text; `None` if it is none and was set aside."""
        body = await read_body(response, self.Options.max_body_bytes)
        encoding = self.encoding_of(response)
        try:
            return body.decode(encoding)
        except UnicodeDecodeError as error:
            self.Pipeline.reject([({}, body)], rejected(self.Id, encoding, body, str(error)), self)
            return None

    def encoding_of(self, response: aiohttp.ClientResponse) -> str:
        """Return the encoding of the body: as configured, as the server says, UTF-8."""
        if self.Options.encoding:
            return _lookup(self.Options.encoding)
        try:
            return codecs.lookup(response.charset or "utf-8").name
        except LookupError:
            return "utf-8"


def _lookup(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except LookupError as error:
        raise ConfigError(f"encoding: there is none of the name {encoding!r}") from error


class HTTPClientLineSourceOptions(HTTPClientTextSourceOptions, frozen=True, kw_only=True):
    """How long a line may be."""

    max_line_bytes: Annotated[Size, Meta(description="Bytes of one line at the most.")] = 1 << 20


class HTTPClientLineSource(HTTPClientTextSource):
    r"""Emit each line of an answer as `str`, without its end (`\n` or `\r\n`), as it comes.

    The answer may be of any length, or have no end (then set `timeout.total` to 0). Empty lines
    are passed over. A line that is too long or no text is set aside, and its neighbours go on.
    """

    OptionsClass: ClassVar[type[Options]] = HTTPClientLineSourceOptions
    Options: HTTPClientLineSourceOptions

    async def read(self, response: aiohttp.ClientResponse) -> None:
        encoding = self.encoding_of(response)
        if encoding.startswith(_WIDE):
            lines = (await self.read_text(response) or "").replace("\r\n", "\n").split("\n")
            await self.Pipeline.process_many([line for line in lines if line])
            return
        framing = LineFraming(max_bytes=self.Options.max_line_bytes)
        async for piece in response.content.iter_any():
            await self._pass(framing.feed(piece), framing, encoding)
        await self._pass(framing.close(), framing, encoding)

    async def _pass(self, lines: Sequence[bytes], framing: LineFraming, encoding: str) -> None:
        for error in framing.take_rejected():
            self.Pipeline.reject([({}, b"")], error, self)
        events = self._decode([line for line in lines if line], encoding)
        if events:
            await self.Pipeline.process_many(events)

    def _decode(self, lines: Sequence[bytes], encoding: str) -> list[str]:
        try:
            return [line.decode(encoding) for line in lines]
        except UnicodeDecodeError:
            return list(filter(None, (self._decode_one(line, encoding) for line in lines)))

    def _decode_one(self, line: bytes, encoding: str) -> str | None:
        try:
            return line.decode(encoding)
        except UnicodeDecodeError as error:
            self.Pipeline.reject([({}, line)], rejected(self.Id, encoding, line, str(error)), self)
            return None


class HTTPClientCSVSourceOptions(HTTPClientTextSourceOptions, frozen=True, kw_only=True):
    """The dialect of the CSV."""

    dialect: Annotated[str, Meta(description="Dialect that the other options refine.")] = "excel"
    delimiter: Annotated[str, Meta(description="Character between cells.")] = ","
    doublequote: Annotated[bool, Meta(description="A quote within a cell is doubled.")] = True
    escapechar: Annotated[str, Meta(description="Character that escapes the next one.")] = "\\"
    quotechar: Annotated[str, Meta(description="Character around cells.")] = '"'
    quoting: Annotated[
        int, Meta(ge=0, le=3, description="0: some cells are quoted, 1: all, 2: text, 3: none.")
    ] = 0
    skipinitialspace: Annotated[bool, Meta(description="Skip spaces after a delimiter.")] = False
    strict: Annotated[bool, Meta(description="Refuse what is no good CSV.")] = False

    def dialect_arguments(self) -> dict[str, Any]:
        """Return the arguments of a reader of the standard library."""
        return {
            "dialect": self.dialect,
            "delimiter": self.delimiter,
            "doublequote": self.doublequote,
            "escapechar": self.escapechar or None,
            "quotechar": self.quotechar or None,
            "quoting": self.quoting,
            "skipinitialspace": self.skipinitialspace,
            "strict": self.strict,
        }


class HTTPClientCSVSource(HTTPClientTextSource):
    """Emit each row of an answer as a `dict` of text by column.

    Columns are named by `fieldnames`, or else by the first row. A row with fewer cells has `None`
    in the others; one with more, or broken, is set aside. An answer is read to its end before its
    first row is passed on.

    Args:
        fieldnames: names of the columns, if the first row does not hold them.
    """

    OptionsClass: ClassVar[type[Options]] = HTTPClientCSVSourceOptions
    Options: HTTPClientCSVSourceOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        fieldnames: Sequence[str] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config, headers)
        self.FieldNames = list(fieldnames) if fieldnames is not None else None

    async def main(self, *args: Any, **kwargs: Any) -> None:
        self._reader("")
        await super().main()

    def _reader(self, text: str) -> csv.DictReader[str]:
        try:
            return csv.DictReader(
                io.StringIO(text, newline=""),
                fieldnames=self.FieldNames,
                **self.Options.dialect_arguments(),
            )
        except (TypeError, ValueError, csv.Error) as error:
            raise ConfigError(f"{self.Id}: no CSV can be read so: {error}") from error

    async def read(self, response: aiohttp.ClientResponse) -> None:
        text = await self.read_text(response)
        if text is None:
            return
        rows = self._rows(self._reader(text.removeprefix("\ufeff")))
        while taken := list(itertools.islice(rows, _ROWS_AT_ONCE)):
            await self.Pipeline.process_many(taken)

    def _rows(self, reader: csv.DictReader[str]) -> Iterator[dict[Any, Any]]:
        """Yield the good rows, set the others aside."""
        while True:
            try:
                row: dict[Any, Any] = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                place = f"a row of cells in line {reader.line_num}"
                self.Pipeline.reject([({}, "")], rejected(self.Id, place, "", str(error)), self)
                continue
            if None in row:
                self._reject_long(row)
            else:
                yield row

    def _reject_long(self, row: dict[Any, Any]) -> None:
        extra = row.pop(None)
        cells = [*row.values(), *extra]
        error = rejected(self.Id, f"{len(row)} cells", cells, f"{len(cells)} cells")
        self.Pipeline.reject([({}, cells)], error, self)
