"""What each pipeline of a built application promises, why, and what would have to change.

A promise is about a crash: whether what an event leads to gets to the destination, and how often.
It is that of the weakest of sources, state and sink; `docs/guarantees.md` has the rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from bspump.abc.capabilities import Can
from bspump.abc.errors import ConfigError
from bspump.abc.sink import EpochSink, TwoPhaseSink
from bspump.abc.source import Source

from .chain import is_sink
from .checkpoint import parts_of

if TYPE_CHECKING:
    from .pipeline import Pipeline


class Promise(IntEnum):
    """How often what an event leads to arrives, if the process dies at any time."""

    AT_MOST_ONCE = 0
    AT_LEAST_ONCE = 1
    EXACTLY_ONCE = 2

    @property
    def words(self) -> str:
        """The promise as people say it."""
        return self.name.lower().replace("_", " ")


REQUIRED = {
    "nothing": Promise.AT_MOST_ONCE,
    "at-least-once": Promise.AT_LEAST_ONCE,
    "exactly-once": Promise.EXACTLY_ONCE,
}
"""What may be required by the option `require`."""

_ENGINE = "bspump.core.pipeline"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one part of a pipeline allows to promise.

    Args:
        part: its address.
        promise: not more than this.
        why: in words.
        remedy: what would have to change for more; empty where nothing has to.
    """

    part: str
    promise: Promise
    why: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Guarantee:
    """What a pipeline promises: as much as the weakest of its parts.

    Args:
        pipeline: its Id.
        findings: of sources, of what remembers something, of the sink.
        notes: on events that are dropped or set aside on purpose.
    """

    pipeline: str
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    @property
    def promise(self) -> Promise:
        """The least that one of its parts allows."""
        return min(finding.promise for finding in self.findings)

    def weakest(self) -> list[Finding]:
        """Return the findings that keep the promise from being a stronger one."""
        promise = self.promise
        if promise is Promise.EXACTLY_ONCE:
            return []
        return [finding for finding in self.findings if finding.promise is promise]

    def text(self) -> str:
        """Return all of it for people."""
        lines = [f"{self.pipeline}: {self.promise.words}"]
        for finding in self.findings:
            limit = "" if finding.promise is Promise.EXACTLY_ONCE else f" ({finding.promise.words})"
            lines.append(f"  {finding.part}: {finding.why}{limit}")
            if finding.remedy:
                lines.append(f"    for more: {finding.remedy}")
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])

    def rest_get(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        return {
            "promise": self.promise.words,
            "findings": [
                {
                    "part": finding.part,
                    "promise": finding.promise.words,
                    "why": finding.why,
                    "remedy": finding.remedy,
                }
                for finding in self.findings
            ],
            "notes": list(self.notes),
        }


def guarantee_of(pipeline: Pipeline) -> Guarantee:
    """Return what a pipeline promises, as it is built and configured; nothing has to run."""
    findings = [_of_source(source, frozenset()) for source in pipeline.Sources]
    if not pipeline.Sources:
        why = "it has no source: what the program puts in is gone after a crash"
        findings.append(
            Finding(pipeline.Id, Promise.AT_MOST_ONCE, why, "bring events in by a source")
        )
    findings += _of_state(pipeline)
    findings.append(_of_sink(pipeline))
    return Guarantee(pipeline.Id, tuple(findings), tuple(_notes(pipeline)))


def unmet(pipeline: Pipeline) -> Iterator[ConfigError]:
    """Yield an error if a pipeline promises less than is required of it."""
    required = pipeline.Options.require
    guarantee = guarantee_of(pipeline)
    if guarantee.promise >= REQUIRED[required]:
        return
    lacking = [each for each in guarantee.findings if each.promise < REQUIRED[required]]
    lines = [
        f"{pipeline.Config.place_of('require')}: [pipeline:{pipeline.Id}] require = {required}:"
        f" the pipeline promises {guarantee.promise.words} [{ConfigError.Code}]"
    ]
    for finding in lacking:
        lines += [f"  {finding.part}: {finding.why}", f"  what to do: {finding.remedy}"]
    yield ConfigError("\n".join(lines))


# Sources

_IDEMPOTENT: Final = "write to an idempotent sink, by a key"
_STORE = "set `var_dir` in [general], so that checkpoints are kept"


def _of_source(source: Source, seen: frozenset[Source]) -> Finding:
    address = source.locate_address()
    can: Can = getattr(source, "Capabilities", Can.NOTHING)
    is_durable = source.Pipeline.is_durable()
    if Can.RESUME in can and Can.REPEAT in can and is_durable:
        why = "reads on where the checkpoint was, but may begin something again that was cut off"
        return Finding(address, Promise.AT_LEAST_ONCE, why, _IDEMPOTENT)
    if Can.RESUME in can and is_durable:
        return Finding(address, Promise.EXACTLY_ONCE, "reads on where the checkpoint was")
    if Can.REDELIVER in can:
        return _of_broker(address, can, is_durable=is_durable)
    if Can.RESUME in can:
        why = "where to read on is forgotten with the process"
        return Finding(address, Promise.AT_MOST_ONCE, why, _STORE)
    feeders = source.possible_feeders()
    if feeders:
        return _of_feeders(source, seen)
    return Finding(
        address,
        Promise.AT_MOST_ONCE,
        "what it brought and nobody has delivered yet is gone after a crash",
        "put a buffer on disk in front of it, `bspump.buffer.DiskBufferSource`",
    )


def _of_broker(address: str, can: Can, *, is_durable: bool) -> Finding:
    if Can.IDENTIFY in can and is_durable:
        why = "what is not acknowledged comes again, and is known by its id"
        return Finding(address, Promise.EXACTLY_ONCE, why)
    why = "what is not acknowledged comes again, also what had been delivered"
    if Can.IDENTIFY in can or Can.RESUME in can:
        return Finding(address, Promise.AT_LEAST_ONCE, why, _STORE)
    remedy = "let the source know messages by an id, if it can; or write to an idempotent sink"
    return Finding(address, Promise.AT_LEAST_ONCE, why, remedy)


def _of_feeders(source: Source, seen: frozenset[Source]) -> Finding:
    """Return the weakest of what the pipelines promise whose events come out of `source`."""
    seen |= {source}
    found: list[Finding] = []
    for feeder in source.possible_feeders():
        found += [_of_source(each, seen) for each in feeder.Sources if each not in seen]
        found += _of_state(feeder)
    worst = min(found, key=lambda each: (each.promise, each.part), default=None)
    address = source.locate_address()
    if worst is None or worst.promise is Promise.EXACTLY_ONCE:
        why = "shares checkpoints with the pipelines that feed it"
        return Finding(address, Promise.EXACTLY_ONCE, why)
    why = f"its events come by {worst.part}: {worst.why}"
    return Finding(address, worst.promise, why, worst.remedy)


# State and sinks


def _of_state(pipeline: Any) -> Iterator[Finding]:
    if pipeline.is_durable():
        return
    for part in parts_of(pipeline):
        if part.is_stateful():
            why = "what it remembers is lost with the process"
            yield Finding(part.locate_address(), Promise.AT_MOST_ONCE, why, _STORE)


def _of_sink(pipeline: Pipeline) -> Finding:
    parts = list(pipeline.iter_processors())
    if not parts or not is_sink(parts[-1]):
        why = "it has no sink: nothing is delivered"
        return Finding(pipeline.Id, Promise.AT_MOST_ONCE, why, "end it with a sink")
    sink: Any = parts[-1]
    address = sink.locate_address()
    can: Can = getattr(sink, "Capabilities", Can.NOTHING)
    if Can.IDEMPOTENT in can:
        return Finding(address, Promise.EXACTLY_ONCE, "what is written again changes nothing")
    if hasattr(sink, "may_feed"):
        return Finding(address, Promise.EXACTLY_ONCE, "hands on to pipelines with its checkpoints")
    if isinstance(sink, EpochSink | TwoPhaseSink) and sink.is_transactional():
        return _of_transactions(sink)
    return Finding(
        address,
        Promise.AT_LEAST_ONCE,
        "what it wrote after the last checkpoint is written again after a crash",
        _remedy_of(sink),
    )


def _of_transactions(sink: EpochSink[Any] | TwoPhaseSink[Any]) -> Finding:
    address = sink.locate_address()
    if not sink.Pipeline.is_durable():
        why = "without a store of checkpoints it cannot know after a crash what was committed"
        return Finding(address, Promise.AT_LEAST_ONCE, why, _STORE)
    others = [each.locate_address() for each in _deciders(sink.Pipeline) if each is not sink]
    if isinstance(sink, EpochSink) and others:
        why = f"commits apart from {', '.join(sorted(others))}: a crash may come between the two"
        remedy = "let one sink of connected pipelines commit like this; the others by two phases"
        return Finding(address, Promise.AT_LEAST_ONCE, why, remedy)
    return Finding(address, Promise.EXACTLY_ONCE, "commits together with the checkpoint")


def _remedy_of(sink: Any) -> str:
    if isinstance(sink, EpochSink | TwoPhaseSink):
        by_options = "let it write in transactions, by its options"
        return by_options if sink.Pipeline.is_durable() else f"{_STORE}; then {by_options}"
    return "write to a sink that is transactional or idempotent"


def _deciders(pipeline: Any) -> list[EpochSink[Any]]:
    """Return the sinks that keep an epoch with their data, of all pipelines connected to one."""
    found: list[EpochSink[Any]] = []
    everybody = [*pipeline.App.PumpService.Pipelines.values()]
    waiting, seen = [pipeline], {pipeline}
    while waiting:
        each = waiting.pop()
        found += [
            part
            for part in each.iter_processors()
            if isinstance(part, EpochSink) and part.is_transactional()
        ]
        near = {other for other in everybody if each in _feeders(other)} | _feeders(each)
        waiting += near - seen
        seen |= near
    return found


def _feeders(pipeline: Any) -> set[Any]:
    return {feeder for source in pipeline.Sources for feeder in source.possible_feeders()}


def _notes(pipeline: Pipeline) -> Iterator[str]:
    if _definer(type(pipeline), "handle_error") != _ENGINE:
        yield "`handle_error` decides first, and may drop events that fail"
    options = pipeline.Options
    policies = {"on_error": options.on_error}
    policies |= {f"on_error_of.{part}": policy for part, policy in options.on_error_of.items()}
    for key, policy in policies.items():
        if policy == "skip":
            yield f"{key} = skip drops events that fail, on purpose"
        elif policy == "dead_letter":
            to = options.dead_letters_to or "the store, for `bspump dead-letters`"
            yield f"{key} = dead_letter sets events that fail aside, to {to}"


def _definer(cls: type, name: str) -> str:
    """Return the module in which the method of a class is defined."""
    return next((base.__module__ for base in cls.__mro__ if name in vars(base)), "")
