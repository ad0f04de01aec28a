"""From an event that failed to a dead letter, and where that goes."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

from bspump.abc.dead_letters import DeadLetter
from bspump.abc.errors import ConfigError
from bspump.abc.host import Context, Event
from bspump.abc.source import Source

from .chain import CHAIN

if TYPE_CHECKING:
    from .pipeline import Pipeline

_OF_THE_STORE = ("id", "is_repr", "odd_context", "replayed_at_s", "is_requested")


class Letters:
    """Sets events of one pipeline aside: for the next checkpoint, or to another pipeline.

    To the other it is a router like any: it is held back by it, and both share checkpoints.

    Attributes:
        Id: how the receiver may call it.
        Pipeline: whose events they are.
    """

    def __init__(self, pipeline: Pipeline) -> None:
        self.Id = "dead letters"
        self.Pipeline = pipeline
        self._receiver: Any = None
        self._counter: Any = None

    def open(self) -> None:
        """Find the receiver, if there is to be one.

        Raises:
            ConfigError: there is no such source.
        """
        if self._receiver is None and self.Pipeline.Options.dead_letters_to:
            self._receiver = receiver_of(self.Pipeline)
            attach = getattr(self._receiver, "attach", None)
            if attach is not None:
                attach(self)

    def close(self) -> None:
        """Let the receiver know that no more will come."""
        detach = getattr(self._receiver, "detach", None)
        self._receiver = None
        if detach is not None:
            detach(self)

    def set_aside(
        self,
        who: Any,
        context: Context | None,
        event: Event,
        error: BaseException,
        tries: int,
    ) -> None:
        """Set an event aside, after it was tried so often in this process.

        Raises:
            Exception: the receiver does not take it.
        """
        pipeline = self.Pipeline
        letter = DeadLetter(
            pipeline=pipeline.Id,
            part=getattr(who, "Id", ""),
            event=event,
            context={} if context is None else context,
            error_type=name_of(type(error)),
            error_text=said(error),
            traceback=_traceback(error),
            at_s=pipeline.App.time(),
            attempts=pipeline.Asides.attempts_before(event) + tries,
        )
        if self._receiver is None:
            pipeline.Asides.add(letter)
        else:
            self._receiver.accept({}, as_event(letter))
        self._count()

    def _count(self) -> None:
        if self._counter is None:
            self._counter = self.Pipeline.MetricsService.create_counter(
                "bspump.pipeline.dead_letters",
                {"pipeline": self.Pipeline.Id},
                {"event": 0},
                description="Events that were set aside",
            )
        self._counter.add("event", 1)


def as_event(letter: DeadLetter) -> dict[str, Any]:
    """Return a letter as an event for a pipeline that takes them."""
    fields = {name: getattr(letter, name) for name in letter.__slots__}
    return {name: value for name, value in fields.items() if name not in _OF_THE_STORE}


def name_of(error_type: type[BaseException]) -> str:
    """Return the name of a type of exception, with its module unless that is Python itself.

    >>> name_of(ValueError), name_of(ConfigError)
    ('ValueError', 'bspump.abc.errors.ConfigError')
    """
    module, name = error_type.__module__, error_type.__qualname__
    return name if module == "builtins" else f"{module}.{name}"


def said(error: BaseException) -> str:
    """Return what an exception says, whatever it is made of."""
    try:
        return str(error)
    except Exception as worse:  # noqa: BLE001 - it is code of the user, and must not hide `error`
        return f"<its text cannot be had: {type(worse).__name__}>"


def _traceback(error: BaseException) -> str:
    """Return the traceback of an exception, from where the engine has called a part."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(CHAIN):
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace))


def receiver_of(pipeline: Pipeline) -> Source:
    """Return the source that takes the dead letters of a pipeline.

    Raises:
        ConfigError: there is none at the address that the options name.
    """
    address = pipeline.Options.dead_letters_to
    found = pipeline.App.PumpService.locate(address)
    if isinstance(found, Source) and hasattr(found, "accept") and found.Pipeline is not pipeline:
        return found
    known = ", ".join(sorted(_receivers(pipeline))) or "none"
    got = "a source of this pipeline" if isinstance(found, Source) else repr(found)
    if isinstance(found, Source) and found.Pipeline is not pipeline:
        got = f"{type(found).__name__}, which takes nothing from other pipelines"
    place = pipeline.Config.place_of("dead_letters_to")
    raise ConfigError(
        f"{place}: [pipeline:{pipeline.Id}] dead_letters_to: {address!r} cannot take dead letters"
        f" [{ConfigError.Code}]\n"
        "  expected: the address of a source such as InternalSource, in another pipeline:"
        f" {known}\n"
        f"  got: {'nothing of that name' if found is None else got}"
    )


def _receivers(pipeline: Pipeline) -> list[str]:
    return [
        source.locate_address()
        for other in pipeline.App.PumpService.Pipelines.values()
        for source in other.Sources
        if other is not pipeline and hasattr(source, "accept")
    ]
