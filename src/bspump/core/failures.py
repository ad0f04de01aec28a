"""What becomes of the errors of a pipeline."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from bspump.abc.clock import Clock
from bspump.abc.errors import CrashError, ProcessingError
from bspump.abc.host import Context, Event
from bspump.abc.processor import ProcessorBase
from bspump.abc.source import Source

from .accounts import Accounts
from .error_letters import Letters, said
from .error_options import Policy
from .error_retry import Repeats
from .error_watch import ErrorWatch
from .gate import Gate

if TYPE_CHECKING:
    from .pipeline import Pipeline

_ERROR: Final = "the pipeline has an error"
EXIT_FAILED: Final = 1
"""The exit code of an application that a pipeline has ended by `on_error = exit`."""

_COMPLAIN_EVERY_S = 1.0


class Failures:
    """Decides what an error means, counts it, and stops the pipeline if it must.

    `handle_error` of the pipeline decides first. Then an event may be tried again, as `error_retry`
    says, and then the policy decides: that of the part, `on_error_of`, or that of the pipeline,
    `on_error`. What is skipped or set aside is logged, at most one line per second. An error
    without an event always stops the pipeline.

    An event that a source could not make sense of never stops anything: what a stranger sends
    must not. A dead letter that was replayed and fails again becomes another one in any case.

    Attributes:
        error: what stops the pipeline: context, event, exception, and when (Unix seconds).
    """

    def __init__(self, pipeline: Pipeline, accounts: Accounts) -> None:
        self._pipeline, self._accounts = pipeline, accounts
        self.error: tuple[Context | None, Event, BaseException, float] | None = None
        self._cleared, self._occurred = asyncio.Event(), asyncio.Event()
        self._repeats, self._letters = Repeats(pipeline), Letters(pipeline)
        self._watch = ErrorWatch(pipeline, accounts, self._over_budget)
        self._complained_at = float("-inf")
        self._unsaid = 0

    @property
    def gate(self) -> Gate:
        """The gate of the pipeline."""
        return self._pipeline.Flow.gate

    @property
    def clock(self) -> Clock:
        """The clock of the application."""
        clock: Clock = self._pipeline.Clock
        return clock

    def open(self) -> None:
        """Get ready, before the pipeline runs. Raises ConfigError where letters have no place."""
        self._letters.open()

    def close(self) -> None:
        """Give up what was made ready; the pipeline runs no more."""
        self._letters.close()

    def failed(
        self,
        who: ProcessorBase,
        context: Context,
        event: Event,
        error: Exception,
        *,
        may_repeat: bool = True,
    ) -> None:
        """Deal with the error of one event, raised by `who`."""
        self.report(error, context, event, who, may_repeat=may_repeat)

    def reject(self, events: Sequence[tuple[Context, Event]], error: Exception, who: Any) -> None:
        """Deal with events that `who`, a source or a sink, will never accept."""
        from_source = isinstance(who, Source)
        self._accounts.rejected(len(events), before_entering=from_source)
        for context, event in events:
            self.report(error, context, event, who)

    def report(
        self,
        error: BaseException,
        context: Context | None,
        event: Event,
        who: Any = None,
        *,
        may_repeat: bool = False,
    ) -> None:
        """Deal with an error."""
        pipeline = self._pipeline
        try:
            is_handled = pipeline.handle_error(error, context, event)
        except Exception as worse:  # noqa: BLE001 - it is the user's code; it must not hide `error`
            worse.__context__ = error
            error, is_handled = worse, False
        if is_handled:
            self._warn()
        elif event is None:
            self._stop(error, context, event, who, policy=pipeline.Options.on_error)
        elif may_repeat and self._repeats.keep(who, context or {}, event, error):
            self._complain("an event is tried again", error, who)
        else:
            self._give_up(error, context, event, who)

    def _give_up(
        self, error: BaseException, context: Context | None, event: Event, who: Any
    ) -> None:
        policy = self._policy(who, event, error)
        if policy in ("stop", "exit"):
            self._stop(error, context, event, who, policy=policy)
            return
        if policy == "dead_letter":
            tries = self._repeats.tries(who, event)
            try:
                self._letters.set_aside(who, context, event, error, tries)
            except Exception as worse:  # noqa: BLE001 - the letter must not be lost without a word
                worse.__context__ = error
                self._stop(worse, context, event, who, policy="stop")
                return
        self._complain(
            "event set aside" if policy == "dead_letter" else "event rejected", error, who
        )
        self._warn()
        self._watch.failed()

    def _policy(self, who: Any, event: Event, error: BaseException) -> Policy:
        """Return what becomes of an event that failed for good at `who`."""
        pipeline = self._pipeline
        if pipeline.Asides.attempts_before(event):
            return "dead_letter"
        policy = policy_of(pipeline, getattr(who, "Id", ""))
        is_nonsense = isinstance(who, Source) and not isinstance(error, CrashError)
        return "skip" if is_nonsense and policy != "dead_letter" else policy

    def clear(self) -> bool:
        """Take the error back; False if there is none."""
        if self.error is None:
            return False
        self.error = None
        self._occurred.clear()
        self._watch.reset()
        self._pipeline.L.info("error cleared")
        self._cleared.set()
        self._pipeline.PubSub.publish("bspump.pipeline.clear_error!", pipeline=self._pipeline)
        self.gate.open(_ERROR)
        return True

    async def cleared(self) -> None:
        """Wait until there is no error."""
        while self.error is not None:
            self._cleared.clear()
            await self._cleared.wait()

    def has_error(self) -> bool:
        """Tell whether an error stops the pipeline."""
        return self.error is not None

    async def occurred(self) -> None:
        """Wait until there is an error."""
        await self._occurred.wait()

    def request_checkpoint(self) -> None:
        """Ask for a checkpoint of the pipeline."""
        self._pipeline.request_checkpoint()

    async def failed_to_write(self, error: Exception) -> None:
        """Report an error of the pipeline; returns when it has been cleared."""
        self.report(error, None, None)
        if self.error is None:
            # It was called harmless; what cannot be written is still there all the same.
            await self.clock.sleep(_COMPLAIN_EVERY_S)
        await self.cleared()

    def _over_budget(self, excess: str) -> None:
        """Stop, whatever `handle_error` would say of it."""
        if self.error is None:
            error = ProcessingError(f"error budget: {excess}")
            self._stop(error, None, None, None, policy=self._pipeline.Options.on_error)

    def _warn(self) -> None:
        self._accounts.add("warning")
        self._pipeline.PubSub.publish("bspump.pipeline.warning!", pipeline=self._pipeline)

    def _complain(self, what: str, error: BaseException, who: Any) -> None:
        now = self.clock.monotonic()
        if now - self._complained_at < _COMPLAIN_EVERY_S:
            self._unsaid += 1
            return
        self._pipeline.L.log_uncounted(
            what, part=getattr(who, "Id", None), error=_text(error), more=self._unsaid
        )
        self._complained_at, self._unsaid = now, 0

    def _stop(
        self,
        error: BaseException,
        context: Context | None,
        event: Event,
        who: Any,
        *,
        policy: Policy,
    ) -> None:
        pipeline = self._pipeline
        if self.error is not None:
            pipeline.L.info("another error came before the first was cleared")
        self.error = (context, event, error, pipeline.App.time())
        self._occurred.set()
        # It is counted as an error by being logged as one.
        pipeline.L.error(
            "stopped by an error",
            part=getattr(who, "Id", None),
            error=_text(error),
            exc_info=error,
        )
        self.gate.close(_ERROR, announce=True)
        pipeline.PubSub.publish("bspump.pipeline.error!", pipeline=pipeline)
        if policy == "exit":
            pipeline.App.stop(EXIT_FAILED)


def policy_of(pipeline: Pipeline, part_id: str) -> Policy:
    """Return the policy for a part of a pipeline."""
    options = pipeline.Options
    policy: Policy = options.on_error_of.get(part_id, options.on_error)
    return policy


def _text(error: BaseException) -> str:
    text = said(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
