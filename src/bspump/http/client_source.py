"""Sources that ask a server once per cycle."""

from __future__ import annotations

import itertools
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import aiohttp
from msgspec import Meta

from bspump.abc.errors import (
    ConfigError,
    NotConnectedError,
    PumpError,
    RejectedError,
    TransientError,
)
from bspump.abc.options import Duration, Options
from bspump.abc.source import TriggerSource
from bspump.clients.http.errors import detail_of, shown_url, status_error, transfer_errors
from bspump.clients.http.options import HttpClientOptions
from bspump.clients.http.retry_after import LONGEST_S
from bspump.clients.http.session import open_session, read_body

if TYPE_CHECKING:
    from bspump.abc.host import Application, Pipeline


class HTTPClientSourceOptions(HttpClientOptions, frozen=True, kw_only=True):
    """What is asked for, and what happens when the answer is another one."""

    method: Annotated[str, Meta(description="Method of the request.")] = "GET"
    url: Annotated[str, Meta(description="What is asked.")] = "http://example.com/"
    response_code: Annotated[
        int, Meta(description="Status of the answer that is wanted; 204 means: nothing now.")
    ] = 200
    max_failed_retries: Annotated[
        int, Meta(ge=0, description="Further attempts in one cycle when an attempt fails.")
    ] = 3
    fail_chilldown: Annotated[
        Duration, Meta(description="Wait before the first of them; each is twice as long.")
    ] = 30.0


class _UnexpectedStatusError(Exception):
    """Carries the error that an answer stands for past the translation of others."""

    def __init__(self, error: PumpError) -> None:
        self.error = error
        super().__init__(str(error))


class HTTPABCClientSource(TriggerSource):
    """Ask a server once per cycle; what is made of the answer is up to `read(response)`.

    An attempt fails if there is no connection, no answer in time, or another status than
    `response_code`. It is repeated `max_failed_retries` times within the cycle, after
    `fail_chilldown` seconds, twice as many and so on, and never before the `Retry-After` of the
    server is over; then its error becomes the pipeline's. An answer of 204 ends the cycle.

    Nothing is remembered from cycle to cycle. An answer that breaks off when it was partly passed
    on is asked for again, so that its events may come twice.

    `SSL` may be set to a context of TLS, in place of the options `tls.*`.

    Args:
        headers: of every request, over those of the option `headers`.
    """

    OptionsClass: ClassVar[type[Options]] = HTTPClientSourceOptions
    Options: HTTPClientSourceOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self.Headers = dict(headers or {})
        self.SSL: ssl.SSLContext | bool | None = None

    async def main(self, *args: Any, **kwargs: Any) -> None:
        async with open_session(self.Options, self.Options.url, context=self.SSL) as session:
            await super().main(session)

    async def cycle(self, session: aiohttp.ClientSession) -> None:
        """Ask, and read the answer."""
        options = self.Options
        for failures in itertools.count(1):
            try:
                await self._attempt(session)
            except (NotConnectedError, TransientError) as error:
                if failures > options.max_failed_retries:
                    raise
                await self._wait(failures, error, getattr(error, "retry_after_s", 0.0))
            except _UnexpectedStatusError as unexpected:
                if failures > options.max_failed_retries:
                    raise unexpected.error from None
                await self._wait(failures, unexpected.error, 0.0)
            else:
                return

    async def _attempt(self, session: aiohttp.ClientSession) -> None:
        options = self.Options
        where = f"{options.method} {shown_url(options.url)}"
        with transfer_errors(where):
            async with session.request(
                options.method, options.url, headers=self.Headers
            ) as response:
                if response.status == options.response_code:
                    await self.read(response)
                elif response.status != 204:
                    error = status_error(
                        response.status,
                        response.headers,
                        where=where,
                        now_s=self.App.time(),
                        detail=await detail_of(response),
                    )
                    if isinstance(error, RejectedError | ConfigError):
                        raise _UnexpectedStatusError(error)
                    raise error

    async def _wait(self, failures: int, error: Exception, retry_after_s: float) -> None:
        wait_s = min(self.Options.fail_chilldown * 2 ** min(failures - 1, 16), LONGEST_S)
        wait_s = max(wait_s, retry_after_s)
        self.Pipeline.L.warning("cannot read", source=self.Id, error=str(error), retry_in_s=wait_s)
        await self.App.Clock.sleep(wait_s)

    async def read(self, response: aiohttp.ClientResponse) -> None:
        """Pass on what the answer holds; its body has not been read yet.

        Read it by `read_body(response, self.Options.max_body_bytes)`, or piece by piece.
        """
        raise NotImplementedError(f"{type(self).__name__}.read")


class HTTPClientSource(HTTPABCClientSource):
    """Emit the body of an answer, one per cycle, as `bytes`.

    An answer is passed on as a whole or not at all.
    """

    async def read(self, response: aiohttp.ClientResponse) -> None:
        await self.process(await read_body(response, self.Options.max_body_bytes))
