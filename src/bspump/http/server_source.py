"""A source that listens: it takes events by HTTP and answers when they are delivered."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import math
import socket
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal, TypeVar

from aiohttp import web
from msgspec import Meta
from multidict import CIMultiDict, CIMultiDictProxy

from bspump.abc.errors import ConfigError, RejectedError
from bspump.abc.options import Duration, Options, Size
from bspump.clients.http.options import TlsOptions
from bspump.clients.sockets.address import Address, address_of, bind, parse_address
from bspump.clients.sockets.tls import server_context
from bspump.formats.registry import codec
from bspump.formats.reject import rejected

from .web_service_source import WebServiceSource, request_context

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline

T = TypeVar("T")

_SHUTDOWN_S: Final = 10.0
_EVENTS_AT_ONCE: Final = 100


class HTTPServerSourceOptions(Options, frozen=True, kw_only=True):
    """Where to listen, who may send, in what form, and how long a request may take."""

    listen: Annotated[
        str,
        Meta(
            description="`host:port`, `port` (of the loopback), or the path of a Unix socket. Any"
            " other host than the loopback needs a token."
        ),
    ] = "127.0.0.1:8080"
    path: Annotated[str, Meta(description="Path that takes events by POST and PUT.")] = "/"
    token: Annotated[
        str, Meta(description="What senders must show: `Authorization: Bearer <token>`.")
    ] = ""
    tls: TlsOptions = TlsOptions()
    body: Annotated[
        Literal["one", "lines", "array"],
        Meta(description="A request holds one event, one on each line, or a JSON array of them."),
    ] = "one"
    codec: Annotated[str, Meta(description="How an event is read.")] = "json"
    answer: Annotated[
        Literal["delivered", "passed"],
        Meta(
            description="When to answer: when the sink has made the events durable (200), or when"
            " they have passed the processors (202)."
        ),
    ] = "delivered"
    ready_timeout: Annotated[
        Duration, Meta(description="So long a request waits for the pipeline; then 503.")
    ] = 5.0
    answer_timeout: Annotated[
        Duration, Meta(description="So long a request waits for its body, and for delivery.")
    ] = 30.0
    max_body_bytes: Annotated[
        Size, Meta(description="Bytes of a body, decompressed, at the most; more is a 413.")
    ] = 1 << 20
    max_requests: Annotated[
        int, Meta(ge=1, description="Requests that are served at the same time; others wait.")
    ] = 100


class HTTPServerSource(WebServiceSource):
    """Take events by POST and PUT, and answer when they have been delivered.

    Emits what `codec` makes of a body, or of each line or element of it; the context is that of
    `WebServiceSource`, without the credentials. The answer says what became of the events:

    * 200: the sink has made them durable (or 202, with `answer = passed`: they have passed the
      processors; what a batch sink holds is lost if the process is killed);
    * 400: the body is not what `codec` reads; nothing of it has entered the pipeline;
    * 401, 403, 405, 413, 408: no token, a web page that sends without one, the wrong method, a
      body that is too long or too slow; nothing has entered;
    * 422: the pipeline refused events; `rejected` in the answer has their indexes, the others
      were delivered;
    * 503 with `Retry-After`: the pipeline was not ready, was stopped by an error, or did not
      deliver in time. The sender must repeat the request, and events may come twice.

    At least once, with senders that repeat what was not answered by 2xx or 4xx. While the source
    stops, requests that it has begun are finished.
    """

    OptionsClass: ClassVar[type[Options]] = HTTPServerSourceOptions
    Options: HTTPServerSourceOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.Addresses: list[Address] = []
        self._places = asyncio.Semaphore(self.Options.max_requests)
        self._delivery = _Delivery(pipeline)
        self._warnings = 0
        self._errors = 0
        pipeline.PubSub.subscribe("bspump.pipeline.warning!", self._on_warning)
        pipeline.PubSub.subscribe("bspump.pipeline.error!", self._on_error)
        try:
            self._address = parse_address(self.Options.listen)
            self._refuse_strangers(self._address)
        except ConfigError as problem:
            app.Config.report(problem)

    def _refuse_strangers(self, address: Address) -> None:
        if not self.Options.token and not _is_loopback(address):
            raise ConfigError(
                f"{self.locate_address()}: listen = {self.Options.listen!r} lets anybody in\n"
                f"  what to do: set token, or listen on the loopback, such as 127.0.0.1:8080"
            )

    def _on_warning(self, message: str, **_: Any) -> None:
        self._warnings += 1

    def _on_error(self, message: str, **_: Any) -> None:
        self._errors += 1

    async def main(self) -> None:
        options = self.Options
        self._codec = codec(options.codec)
        tls = server_context(options.tls) if options.tls != TlsOptions() else None
        application = web.Application(client_max_size=max(1, options.max_body_bytes))
        application.router.add_route("POST", options.path, self._handle)
        application.router.add_route("PUT", options.path, self._handle)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=_SHUTDOWN_S)
        sockets = await bind(self._address, socket.SOCK_STREAM)
        try:
            await runner.setup()
            for sock in sockets:
                await web.SockSite(runner, sock, ssl_context=tls).start()
            self.Addresses = [address_of(sock) for sock in sockets]
            await self.stopped()
        finally:
            self.Addresses = []
            try:
                await runner.cleanup()
            finally:
                _unbind(sockets, self._address)

    # One request

    async def _handle(self, request: web.Request) -> web.Response:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        options = self.Options
        if not await _in_time(self._places.acquire(), options.ready_timeout):
            return self._later("too many requests")
        try:
            body = await _in_time(request.read(), options.answer_timeout)
            if body is None:
                return _answer(408, "the body did not come in time")
            context = request_context(None, request)
            context["webservicesource.headers"] = _without_credentials(request.headers)
            try:
                events = self._decode(body)
            except RejectedError as error:
                self.Pipeline.reject([(context, body)], error, self)
                return _answer(400, str(error))
            return await self._deliver(events, context)
        finally:
            self._places.release()

    def _refusal(self, request: web.Request) -> web.Response | None:
        token = self.Options.token
        if token:
            shown = request.headers.get("Authorization", "")
            expected = f"Bearer {token}".encode()
            if not hmac.compare_digest(shown.encode("utf-8", "surrogateescape"), expected):
                refusal = _answer(401, "a token is needed")
                refusal.headers["WWW-Authenticate"] = "Bearer"
                return refusal
        elif "Origin" in request.headers:
            # A page in somebody's browser can reach the loopback, and needs no leave to send.
            return _answer(403, "web pages may send with a token only")
        return None

    def _decode(self, body: bytes) -> Sequence[Event]:
        match self.Options.body:
            case "lines":
                found = self._codec.decode_lines(body)
            case "array":
                found = self._codec.decode(body)
            case _:
                found = [self._codec.decode(body)]
        if not isinstance(found, list) or any(event is None for event in found):
            raise rejected(self.Id, f"events ({self.Options.body})", body)
        return found

    async def _deliver(self, events: Sequence[Event], context: Context) -> web.Response:
        errors_before = self._errors
        refused: list[int] = []
        for index, event in enumerate(events):
            if not self.Pipeline.is_ready() and not await _in_time(
                self.Pipeline.ready(), self.Options.ready_timeout
            ):
                return self._later("the pipeline is not ready")
            # Nothing else runs while `inject` does, so a warning meanwhile is about this event.
            warnings_before = self._warnings
            self.Pipeline.inject(context, event, 0)
            if self._warnings != warnings_before:
                refused.append(index)
            if self._errors != errors_before:
                return self._later("the pipeline was stopped by an error")
            if index % _EVENTS_AT_ONCE == _EVENTS_AT_ONCE - 1:
                await self.App.Clock.sleep(0)
        if self.Options.answer == "delivered":
            if not await _in_time(self._delivery.settled(), self.Options.answer_timeout):
                return self._later("the events were not delivered in time")
            if self._errors != errors_before:
                return self._later("the pipeline was stopped by an error")
        if refused:
            return _answer(422, "events were refused", rejected=refused)
        return _answer(200 if self.Options.answer == "delivered" else 202, None)

    def _later(self, reason: str) -> web.Response:
        answer = _answer(503, reason)
        answer.headers["Retry-After"] = str(max(1, math.ceil(self.Options.ready_timeout)))
        return answer

    def rest_get(self) -> dict[str, Any]:
        """Return what the REST interface shows."""
        return {**super().rest_get(), "addresses": [str(address) for address in self.Addresses]}


class _Delivery:
    """Waits until the sinks have made everything durable, once for all requests that wait."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._turn = asyncio.Lock()
        self._begun = 0
        self._completed = 0

    async def settled(self) -> bool:
        """Return True when everything that was passed before the call is durable."""
        begun_before = self._begun
        async with self._turn:
            if self._completed <= begun_before:
                self._begun += 1
                await self._pipeline.settle()
                self._completed = self._begun
        return True


