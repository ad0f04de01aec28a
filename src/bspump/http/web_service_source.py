"""A source that is fed by the handlers of a web application."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from aiohttp import web

from bspump.abc.capabilities import Can
from bspump.abc.source import Source

if TYPE_CHECKING:
    from bspump.abc.host import Context, Event

_FIELDS = (
    "remote",
    "path",
    "query",
    "headers",
    "secure",
    "method",
    "url",
    "scheme",
    "forwarded",
    "host",
    "cookies",
    "content_type",
    "charset",
)


def request_context(context: Context | None, request: web.Request) -> Context:
    """Return a context that also says where the event came from: `webservicesource.*`."""
    about = {f"webservicesource.{name}": getattr(request, name) for name in _FIELDS}
    return {**(context or {}), **about}


class WebServiceSource(Source):
    """Take events from the handlers of an aiohttp application, which call `put`.

    What the request says is in the context: `webservicesource.` and one of remote, path, query,
    headers, secure, method, url, scheme, forwarded, host, cookies, content_type, charset, as
    aiohttp has them.

    Nothing is kept: the events of handlers that are waiting when the program ends are lost, and
    so their requests get no answer.
    """

    Capabilities: ClassVar[Can] = Can.NOTHING

    async def main(self) -> None:
        await self.stopped()

    async def put(self, context: Context | None, data: Event, request: web.Request) -> None:
        """Pass one event into the pipeline, with what `request` says in its context.

        Waits while the pipeline is not ready. When it returns the sink has the event, or its
        error was dealt with.
        """
        await self.process(data, request_context(context, request))
