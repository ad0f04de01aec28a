"""A source that reads the listing of a JSON API, page by page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import aiohttp
from msgspec import Meta

from bspump.abc.capabilities import Can
from bspump.abc.errors import ConfigError, NotConnectedError, ProcessingError, RejectedError
from bspump.abc.options import Duration, Options
from bspump.abc.source import Chunk, PullOptions, PullSource
from bspump.clients.http.errors import raise_for_status, shown_url, transfer_errors
from bspump.clients.http.options import (
    AuthOptions,
    Headers,
    MaxBodyBytes,
    TimeoutOptions,
    TlsOptions,
)
from bspump.clients.http.retry_after import wait_s
from bspump.clients.http.session import open_session, read_body
from bspump.formats.json_codec import JsonCodec

from .paging import (
    CursorPaging,
    LinkPaging,
    NoPaging,
    NumberPaging,
    OffsetPaging,
    Page,
    Paging,
    PagingName,
    Position,
    find,
    read_page,
)

if TYPE_CHECKING:
    from bspump.abc.host import Application, Pipeline

_START: Position = {"at": None, "skip": 0}


class HTTPPagedSourceOptions(PullOptions, frozen=True, kw_only=True):
    """Where the listing is, and how its pages follow each other."""

    url: Annotated[str, Meta(description="URL of the listing, with parameters that never change.")]
    records: Annotated[
        str, Meta(description="Dotted path of the list of records in an answer; empty: all of it.")
    ] = ""
    paging: Annotated[
        PagingName,
        Meta(
            description="How the next page is found: `link` (header `Link`, or `next_field`),"
            " `cursor` (`next_field`), `page` (a number), `offset`, or `none`."
        ),
    ] = "link"
    next_field: Annotated[
        str, Meta(description="Dotted path of the cursor, or of the URL of the next page.")
    ] = ""
    parameter: Annotated[
        str,
        Meta(
            description="Parameter of the query for cursor, page or offset; default is the name of"
            " `paging`."
        ),
    ] = ""
    first_page: Annotated[int, Meta(description="Number of the first page.")] = 1
    page_size: Annotated[
        int, Meta(ge=0, description="Records of a full page; 0: as many as the server likes.")
    ] = 0
    size_parameter: Annotated[
        str, Meta(description="Parameter of the query that takes `page_size`.")
    ] = "limit"
    follow: Annotated[
        bool, Meta(description="At the end of the listing wait for more, as long as `idle`.")
    ] = False
    interval: Annotated[
        Duration, Meta(description="Seconds between the beginnings of two requests at the least.")
    ] = 0.0
    headers: Headers = {}  # noqa: RUF012 - each struct gets a dict of its own
    auth: AuthOptions = AuthOptions()
    tls: TlsOptions = TlsOptions()
    timeout: TimeoutOptions = TimeoutOptions()
    max_body_bytes: MaxBodyBytes = 64 << 20


class HTTPPagedSource(PullSource[HTTPPagedSourceOptions, Position]):
    """Read the listing of a JSON API page by page.

    Emits what stands in the list of records, in the order of the listing; `null` is passed over.

    Position: the page (its URL, cursor, number or offset) and how many of its records were
    passed. After a crash at most the pages in flight come twice. The listing must grow at its
    end only: what is inserted or deleted before the position shifts what follows, except for
    APIs whose cursors or links allow for it.

    It ends with the listing, unless `follow` is on: then the last page is asked for again, and
    what was added to it or behind it goes on.

    A busy server (429, 503, a used up `X-RateLimit`) is left alone as long as it asks for. An
    answer that is no JSON, or has no list where `records` says, is an error of the pipeline.
    """

    OptionsClass: ClassVar[type[Options]] = HTTPPagedSourceOptions
    Capabilities: ClassVar[Can] = Can.RESUME | Can.ORDER | Can.END

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self._session: aiohttp.ClientSession | None = None
        self._codec = JsonCodec()
        self._not_before_s = 0.0

    async def connect(self) -> None:
        self._paging = _paging_of(self.Options)
        self._session = open_session(self.Options, self.Options.url)

    async def read(self, position: Position | None, /) -> Chunk[Position]:
        position = position or _START
        page = await self._ask(position)
        records, after, is_end = read_page(self._paging, position, page)
        events = [record for record in records if record is not None]
        return Chunk(events, after, is_last=is_end and not self.Options.follow)

    async def _ask(self, position: Position) -> Page:
        if self._session is None:
            raise NotConnectedError(f"{self.Id}: not connected")
        options, clock = self.Options, self.App.Clock
        at = position["at"]
        url = self._paging.url(options.url, at)
        where = f"GET {shown_url(url)}"
        # A limit of rate holds for attempts that fail too, so it is kept here and not by `idle`.
        await clock.sleep(max(0.0, self._not_before_s - clock.monotonic()))
        self._not_before_s = clock.monotonic() + options.interval
        params = self._paging.query(at)
        if options.page_size and url == options.url:
            params[options.size_parameter] = str(options.page_size)
        with transfer_errors(where):
            async with self._session.get(url, params=params) as response:
                now_s = self.App.time()
                await raise_for_status(response, where=where, now_s=now_s)
                content = await read_body(response, options.max_body_bytes)
                pause_s = wait_s(response.headers, now_s=now_s)
                self._not_before_s = max(self._not_before_s, clock.monotonic() + pause_s)
                headers, final_url = response.headers, str(response.url)
        body = self._decode(content, where)
        return Page(self._records_of(body, where), body, final_url, headers)

    def _decode(self, content: bytes, where: str) -> Any:
        try:
            return self._codec.decode(content)
        except RejectedError as error:
            raise ProcessingError(f"{where}: {error}") from error

    def _records_of(self, body: Any, where: str) -> Sequence[Any]:
        found = find(body, self.Options.records)
        if not isinstance(found, list):
            path = self.Options.records or "the whole answer"
            raise ProcessingError(
                f"{where}: records ({path}): expected a list, got {type(found).__name__}\n"
                f"  what to do: set records to the path of the list"
            )
        return found

    async def close(self) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()


def _paging_of(options: HTTPPagedSourceOptions) -> Paging:
    parameter = options.parameter or options.paging
    match options.paging:
        case "link":
            return LinkPaging(options.url, options.next_field)
        case "cursor":
            if not options.next_field:
                raise ConfigError(
                    "next_field: paging by cursor needs the field of the answer that holds it, "
                    "for example `meta.next_cursor`"
                )
            return CursorPaging(options.next_field, parameter)
        case "page":
            if options.follow and not options.page_size:
                raise ConfigError(
                    "page_size: to follow a listing by page numbers, it must be known how many "
                    "records make a page full"
                )
            page_size = options.page_size if options.follow else 0
            return NumberPaging(parameter, options.first_page, page_size)
        case "offset":
            return OffsetPaging(parameter)
    return NoPaging()
