"""The application: configuration, loop, services, time and the end of everything."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, ClassVar, TypeVar

from bspump.abc.clock import Clock
from bspump.abc.errors import ConfigError, ConfigErrors, DuplicateNameError, UnknownNameError

from .arguments import Arguments, argument_parser, parse_arguments
from .checkpoints import CheckpointService
from .clock import SystemClock
from .config import Configuration
from .dead_letters import DeadLetterService
from .event_time import EventTimeService
from .log import configure_logging, get_logger
from .logging_options import LoggingConfig
from .metrics import MetricsService
from .proactor import ProactorService
from .pubsub import PubSub
from .service import BSPumpService, Module, Service
from .start_checks import StartChecks
from .tasks import end_tasks, unless_cancelled
from .ticks import Ticks

log = get_logger(__name__)

M = TypeVar("M", bound=Module)

EX_CONFIG = 78
"""The exit code of a wrong configuration (sysexits.h)."""

_SWITCH_S = 0.001
"""How soon a thread that waits for the interpreter gets it. With Python's 5 ms, a loop that takes
breaks just as often gives threads hardly a turn: a thread's commit took seconds, not milliseconds.
"""

_GC_THRESHOLDS = (10_000, 10, 10)
"""A list of events is a thousand objects and more: with Python's 700 each makes a collection, and
none of them finds anything (measured: 15 to 64 ns per event).
"""

_ABORT_AT = 3
_ABORTED = 70
_LAST_WORDS_S = 5.0


class BSPumpApplication:
    """Runs services and pipelines in one asyncio loop until it is asked to stop.

    Made inside a running loop it uses that one: `await app.run_async()`. Otherwise it makes its
    own, which `run()` runs and closes. Applications can follow each other in one process.

    Messages on `PubSub`: `Application.init!`, `Application.run!`, `Application.stop!` (with how
    often it was asked), `Application.exit!`, `Application.hup!`, and the ticks.

    Args:
        args: the command line, `sys.argv[1:]` if `None`.
        clock: what tells the time; tests hand in one they move.

    Raises:
        SystemExit: the command line is wrong, or only help was asked for.
    """

    Name = "bspump"
    Description = "Real-time stream processing"

    Inspector: ClassVar[Any] = None
    """Is told of each application that is made, and of each that starts, which it may prevent."""

    def __init__(self, args: Sequence[str] | None = None, *, clock: Clock | None = None) -> None:
        self.Arguments = self.parse_arguments(args)
        try:
            self.Loop = asyncio.get_running_loop()
            self._owns_loop = False
        except RuntimeError:
            self.Loop = asyncio.new_event_loop()
            self._owns_loop = True
            asyncio.set_event_loop(self.Loop)
        self.Clock: Clock = SystemClock() if clock is None else clock
        self.LaunchTime = self.Clock.time()
        self.Config = Configuration(self.Arguments.config, settings=self.Arguments.set)
        self._restore_logging = self._configure_logging()
        self.PubSub = PubSub(self)
        self.Services: dict[str, Service] = {}
        self.Modules: list[Module] = []
        self.ExitCode = 0
        self._stop_count = self._interrupts = 0
        self._begun: list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]] = []
        self._stop_event = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self.MetricsService = MetricsService(self)
        self.ProactorService = ProactorService(self)
        self.StartChecks = StartChecks(self)
        self.CheckpointService = CheckpointService(self)
        self.DeadLetters = DeadLetterService(self)
        self.EventTimeService = EventTimeService(self)
        self.PumpService = BSPumpService(self)
        if self.Inspector is not None:
            self.Inspector.made(self)

    def create_argument_parser(self) -> Any:
        """Return the `argparse` parser; override to add arguments of your own."""
        return argument_parser(self.Name, self.Description)

    def parse_arguments(self, args: Sequence[str] | None = None) -> Arguments:
        """Return what the command line says."""
        return parse_arguments(self.create_argument_parser(), args)

    def time(self) -> float:
        """Return the wall clock, Unix seconds."""
        return self.Clock.time()

    def add_service(self, service: Service) -> None:
        """Register a service; raises DuplicateNameError if its name is taken."""
        if service.Name in self.Services:
            first = type(self.Services[service.Name]).__name__
            raise DuplicateNameError(
                "service", service.Name, first=first, second=type(service).__name__
            )
        self.Services[service.Name] = service

    def get_service(self, name: str, /) -> Any:
        """Return the service of that name. Raises UnknownNameError if there is none."""
        if name not in self.Services:
            raise UnknownNameError("service", name, used_by="get_service", known=self.Services)
        return self.Services[name]

    def add_module(self, module_class: type[M]) -> M:
        """Make the module and add it; one that is there already is returned instead."""
        for module in self.Modules:
            if type(module) is module_class:
                return module
        made = module_class(self)
        self.Modules.append(made)
        return made

    def spawn(self, coro: Coroutine[Any, Any, Any], /, *, name: str) -> asyncio.Task[Any]:
        """Run `coro` in a task of the application: failures are logged, exit cancels it."""
        task = self.Loop.create_task(coro, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("task failed", task=task.get_name(), exc_info=error)

    def stop(self, exit_code: int | None = None, /) -> None:
        """Ask the application to end; may be called at any time, and is never lost."""
        if exit_code is not None:
            self.ExitCode = max(self.ExitCode, exit_code)
        self._stop_count += 1
        self._stop_event.set()
        self.PubSub.publish("Application.stop!", self._stop_count)

    async def initialize(self) -> None:
        """Override: get ready; called before services and modules are."""

    async def main(self) -> None:
        """Override: what the application does besides its pipelines; it runs until stopped."""

    async def finalize(self) -> None:
        """Override: clean up; called after services and modules did."""

    def run(self) -> int:
        """Run until stopped; return the exit code. The loop is closed afterwards.

        A wrong configuration is printed, all of it, and returns 78. An application runs once.

        Raises:
            RuntimeError: it was made inside a running loop, or has run already.
        """
        if not self._owns_loop:
            raise RuntimeError("the loop runs already: use `await app.run_async()`")
        if self.Loop.is_closed():
            raise RuntimeError("an application runs once: make another one")
        main = self.Loop.create_task(self.run_async(), name="application")
        switch_interval_s = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_S)
        thresholds = gc.get_threshold()
        gc.set_threshold(*_GC_THRESHOLDS)
        try:
            return self.Loop.run_until_complete(main)
        except (KeyboardInterrupt, SystemExit):
            # Raised somewhere in a task: it ends the program, but not without an end of its parts.
            self.stop()
            with suppress(KeyboardInterrupt, SystemExit):
                self.Loop.run_until_complete(main)
            raise
        except ConfigError as error:
            print(error, file=sys.stderr)  # noqa: T201 - whoever started it shall see it
            return EX_CONFIG
        finally:
            sys.setswitchinterval(switch_interval_s)
            gc.set_threshold(*thresholds)
            self._close_loop()

    async def run_async(self) -> int:
        """Run until stopped, in the loop that runs already; return the exit code.

        Raises:
            ConfigErrors: everything that is wrong with the configuration, before anything starts.
        """
        async with self.running():
            await self._stop_event.wait()
        return self.ExitCode

    @asynccontextmanager
    async def running(self) -> AsyncIterator[BSPumpApplication]:
        """Run for as long as the block lasts: started when it begins, drained when it ends."""
        if self.Inspector is not None:
            self.Inspector.starts(self)
        before = self._add_signals()
        try:
            self.Config.raise_if_wrong()
            try:
                await self._unless_stopped(self._initialize())
                yield self
            finally:
                await self._finalize()
        finally:
            for number, handler in before.items():
                self.Loop.remove_signal_handler(number)
                signal.signal(number, handler)
            self._restore_logging()

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for `work`; who asks to stop meanwhile need not wait for it."""
        working = self.Loop.create_task(unless_cancelled(work), name="initialize")
        stopped = self.Loop.create_task(self._stop_event.wait(), name="stop")
        try:
            await asyncio.wait([working, stopped], return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopped.cancel()
            working.cancel()
            await asyncio.wait([working], timeout=_LAST_WORDS_S)
        if working.done() and not working.cancelled():
            working.result()

    async def _initialize(self) -> None:
        ticks = Ticks(self)
        self._begun.append((type(self).__name__, self.finalize))
        await self.initialize()
        self.PubSub.publish("Application.init!")
        parts: list[Module | Service] = [*self.Modules, *self.Services.values()]
        for part in parts:
            self._begun.append((type(part).__name__, partial(part.finalize, self)))
            await part.initialize(self)
        if self._owns_loop:
            # What was made so far lives as long as the application: it need not be looked at again.
            # Not collected first, for that takes its time in a large process and gains little.
            gc.freeze()
        self.PubSub.publish("Application.run!")
        self.spawn(ticks.run(), name="ticks")
        self._main = self.spawn(self.main(), name="main")
        self.PumpService.check_finished()

    def discard(self) -> None:
        """Give up an application that is never to run."""
        self._restore_logging()
        if self._owns_loop and not self.Loop.is_closed():
            self.Loop.close()

    def abandon(self) -> None:
        """Let nothing be finalized any more; for tests of what a crash leaves behind."""
        self._begun.clear()

    async def _finalize(self) -> None:
        """Finalize what has been initialized, the last one first."""
        self._stop_event.set()
        self.PubSub.publish("Application.exit!")
        try:
            while self._begun:
                name, finalize = self._begun.pop()
                try:
                    await finalize()
                except Exception:  # One that fails must not keep the others from cleaning up.
                    log.exception("finalizing failed", part=name)
        finally:
            await self._end_tasks()
            if self._owns_loop:
                gc.unfreeze()

    async def _end_tasks(self) -> None:
        """Cancel what still runs, and wait for it, but not for ever."""
        for task in await end_tasks(self._tasks, _LAST_WORDS_S):
            log.error("task does not end", task=task.get_name())

    def _add_signals(self) -> dict[int, Any]:
        """Listen to signals where that is possible, in the main thread; return who did before."""
        handlers: dict[str, Callable[[], None]] = {
            "SIGINT": self._interrupted,
            "SIGTERM": self._interrupted,
            "SIGHUP": lambda: self.PubSub.publish("Application.hup!"),
            "SIGUSR1": self._clear_errors,
        }
        before: dict[int, Any] = {}
        for name, handler in handlers.items():
            number = getattr(signal, name, None)
            if number is None:
                continue
            known = signal.getsignal(number)
            try:
                self.Loop.add_signal_handler(number, handler)
            except (NotImplementedError, RuntimeError, ValueError):
                continue
            before[number] = signal.SIG_DFL if known is None else known
        return before

    def _interrupted(self) -> None:
        """Stop; whoever asks for the third time does not want to wait any longer."""
        self._interrupts += 1
        self.stop()
        if self._interrupts >= _ABORT_AT:
            log.critical("aborted, events that were in flight may come again")
            sys.stderr.flush()
            _abort(_ABORTED)

    def _clear_errors(self) -> None:
        for pipeline in list(self.PumpService.Pipelines.values()):
            pipeline.set_error(None, None, None)

    def _configure_logging(self) -> Callable[[], None]:
        options, arguments = LoggingConfig(self.Config).Options, self.Arguments
        level = "DEBUG" if arguments.verbose else options.level
        style, file = arguments.log_format or options.format, arguments.log_file or options.file
        try:
            return configure_logging(level=level, json_lines=style == "json", file=file or None)
        except OSError as error:
            self.Config.report(ConfigError(f"[logging]: {error} [{ConfigError.Code}]"))
            return configure_logging()

    def _close_loop(self) -> None:
        loop = self.Loop
        try:
            # What libraries have left; the tasks of the application have ended.
            loop.run_until_complete(end_tasks(asyncio.all_tasks(loop), _LAST_WORDS_S))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            asyncio.set_event_loop(None)
            loop.close()


def _abort(code: int) -> None:
    import os

    os._exit(code)


__all__ = ["EX_CONFIG", "BSPumpApplication", "ConfigErrors"]
