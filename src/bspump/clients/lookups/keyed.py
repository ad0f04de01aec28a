"""Lookups that ask a remote system key by key, and remember."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple

from msgspec import Meta

from bspump.abc.errors import NotConnectedError, TransientError
from bspump.abc.lookup import AsyncLookup
from bspump.abc.options import Duration, Options

from .cache import AgingCache

if TYPE_CHECKING:
    from bspump.abc.host import Application

log = logging.getLogger(__name__)

_PAUSE_S = 1.0


class KeyedLookupOptions(Options, frozen=True, kw_only=True):
    """How long answers are remembered, and how a remote system is asked for others."""

    cache_size: Annotated[
        int, Meta(ge=0, description="Keys that are remembered at the most; 0: none.")
    ] = 10_000
    cache_age: Annotated[
        Duration, Meta(description="Seconds for which an answer is given without asking again.")
    ] = 300.0
    negative_age: Annotated[
        Duration, Meta(description="Seconds for which it is remembered that a key is unknown.")
    ] = 60.0
    stale_age: Annotated[
        Duration,
        Meta(
            description="Seconds for which an answer older than `cache_age` is still given"
            " while it is asked for again, or cannot be."
        ),
    ] = 0.0
    batch_size: Annotated[
        int, Meta(ge=1, description="Keys asked for at once, where the system can do that.")
    ] = 100
    concurrency: Annotated[int, Meta(ge=1, description="Requests under way at the same time.")] = 10
    timeout: Annotated[
        Duration, Meta(description="Seconds that one request may take; 0: no limit.")
    ] = 30.0


class Answer(NamedTuple):
    """What is known of a key, `None` where nothing is, and for how many seconds that holds."""

    value: Any
    age_s: float


class KeyedLookup(AsyncLookup):
    """A lookup that asks a remote system key by key. Override `fetch`, or `fetch_many`.

    Answers are remembered, also that a key is unknown. However many wait for a key, it is asked
    for once; and it is asked for to the end, also when all who wait are cancelled. Keys that are
    asked for in the same turn of the event loop go into one request of up to `batch_size`, where
    `fetch_many` is overridden. Within `stale_age` an old answer is given at once and renewed
    behind the scenes, so a system that is away for less than that is not missed.

    What goes wrong is raised to all who wait for the key, and is not remembered. Values are
    handed out as they are kept: do not change them.
    """

    OptionsClass: ClassVar[type[Options]] = KeyedLookupOptions
    Options: KeyedLookupOptions

    def __init__(
        self,
        app: Application,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
        lazy: bool = False,
    ) -> None:
        super().__init__(app, id, config, lazy)
        self.Cache = AgingCache(self.Options.cache_size)
        is_batched = type(self).fetch_many is not KeyedLookup.fetch_many
        self._batch_size = self.Options.batch_size if is_batched else 1
        self._asked: dict[Hashable, asyncio.Future[Any]] = {}
        self._queue: deque[Hashable] = deque()
        self._workers = 0
        self._starting = 0
        counts = {"hit": 0, "stale": 0, "miss": 0, "request": 0, "error": 0}
        self._metrics: Any = app.get_service("asab.MetricsService")
        self._counter = self._metrics.create_counter("bspump.lookup", {"lookup": self.Id}, counts)
        # Counted in the metric itself: that is twice as fast as asking it to.
        self.Counts: dict[str, int] = self._counter.values

    async def fetch(self, key: Any, /) -> Any:
        """Ask for one key: its value, an `Answer`, or `None` where nothing is known of it.

        Raises:
            TransferError: it cannot be known now.
        """
        raise NotImplementedError(f"{type(self).__name__}.fetch")

    async def fetch_many(self, keys: Sequence[Any], /) -> Mapping[Any, Any]:
        """Ask for several keys at once; what is returned for each is as in `fetch`.

        Of a key that is not in the answer nothing is known. One whose value is an exception
        fails alone.

        Raises:
            TransferError: none of them can be known now.
        """
        return {key: await self.fetch(key) for key in keys}

    async def get(self, key: Any) -> Any:
        """Return what is known of `key`, `None` where nothing is.

        Waits only for what is not remembered. A cancel concerns the one who waits, not the
        request.

        Raises:
            TransientError: no answer within `timeout`.
            TransferError: what `fetch` raised.
        """
        now = self.App.Clock.monotonic()
        kept = self.Cache.get(key, at=now)
        if kept is not None:
            if now < kept.fresh_until:
                self.Counts["hit"] += 1
                return kept.value
            self.Counts["stale"] += 1
            self._ask(key)
            return kept.value
        self.Counts["miss"] += 1
        return await asyncio.shield(self._ask(key))

    async def load(self) -> bool:
        """Do nothing: there is no whole to load."""
        return False

    def forget(self, key: Any) -> None:
        """Ask again the next time `key` is wanted."""
        self.Cache.drop(key)

    def clear(self) -> None:
        """Ask again for every key; publishes `bspump.Lookup.changed!`."""
        self.Cache.clear()
        self.PubSub.publish("bspump.Lookup.changed!")

    async def close(self) -> None:
        """Fail what is still waited for, and remove the metrics."""
        await super().close()
        self._give_up()
        self._metrics.remove(self._counter)

    def rest_get(self) -> dict[str, Any]:
        return {**super().rest_get(), "size": len(self.Cache), "counts": dict(self.Counts)}

    def _ask(self, key: Hashable) -> asyncio.Future[Any]:
        """Return the future of the answer for `key`, from a request under way or a new one."""
        future = self._asked.get(key)
        if future is None:
            future = self._asked[key] = self.Loop.create_future()
            future.add_done_callback(_seen)
            self._queue.append(key)
            has_room = self._workers < self.Options.concurrency
            if has_room and len(self._queue) > self._starting * self._batch_size:
                self._workers += 1
                self._starting += 1
                self.App.spawn(self._work(), name=f"lookup {self.Id}")
        return future

    async def _work(self) -> None:
        """Send requests until no key is left to ask for."""
        try:
            try:
                # Whoever else wants something in this turn of the loop shares the request.
                await self.App.Clock.sleep(0)
            finally:
                self._starting -= 1
            while self._queue:
                count = min(len(self._queue), self._batch_size)
                await self._request([self._queue.popleft() for _ in range(count)])
        except asyncio.CancelledError:
            # Only the end of the application cancels this task; who still waits must know.
            self._give_up()
            raise
        finally:
            self._workers -= 1

    async def _request(self, keys: list[Hashable]) -> None:
        limit_s = self.Options.timeout
        failure: Exception
        self.Counts["request"] += 1
        try:
            async with asyncio.timeout(limit_s or None):
                answers = await self.fetch_many(keys)
            values = {key: self._remember(key, answers.get(key)) for key in keys}
        except TimeoutError as error:
            failure = TransientError(f"lookup {self.Id!r}: no answer within {limit_s:g} s")
            failure.__cause__ = error
        except Exception as error:  # noqa: BLE001 - it is raised to those who wait for the keys
            failure = error
        else:
            self._recovered()
            for key, value in values.items():
                self._resolve(key, value)
            return
        self._failed(failure)
        for key in keys:
            self._let_rest(key)
            self._resolve(key, failure)

    def _remember(self, key: Hashable, found: Any) -> Any:
        if isinstance(found, Exception):
            self.Counts["error"] += 1
            return found
        options = self.Options
        value, age_s = found if isinstance(found, Answer) else (found, None)
        if age_s is None:
            age_s = options.negative_age if value is None else options.cache_age
        stale_s = 0.0 if value is None else options.stale_age
        if options.cache_size and age_s + stale_s > 0:
            fresh_until = self.App.Clock.monotonic() + age_s
            self.Cache.put(key, value, fresh_until=fresh_until, stale_until=fresh_until + stale_s)
        else:
            self.Cache.drop(key)
        return value

    def _let_rest(self, key: Hashable) -> None:
        """Do not ask again for `key`, of which an old answer is kept, before a pause is over."""
        now = self.App.Clock.monotonic()
        kept = self.Cache.get(key, at=now)
        if kept is not None:
            again_at = min(now + _PAUSE_S, kept.stale_until)
            self.Cache.put(key, kept.value, fresh_until=again_at, stale_until=kept.stale_until)

    def _resolve(self, key: Hashable, value: Any) -> None:
        future = self._asked.pop(key, None)
        if future is None or future.done():
            return
        if isinstance(value, Exception):
            future.set_exception(value)
        else:
            future.set_result(value)

    def _failed(self, failure: Exception) -> None:
        self.Counts["error"] += 1
        if self.LastError is None:
            # Said once, not per key: those who wait get the error themselves.
            fields = {"lookup": self.Id, "error": str(failure) or repr(failure)}
            log.warning("lookup cannot be asked", extra={"fields": fields})
        self.LastError = failure

    def _recovered(self) -> None:
        self.LoadedAt = self.time()
        if self.LastError is not None:
            log.info("lookup can be asked again", extra={"fields": {"lookup": self.Id}})
            self.LastError = None

    def _give_up(self) -> None:
        self._queue.clear()
        error = NotConnectedError(f"lookup {self.Id!r} was closed before it had an answer")
        for key in list(self._asked):
            self._resolve(key, error)


def _seen(future: asyncio.Future[Any]) -> None:
    """Take note of a failure for which nobody waits any more; it was counted."""
    if not future.cancelled():
        future.exception()
