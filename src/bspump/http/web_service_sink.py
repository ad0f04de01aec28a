"""A sink that answers requests: events become the bodies of responses."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from aiohttp import web
from msgspec import Meta

from bspump.abc.errors import RejectedError
from bspump.abc.options import Duration, Options, Size
from bspump.abc.sink import Sink
from bspump.formats.reject import rejected

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline


class WebServiceSinkOptions(Options, frozen=True, kw_only=True):
    """What is expected of those who wait for a response."""

    max_waiting_bytes: Annotated[
        Size, Meta(description="Bytes that wait for a client before the pipeline waits too.")
    ] = 1 << 20
    write_timeout: Annotated[
        Duration, Meta(description="A client that takes nothing for so long is cut off.")
    ] = 30.0


class WebServiceStreamResponse(web.StreamResponse):
    """A response whose body comes from a pipeline; use it by `async with`.

    At the end of the block everything that is under way in the pipeline gets out of it, what was
    written is sent, and the response is complete. A block that raises leaves no complete response
    behind. `Id` goes into the context of the events that belong to it.
    """

    def __init__(self, sink: WebServiceSink, request: web.Request, id: str) -> None:
        super().__init__()
        self.Id = id
        self._sink = sink
        self._incoming = request
        self._waiting = bytearray()
        self._sending = asyncio.Lock()
        self._is_gone = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                await self._complete()
        finally:
            self._sink.forget(self)
            if not self._eof_sent and self.prepared:
                self.cut()

    async def _complete(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._sink.Options.write_timeout or None):
                await self._sink.Pipeline.settle()
        await self.send()
        if not self._is_gone:
            await self.write_eof()

    @property
    def waiting_bytes(self) -> int:
        """How much waits for the client."""
        return len(self._waiting)

    @property
    def is_gone(self) -> bool:
        """Tell whether the client was given up."""
        return self._is_gone

    def feed(self, event: str | bytes | bytearray, content_type: str | None) -> None:
        """Add to the body; the type of the content counts until the first byte is sent."""
        if not self.prepared and not self._waiting and isinstance(event, str):
            self.content_type, self.charset = "text/plain", "utf-8"
        if not self.prepared and content_type is not None:
            self.headers["Content-Type"] = content_type
        self._waiting += event.encode() if isinstance(event, str) else event

    async def send(self) -> None:
        """Send what is waiting; a client that does not take it in time is cut off."""
        try:
            async with asyncio.timeout(self._sink.Options.write_timeout or None), self._sending:
                if not self.prepared:
                    await self.prepare(self._incoming)
                while self._waiting:
                    data, self._waiting = bytes(self._waiting), bytearray()
                    await self.write(data)
        except (ConnectionError, TimeoutError):
            self.cut()

    def cut(self) -> None:
        """Give the client up, and break the connection."""
        self._is_gone = True
        self._waiting.clear()
        if self._incoming.transport is not None:
            self._incoming.transport.abort()


class WebServiceSink(Sink):
    """Write events into responses to requests.

    A handler of an aiohttp application asks for a response::

        async with await sink.response(request) as response:
            context = {sink.CONTEXT_RESPONSE_ID: response.Id}
            await source.put(context, await request.text(), request)
        return response

    Events are `bytes`, or `str` which is written in UTF-8. Each goes to the response whose Id is
    in its context, under `webservicesink.response_id`; `webservicesink.type` may hold the type of
    the content, until the first byte is sent. They are sent as they come, and the rest at the end
    of the block.

    An event without such an Id is an error (`RejectedError`). One whose response is complete, or
    whose client has left, is dropped and counted in `Dropped`: strangers must not be able to stop
    a pipeline by leaving.

    A slow client holds the pipeline back, for `write_timeout` at the most; then it is cut off.
    """

    CONTEXT_RESPONSE_ID: ClassVar[str] = "webservicesink.response_id"
    CONTEXT_TYPE: ClassVar[str] = "webservicesink.type"

    OptionsClass: ClassVar[type[Options]] = WebServiceSinkOptions
    Options: WebServiceSinkOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.Dropped = 0
        self._responses: dict[str, WebServiceStreamResponse] = {}
        self._sending: dict[str, asyncio.Task[Any]] = {}

    async def response(self, request: web.Request) -> WebServiceStreamResponse:
        """Return a response to `request` that events can be written to from now on."""
        response = WebServiceStreamResponse(self, request, uuid.uuid4().hex)
        self._responses[response.Id] = response
        return response

    def process(self, context: Context, event: Event) -> None:
        id = context.get(self.CONTEXT_RESPONSE_ID)
        if id is None:
            raise RejectedError(f"{self.Id}: the context has no {self.CONTEXT_RESPONSE_ID!r}")
        if not isinstance(event, str | bytes | bytearray):
            raise rejected(self.Id, "str or bytes", event)
        response = self._responses.get(id)
        if response is None or response.is_gone:
            self.Dropped += 1
            return
        response.feed(event, context.get(self.CONTEXT_TYPE))
        if response.waiting_bytes > self.Options.max_waiting_bytes:
            self.Pipeline.throttle((self.Id, response.Id))
        if response.Id not in self._sending:
            name = f"{self.locate_address()}: response"
            self._sending[response.Id] = self.App.spawn(self._send(response), name=name)

    async def _send(self, response: WebServiceStreamResponse) -> None:
        """Send until nothing is waiting, then let the pipeline go on if it was held back."""
        try:
            while response.waiting_bytes:
                await response.send()
        finally:
            del self._sending[response.Id]
            self.Pipeline.throttle((self.Id, response.Id), False)

    async def flush(self) -> None:
        """Wait until the clients have taken what was written for them, or were cut off."""
        if self._sending:
            await asyncio.wait(list(self._sending.values()))

    def forget(self, response: WebServiceStreamResponse) -> None:
        """Take no more events for a response; it calls this at its end."""
        self._responses.pop(response.Id, None)

    def rest_get(self) -> dict[str, Any]:
        """Return what the REST interface shows."""
        return {**super().rest_get(), "open": len(self._responses), "dropped": self.Dropped}