def _unbind(sockets: Sequence[socket.socket], address: Address) -> None:
    for sock in sockets:
        sock.close()
    if address.family == socket.AF_UNIX and not address.sockaddr.startswith("\0"):
        # Who serves has closed the socket already, so that it does not know its name any more.
        Path(address.sockaddr).unlink(missing_ok=True)


def _is_loopback(address: Address) -> bool:
    if address.family == socket.AF_UNIX:
        return True
    host = address.sockaddr[0]
    return host == "localhost" or (
        address.family != socket.AF_UNSPEC and ipaddress.ip_address(host).is_loopback
    )


def _without_credentials(headers: CIMultiDictProxy[str]) -> CIMultiDictProxy[str]:
    kept = CIMultiDict(headers)
    kept.popall("Authorization", None)
    return CIMultiDictProxy(kept)


def _answer(status: int, error: str | None, **more: Any) -> web.Response:
    said = {"error": error, **more} if error is not None else {}
    return web.json_response(said, status=status)


async def _in_time(work: Awaitable[T], timeout_s: float) -> T | None:
    """Return what `work` returns, `None` if it takes too long; 0 is no limit."""
    try:
        async with asyncio.timeout(timeout_s or None) as scope:
            return await work
    except TimeoutError:
        if not scope.expired():
            raise
        return None
