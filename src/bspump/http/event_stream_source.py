"""A source of server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, TypedDict

import aiohttp
from msgspec import Meta

from bspump.abc.capabilities import Can
from bspump.abc.errors import ConfigError, NotConnectedError, RejectedError
from bspump.abc.options import Duration, Options, Size
from bspump.abc.source import Chunk, PullOptions, PullSource
from bspump.clients.http.errors import raise_for_status, shown_url, transfer_errors
from bspump.clients.http.options import AuthOptions, Headers, TimeoutOptions, TlsOptions
from bspump.clients.http.retry_after import LONGEST_S
from bspump.clients.http.session import open_session
from bspump.formats.registry import codec

from .event_stream import EventStreamParser, Message

if TYPE_CHECKING:
    from bspump.abc.host import Application, Pipeline

# A read comes back after so long without a message, so that what was read is acknowledged.
_PATIENCE_S: Final = 1.0
_TYPE: Final = "text/event-stream"


class StreamPosition(TypedDict):
    """Where to resume: the id of the last event."""

    last_event_id: str


class HTTPEventStreamSourceOptions(PullOptions, frozen=True, kw_only=True):
    """Which stream is read."""

    url: Annotated[str, Meta(description="URL of the stream.")]
    codec: Annotated[str, Meta(description="How the data of a message is decoded.")] = "text"
    max_message_bytes: Annotated[
        Size, Meta(description="Bytes of one message at the most; longer ones are skipped.")
    ] = 1 << 20
    idle: Annotated[Duration, Meta(description="Wait after a read that found nothing.")] = 0.0
    headers: Headers = {}  # noqa: RUF012 - each struct gets a dict of its own
    auth: AuthOptions = AuthOptions()
    tls: TlsOptions = TlsOptions()
    timeout: TimeoutOptions = TimeoutOptions(read=90.0, total=0.0)


class HTTPEventStreamSource(PullSource[HTTPEventStreamSourceOptions, StreamPosition]):
    """Read a stream of server-sent events (`text/event-stream`).

    Emits the data of each message, decoded by `codec` (text by default); the context has its type
    in `sse_event` and its id in `sse_id`. A message that the codec refuses, or that is too long,
    is set aside.

    Position: the last event id. When a connection ends or is silent for `timeout.read`, and
    after a crash, the stream is asked for what comes after it (`Last-Event-ID`), not before the
    time that the server names (`retry`). If the server gives no ids, what it sends while nobody
    is connected is lost. An answer of 204 ends the source.
    """

    OptionsClass: ClassVar[type[Options]] = HTTPEventStreamSourceOptions
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
        self._response: aiohttp.ClientResponse | None = None
        self._where = f"GET {shown_url(self.Options.url)}"
        self._is_over = False
        self._parser = EventStreamParser()
        self._retry_s = self._not_before_s = 0.0

    async def connect(self) -> None:
        self._codec = codec(self.Options.codec)
        self._session = open_session(self.Options, self.Options.url)
        self._is_over = False
        try:
            await self._open(self.Position["last_event_id"] if self.Position else "")
        except BaseException:
            await self.close()
            raise

    async def read(self, position: StreamPosition | None, /) -> Chunk[StreamPosition]:
        last_event_id = position["last_event_id"] if position else ""
        if last_event_id != self._parser.last_event_id:
            await self._open(last_event_id)
        if self._is_over:
            return Chunk([], {"last_event_id": last_event_id}, is_last=True)
        if self._response is None:
            raise NotConnectedError(f"{self.Id}: not connected")
        return await self._next(self._response)

    async def _open(self, last_event_id: str) -> None:
        """Ask for the stream from an event on; without a response there is nothing more to come."""
        if self._session is None:
            raise NotConnectedError(f"{self.Id}: not connected")
        self._drop()
        clock = self.App.Clock
        await clock.sleep(max(0.0, self._not_before_s - clock.monotonic()))
        headers = {"Accept": _TYPE, "Cache-Control": "no-store"}
        if last_event_id:
            headers["Last-Event-ID"] = last_event_id
        with transfer_errors(self._where):
            response = await self._session.get(self.Options.url, headers=headers)
            try:
                await self._check(response)
            except BaseException:
                response.close()
                raise
        self._response = response
        self._parser = EventStreamParser(last_event_id, max_bytes=self.Options.max_message_bytes)
        if response.status == 204:
            self._is_over = True
            self._drop()

    async def _check(self, response: aiohttp.ClientResponse) -> None:
        await raise_for_status(response, where=self._where, now_s=self.App.time())
        if response.status != 204 and response.content_type != _TYPE:
            raise ConfigError(f"{self._where}: expected {_TYPE}, got {response.content_type}")

    async def _next(self, response: aiohttp.ClientResponse) -> Chunk[StreamPosition]:
        """Return what comes within a moment. Nothing is awaited once bytes were taken."""
        messages: list[Message] = []
        try:
            async with asyncio.timeout(_PATIENCE_S) as patience:
                while not messages:
                    data = await response.content.readany()
                    if not data:
                        raise self._ended("the server has ended the stream")
                    messages = self._parser.feed(data)
        except aiohttp.ClientError as error:
            raise self._ended(str(error) or type(error).__name__) from error
        except TimeoutError as error:
            if not patience.expired():
                raise self._ended("timeout.total is over") from error
        return self._chunk(messages)

    def _ended(self, reason: str) -> NotConnectedError:
        """Forget the response; return the error after which the engine asks again."""
        if self._parser.retry_ms is not None:
            self._retry_s = min(self._parser.retry_ms / 1000, LONGEST_S)
        self._not_before_s = self.App.Clock.monotonic() + self._retry_s
        self._drop()
        return NotConnectedError(f"{self._where}: {reason}")

    def _chunk(self, messages: list[Message]) -> Chunk[StreamPosition]:
        for error in self._parser.rejected:
            self.Pipeline.reject([({}, "")], error, self)
        self._parser.rejected = []
        events, contexts = [], []
        for message in messages:
            context = {"sse_event": message.type, "sse_id": message.id}
            try:
                event = self._codec.decode(message.data.encode())
            except RejectedError as error:
                self.Pipeline.reject([(context, message.data)], error, self)
                continue
            events.append(event)
            contexts.append(context)
        return Chunk(events, {"last_event_id": self._parser.last_event_id}, contexts)

    def _drop(self) -> None:
        if self._response is not None:
            response, self._response = self._response, None
            response.close()

    async def close(self) -> None:
        self._drop()
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()
