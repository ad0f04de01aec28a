"""Reading messages from streams: the same loop for every protocol that has a framing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from bspump.abc.errors import RejectedError
from bspump.abc.host import Context, Pipeline

from .serving import warn
from .stream import Stream

Taker = Callable[[list[bytes], Context], Awaitable[None]]


class Framing(Protocol):
    """What cuts the bytes of one stream into messages; `bspump.formats` has several."""

    max_bytes: int
    rejected_total: int
    is_broken: bool

    def feed(self, data: bytes, /) -> list[bytes]:
        """Return the messages that `data` completes, in order; the rest is kept."""

    def close(self) -> list[bytes]:
        """Return what the end of the stream completes."""

    def take_rejected(self) -> list[RejectedError]:
        """Return the errors since the last call and forget them."""


class MessageReader:
    """Reads the streams of a source and hands on their messages, a list for each chunk.

    One chunk of 256 KiB is read at a time, whatever the number of streams, and only while the
    pipeline is ready: a busy pipeline holds the peers back. What a framing rejects is passed to
    `Pipeline.reject`, and so is an unfinished message at the end of a stream that its peer has
    not ended.

    Args:
        pipeline: is waited for, and gets what is rejected.
        who: the source, as the one who rejects.
        max_buffered_bytes: of unfinished messages of all streams; the stream that goes beyond
            is read no further.
        idle_s: a stream that is silent for so long is read no further; 0 means for ever.
    """

    def __init__(
        self, pipeline: Pipeline, who: Any, *, max_buffered_bytes: int, idle_s: float
    ) -> None:
        self._pipeline, self._who = pipeline, who
        self._max_buffered_bytes = max_buffered_bytes
        self._idle_s = idle_s
        self._buffered_bytes = 0
        self._turn = asyncio.Lock()

    async def read(self, stream: Stream, framing: Framing, context: Context, take: Taker) -> None:
        """Read `stream` until it ends or must not be read further.

        Args:
            stream: the caller closes it.
            framing: a new one, for this stream alone.
            context: of the stream; `take` gets it and copies it for each event.
            take: called with the messages of each chunk, in order.
        """
        messages = _Messages(self, stream, framing, context, take)
        try:
            while await self._wait(stream):
                async with self._turn:
                    await self._pipeline.ready()
                    if not await messages.take_chunk():
                        break
        finally:
            self._buffered_bytes -= messages.unfinished_bytes
        await messages.end()

    async def _wait(self, stream: Stream) -> bool:
        """Wait for something to read; return False at the end, or after too long a silence."""
        if not self._idle_s:
            return await stream.readable()
        try:
            async with asyncio.timeout(self._idle_s):
                return await stream.readable()
        except TimeoutError:
            return False

    def reject(self, context: Context, error: RejectedError, message: bytes = b"") -> None:
        """Report one message that cannot be taken."""
        self._pipeline.reject([(context.copy(), message)], error, self._who)

    def account(self, stream: Stream, more_bytes: int) -> bool:
        """Count what waits for the rest of its message; return False if that is too much."""
        self._buffered_bytes += more_bytes
        is_too_much = more_bytes > 0 and self._buffered_bytes > self._max_buffered_bytes
        if is_too_much:
            warn(self._pipeline, "unfinished messages fill the memory", peer=stream.peer)
        return not is_too_much


class _Messages:
    """Where one stream stands."""

    def __init__(
        self,
        reader: MessageReader,
        stream: Stream,
        framing: Framing,
        context: Context,
        take: Taker,
    ) -> None:
        self._reader, self._stream, self._framing = reader, stream, framing
        self._context, self._take = context, take
        self._rejected_total = 0
        self._cause: OSError | None = None
        self.unfinished_bytes = 0

    async def take_chunk(self) -> bool:
        """Pass on what has arrived; return False if nothing more is to be read."""
        try:
            data = self._stream.recv_nowait()
        except OSError as error:
            self._cause = error
            return False
        if data is None:
            return True
        if not data:
            return False
        messages = self._framing.feed(data)
        held_bytes = self.unfinished_bytes + len(data)
        if messages:
            held_bytes = min(len(data), max(0, held_bytes - sum(map(len, messages))))
            await self._take(messages, self._context)
        # What a framing skips, it does not hold.
        held_bytes = min(held_bytes, self._framing.max_bytes)
        more_bytes, self.unfinished_bytes = held_bytes - self.unfinished_bytes, held_bytes
        self._reject_framed()
        return self._reader.account(self._stream, more_bytes) and not self._framing.is_broken

    async def end(self) -> None:
        """Pass on what the end of the stream completes."""
        messages = self._framing.close()
        if self._stream.has_peer_ended:
            if messages:
                await self._take(messages, self._context)
        else:
            # The peer may have had more to say: half a message must not pass for a whole one.
            reason = str(self._cause) if self._cause is not None else "closed from here"
            error = RejectedError(f"the connection ended in the middle of a message: {reason}")
            error.__cause__ = self._cause
            for message in messages:
                self._reader.reject(self._context, error, message)
        self._reject_framed()

    def _reject_framed(self) -> None:
        """Report what the framing could not take."""
        framing = self._framing
        count = framing.rejected_total - self._rejected_total
        if not count:
            return
        self._rejected_total = framing.rejected_total
        errors = framing.take_rejected()
        # The framing keeps the latest errors only; the count is exact.
        for i in range(count):
            self._reader.reject(self._context, errors[max(0, len(errors) - count + i)])
