"""A sink that posts events to a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

import aiohttp
from msgspec import Meta

from bspump.abc.capabilities import Can
from bspump.abc.errors import (
    ConfigError,
    NotConnectedError,
    PartialWriteError,
    RejectedError,
    TransientError,
)
from bspump.abc.options import Options
from bspump.abc.sink import Batch, BatchSink, BatchSinkOptions
from bspump.clients.http.errors import raise_for_status, shown_url, transfer_errors
from bspump.clients.http.options import AuthOptions, Headers, TimeoutOptions, TlsOptions
from bspump.clients.http.session import drain, merged_headers, open_session
from bspump.formats.compression import compressor
from bspump.formats.registry import codec

if TYPE_CHECKING:
    from bspump.abc.host import Application, Event, Pipeline

_TYPES: Final = {
    "json": "application/json",
    "msgpack": "application/msgpack",
    "csv": "text/csv",
    "text": "text/plain; charset=utf-8",
    "logfmt": "text/plain; charset=utf-8",
}
_OCTETS: Final = "application/octet-stream"


class HTTPClientSinkOptions(BatchSinkOptions, frozen=True, kw_only=True):
    """Where events are sent, and in what form."""

    url: Annotated[str, Meta(description="URL that takes the events.")]
    method: Annotated[str, Meta(description="Method of the requests.")] = "POST"
    body: Annotated[
        Literal["lines", "array", "each"],
        Meta(
            description="One request holds a batch, by lines (NDJSON) or as an array, or `each`"
            " event has a request of its own."
        ),
    ] = "lines"
    codec: Annotated[
        str,
        Meta(description="How an event is written; `bytes` and `text` are for written ones."),
    ] = "json"
    compression: Annotated[
        Literal["none", "gzip"], Meta(description="Compression of the body.")
    ] = "none"
    headers: Headers = {}  # noqa: RUF012 - each struct gets a dict of its own
    auth: AuthOptions = AuthOptions()
    tls: TlsOptions = TlsOptions()
    timeout: TimeoutOptions = TimeoutOptions()


class HTTPClientSink(BatchSink[HTTPClientSinkOptions]):
    """Send events to a server, a batch or one event per request.

    An answer of 2xx confirms. A busy server (408, 425, 429, 5xx) gets the same again, not before
    its `Retry-After` is over; a lost connection is made again. A refused body (400, 413, 422 and
    the like) is sent in halves, down to the events at fault, which are set aside. Answers that
    are no fault of the events (401, 403, 404, 405, redirects) stop the pipeline, and lose nothing.

    At least once: a request whose answer was lost is sent again. With `body = each`, what follows
    an event that could not be sent waits, so that the order stays.
    """

    OptionsClass: ClassVar[type[Options]] = HTTPClientSinkOptions
    Capabilities: ClassVar[Can] = Can.PARTIAL

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self._session: aiohttp.ClientSession | None = None
        self._where = f"{self.Options.method} {shown_url(self.Options.url)}"

    async def connect(self) -> None:
        options = self.Options
        if options.body == "array" and options.codec not in ("json", "bytes", "raw", "text"):
            raise ConfigError(f"body: an array holds JSON, not {options.codec!r}")
        self._codec = codec(options.codec)
        self._session = open_session(options, options.url)

    async def write(self, batch: Batch, /) -> None:
        if self._session is None:
            raise NotConnectedError(f"{self.Id}: not connected")
        messages, errors = self._encode(batch.events)
        if self.Options.body == "each":
            errors |= await self._send_each(self._session, messages)
        elif messages:
            await self._send(self._session, self._join(list(messages.values())))
        if errors:
            raise PartialWriteError(errors)

    def _encode(
        self, events: Sequence[Event]
    ) -> tuple[dict[int, bytes], dict[int, TransientError | RejectedError]]:
        """Return the messages by the index of their events, and the errors of the others."""
        encode = self._codec.encode
        messages: dict[int, bytes] = {}
        errors: dict[int, TransientError | RejectedError] = {}
        for index, event in enumerate(events):
            try:
                messages[index] = encode(event)
            except RejectedError as error:
                errors[index] = error
        return messages, errors

    def _join(self, messages: Sequence[bytes]) -> bytes:
        if self.Options.body == "array":
            return b"[" + b",".join(messages) + b"]"
        return b"".join([message + b"\n" for message in messages])

    async def _send_each(
        self, session: aiohttp.ClientSession, messages: Mapping[int, bytes]
    ) -> dict[int, TransientError | RejectedError]:
        """Send one by one, in order; from the first that has to wait on, all wait."""
        errors: dict[int, TransientError | RejectedError] = {}
        clock = self.App.Clock
        # A batch that takes longer than the engine allows would be sent again from its start.
        until_s = clock.monotonic() + (self.Options.write_timeout or float("inf")) / 2
        waiting: TransientError | None = None
        for place, (index, message) in enumerate(messages.items()):
            if waiting is not None:
                errors[index] = waiting
                continue
            try:
                await self._send(session, message)
            except RejectedError as error:
                errors[index] = error
            except TransientError as error:
                errors[index] = waiting = error
            except NotConnectedError as error:
                if place == 0:
                    raise
                errors[index] = waiting = TransientError(str(error))
            if waiting is None and clock.monotonic() > until_s:
                waiting = TransientError(f"{self._where}: the rest of the batch has to wait")
        return errors

    async def _send(self, session: aiohttp.ClientSession, body: bytes) -> None:
        headers = {"Content-Type": self._content_type()}
        if self.Options.compression == "gzip":
            squeeze = compressor("gzip")
            body = squeeze.feed(body) + squeeze.finish()
            headers["Content-Encoding"] = "gzip"
        headers = merged_headers(headers, self.Options.headers)
        with transfer_errors(self._where):
            # A redirected POST becomes a GET, and its 200 would confirm what nobody has read.
            async with session.request(
                self.Options.method,
                self.Options.url,
                data=body,
                headers=headers,
                allow_redirects=False,
            ) as response:
                await raise_for_status(response, where=self._where, now_s=self.App.time())
                await drain(response)

    def _content_type(self) -> str:
        options = self.Options
        if options.body == "array":
            return "application/json"
        if options.body == "lines" and options.codec == "json":
            return "application/x-ndjson"
        return _TYPES.get(options.codec, _OCTETS)

    async def close(self) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()
