"""The lines that a program writes, as events."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from msgspec import Meta

from bspump.abc.config import parse_bytes
from bspump.abc.errors import ConfigError, ProcessingError, RejectedError
from bspump.abc.options import Duration, Options, RetryOptions
from bspump.abc.source import Source
from bspump.formats.framing import LineFraming

from .process import blocks, running

if TYPE_CHECKING:
    from bspump.abc.host import Application, Pipeline

_MAX_LOG_BYTES = 8192


def _parse_codes(value: Any) -> Any:
    """Return several codes, given as such, as text with commas or spaces, or as one number."""
    return (
        value.replace(",", " ").split()
        if isinstance(value, str)
        else ([value] if isinstance(value, int) else value)
    )


class SubProcessOptions(Options, frozen=True, kw_only=True):
    """What a source of program output can be told."""

    command: Annotated[str, Meta(description="What the shell is to run.")] = ""
    line_len_limit: Annotated[
        int, Meta(ge=1, description="Longer lines are rejected.", extra={"parse": parse_bytes})
    ] = 1_048_576
    ok_return_codes: Annotated[
        tuple[int, ...],
        Meta(description="Exit codes that are a success.", extra={"parse": _parse_codes}),
    ] = (0,)
    restart: Annotated[
        Literal["never", "on-failure", "always"],
        Meta(description="Run it again when it has ended, after the waits of `retry`."),
    ] = "never"
    retry: RetryOptions = RetryOptions(first=1.0)
    stop_timeout: Annotated[
        Duration, Meta(description="How long it may take to end after SIGTERM.")
    ] = 5.0


class SubProcessSource(Source):
    """Run a shell command and bring in what it writes to its standard output.

    Emits one event per line: `bytes`, without the newline. A line longer than `line_len_limit`
    is rejected. Lines of its standard error go to the log of the pipeline. While the pipeline
    is held back the output is not read, so the program waits.

    When the program ends with one of `ok_return_codes`, the source has finished; with another
    one that is an error of the pipeline. With `restart` it is run again instead, after ever
    longer waits, which begin anew when it has run longer than the longest of them; what has not
    begun anew after `retry.attempts` is an error too.

    When the source is stopped the program and everything it has started are ended. There is no
    position: what was written and not delivered is lost.
    """

    OptionsClass: ClassVar[type[Options]] = SubProcessOptions
    Options: SubProcessOptions

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        *,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        self._is_finished = False

    def is_finished(self) -> bool:
        """Tell whether the program has ended well and is not run again."""
        return self._is_finished

    async def main(self) -> None:
        options, clock = self.Options, self.App.Clock
        if not options.command.strip():
            raise ConfigError(f"{self.locate_address()}: `command` is empty: say what to run")
        failures = 0
        while True:
            await self.Pipeline.ready()
            begin_s = clock.monotonic()
            code = await self._run()
            is_ok = code in options.ok_return_codes
            if options.restart == "never" or (is_ok and options.restart == "on-failure"):
                break
            if clock.monotonic() - begin_s > options.retry.longest:
                failures = 0
            failures += 1
            if options.retry.attempts and failures >= options.retry.attempts:
                break
            wait_s = min(
                options.retry.longest, options.retry.first * options.retry.factor ** (failures - 1)
            )
            self.Pipeline.L.warning(
                "the program has ended", source=self.Id, code=code, restart_in_s=wait_s
            )
            await clock.sleep(wait_s)
        if not is_ok:
            raise ProcessingError(_ended_badly(self, code))
        self._is_finished = True
        self.Pipeline.check_finished()

    async def _run(self) -> int:
        """Run the program to its end; return its exit code, negative for a signal."""
        async with running(self.Options.command, self.Options.stop_timeout) as process:
            if process.stdout is None or process.stderr is None:
                raise RuntimeError("a program without pipes")
            errors = self.App.spawn(self._log(process.stderr), name=f"{self!r} stderr")
            try:
                await self._pass(process.stdout)
                return await process.wait()
            finally:
                # What it wrote last is there by now, even if somebody keeps the pipe open.
                await asyncio.wait([errors], timeout=0.1)
                errors.cancel()

    async def _pass(self, stream: asyncio.StreamReader) -> None:
        framing = LineFraming(max_bytes=self.Options.line_len_limit, strip_cr=False)
        async for data in blocks(stream):
            await self._deliver(framing, framing.feed(data))
        await self._deliver(framing, framing.close())

    async def _deliver(self, framing: LineFraming, lines: list[bytes]) -> None:
        for error in framing.take_rejected():
            self._reject(error)
        if lines:
            await self.Pipeline.process_many(lines)

    def _reject(self, error: RejectedError) -> None:
        self.Pipeline.reject([({}, b"")], error, self)

    async def _log(self, stream: asyncio.StreamReader) -> None:
        framing = LineFraming(max_bytes=_MAX_LOG_BYTES)
        async for data in blocks(stream):
            self._warn(framing.feed(data))
        self._warn(framing.close())

    def _warn(self, lines: list[bytes]) -> None:
        for line in lines:
            text = line.decode("utf-8", "replace")
            self.Pipeline.L.warning("the program writes", source=self.Id, stderr=text)


def _ended_badly(source: SubProcessSource, code: int) -> str:
    how = f"exit code {code}" if code >= 0 else f"the signal {signal.Signals(-code).name}"
    expected = ", ".join(map(str, source.Options.ok_return_codes))
    return (
        f"{source.locate_address()}: the program ended with {how}, expected exit code {expected}\n"
        f"  what to do: look at what it has written to the log; add the code to "
        f"`ok_return_codes` if it is none of failure, or set `restart`"
    )
