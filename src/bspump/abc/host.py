"""What parts may ask of the application, the service and the pipeline they live in.

Parts are written against these protocols, never against the engine itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from .clock import Clock
from .config import ConfigSource

if TYPE_CHECKING:
    from .connection import Connection
    from .lookup import Lookup
    from .source import PullSource, Source

Context = dict[str, Any]
"""What accompanies an event: a plain dict, fresh for every event, with no keys of the engine."""

Event = Any
"""What is processed. A dict by default, but any object will do except `None` (consumed)."""


class Log(Protocol):
    """A logger of sentences with fields: `L.warning("write rejected", sink=self.Id, count=3)`."""

    def debug(self, msg: object, *args: object, **fields: Any) -> None:
        """Log what helps to find a fault."""

    def info(self, msg: object, *args: object, **fields: Any) -> None:
        """Log what is good to know."""

    def warning(self, msg: object, *args: object, **fields: Any) -> None:
        """Log what somebody should look at; counted by the pipeline's metrics."""

    def error(self, msg: object, *args: object, **fields: Any) -> None:
        """Log what somebody must look at; counted by the pipeline's metrics."""

    def exception(self, msg: object, *args: object, **fields: Any) -> None:
        """Log an error with the traceback of the exception that is being handled."""


class PubSub(Protocol):
    """Messages between components; subscribers are held by weak reference."""

    def subscribe(self, message: str, callback: Callable[..., Any], /) -> None:
        """Call `callback(message, *args, **kwargs)` whenever `message` is published."""

    def unsubscribe(self, message: str, callback: Callable[..., Any], /) -> None:
        """Stop calling `callback`."""

    def publish(
        self, message: str, /, *args: Any, asynchronously: bool = False, **kwargs: Any
    ) -> None:
        """Call all subscribers; their exceptions are logged and not raised."""


class PumpService(Protocol):
    """The registry of pipelines, connections and lookups."""

    def locate(self, address: str, /) -> Any:
        """Return the pipeline, `Pipeline.ProcessorId` or `Pipeline.*SourceId`, or `None`."""

    def locate_connection(self, connection: str | Connection, /) -> Connection:
        """Return the connection of that Id; an object passes through."""

    def locate_lookup(self, lookup: str | Lookup, context: Context | None = None, /) -> Lookup:
        """Return the lookup of that Id; an object passes through."""


class Application(Protocol):
    """The application, as parts see it."""

    Loop: asyncio.AbstractEventLoop
    Clock: Clock

    @property
    def PubSub(self) -> PubSub: ...
    @property
    def Config(self) -> ConfigSource: ...
    @property
    def PumpService(self) -> PumpService: ...

    def time(self) -> float:
        """Return the wall clock, Unix seconds."""

    def get_service(self, name: str, /) -> Any:
        """Return the service of that name."""

    def spawn(self, coro: Coroutine[Any, Any, Any], /, *, name: str) -> asyncio.Task[Any]:
        """Run `coro` in a task of the application: failures are logged, exit cancels it."""

    def stop(self, exit_code: int | None = None, /) -> None:
        """Ask the application to end; may be called at any time."""


class Pipeline(Protocol):
    """The pipeline, as sources, processors and sinks see it."""

    Id: str
    App: Any
    Loop: asyncio.AbstractEventLoop
    Config: Any
    Clock: Clock
    L: Any
    MetricsService: Any
    Sources: list[Source]

    @property
    def PubSub(self) -> PubSub: ...

    async def process(self, event: Event, context: Context | None = None) -> None:
        """Pass one event through; when it returns, the sink has it or its error was dealt with.

        Waits while the pipeline is not ready, and now and then lets other tasks run.
        """

    async def process_many(
        self, events: Sequence[Event], contexts: Sequence[Context] | None = None
    ) -> None:
        """Pass events through in order; the fast way for sources that hold several anyway."""

    def inject(self, context: Context | None, event: Event, depth: int) -> None:
        """Pass one event, synchronously, through the processors from `depth` on.

        While the pipeline is not ready it is kept, in its order.

        Raises:
            RuntimeError: the pipeline has not been started, or has been stopped.
        """

    async def ready(self) -> bool:
        """Wait until events may be processed; returns True."""

    def is_ready(self) -> bool:
        """Tell whether events may be processed now."""

    def throttle(self, who: Hashable, enable: bool = True) -> None:
        """Hold the pipeline back for the reason `who`, or lift that reason."""

    def set_error(self, context: Context | None, event: Event, exc: BaseException | None) -> None:
        """Report an error of the pipeline, or with `exc=None` clear it."""

    def has_error(self) -> bool:
        """Tell whether an error stops the pipeline."""

    def under_way(self) -> int:
        """Return how many events or tasks are on their way through it, sinks not included."""

    def reject(
        self, events: Sequence[tuple[Context, Event]], error: Exception, who: Any, /
    ) -> None:
        """Hand over events that will never be accepted by `who`; each is counted and reported."""

    def ensure_future(self, coro: Coroutine[Any, Any, Any], /) -> asyncio.Task[Any]:
        """Run `coro` in a task of the pipeline; its failure becomes the pipeline's error.

        While the pipeline does not run, the task waits for it to be started.
        """

    def is_durable(self) -> bool:
        """Tell whether checkpoints outlive the process."""

    def lineage(self) -> str:
        """Return the name of the store of checkpoints; another store has another one."""

    def request_checkpoint(self) -> None:
        """Ask for a checkpoint soon: too much waits for it to be acknowledged or committed."""

    async def checkpoint(self) -> None:
        """Take a checkpoint of the pipeline and all it is connected to, and wait for it.

        Then all that was passed before is durable and committed; sources are told soon. While the
        pipeline has an error it waits.
        """

    async def settle(self) -> None:
        """Wait until nothing is in flight and every sink has made durable what it has taken.

        Where a checkpoint makes it durable, one is taken: for transactional sinks, and for what
        processors and connected pipelines have taken.
        """

    def is_finished(self) -> bool:
        """Tell whether all input was bounded and has been delivered."""

    def is_at_end(self) -> bool:
        """Tell whether all input was bounded and has been read: `release` is for good then."""

    def check_finished(self) -> None:
        """Look again whether all sources have finished; one that has may call it."""

    def start_source(self, source: Source, /) -> None:
        """Run the source's `main()` in a task of the pipeline, unless one is running."""

    async def stop_source(self, source: Source, /) -> None:
        """Cancel the source's task and wait for its end."""

    async def pull(self, source: PullSource[Any, Any], /) -> None:
        """Drive a pull source: connect, read, back off, hand on, until it ends."""

    def link(self, ancestral_pipeline: Any, /) -> None:
        """Let this pipeline's throttles hold back `ancestral_pipeline` too."""

    def unlink(self, ancestral_pipeline: Any, /) -> None:
        """Undo `link`."""
