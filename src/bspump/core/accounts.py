"""The metrics of one pipeline: what the chain has counted, as others read it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bspump.abc.processor import ProcessorBase

from .chain import Chain, is_sink
from .metrics import Counter, Metric, MetricsService


class Accounts:
    """Brings the counts of the chain into metrics, whenever somebody is about to read them.

    `event.in` counts events that entered, `event.out` those that a sink took, `event.drop` those
    that a processor consumed, `warning` and `error` what was reported of those that failed;
    `event.fail` counts the latter too, as events: without generators `in = out + drop + fail`
    once nothing is in flight.
    """

    def __init__(self, service: MetricsService, pipeline_id: str, *, reset_profiler: bool) -> None:
        tags = {"pipeline": pipeline_id}
        self._service, self._tags, self._reset = service, tags, reset_profiler
        names = ["event.in", "event.out", "event.drop", "event.fail", "warning", "error"]
        self.counter = service.create_counter(
            "bspump.pipeline", tags, dict.fromkeys(names, 0), description="Events"
        )
        names = ["eps.in", "eps.out", "eps.drop", "warning", "error"]
        self.eps = service.create_eps_counter(
            "bspump.pipeline.eps", tags, dict.fromkeys(names, 0), description="Events per second"
        )
        self.gauge = service.create_gauge(
            "bspump.pipeline.gauge",
            tags,
            {"warning.ratio": 0.0, "error.ratio": 0.0},
            description="Warnings and errors per incoming event",
        )
        self.duty_cycle = service.create_duty_cycle(
            "bspump.pipeline.dutycycle",
            tags,
            {"ready": None},
            description="Share of the time in which the pipeline was ready",
        )
        self.profiler: dict[str, Counter] = {}
        self._by_part: dict[ProcessorBase, Counter] = {}
        self._chain: Chain | None = None
        self._written: Callable[[], int] | None = None
        self._seen = _Totals(0, 0, 0, 0, [], [], [])
        service.add_collector(self.collect)

    def add(self, name: str, amount: int = 1) -> None:
        """Count a `warning` or an `error`."""
        self.counter.add(name, amount)
        self.eps.add(name, amount)

    def rejected(self, amount: int, *, before_entering: bool) -> None:
        """Count events that a source could not make sense of, or a sink will never take."""
        if before_entering:
            self.counter.add("event.in", amount)
            self.eps.add("eps.in", amount)
        self.counter.add("event.fail", amount)

    def profile(self, part: ProcessorBase) -> None:
        """Measure a part from now on."""
        if part in self._by_part:
            return
        counter = self._service.create_counter(
            "bspump.pipeline.profiler",
            {**self._tags, "processor": part.Id},
            {"duration": 0.0, "run": 0},
            reset=self._reset,
            description="Seconds spent in a processor, and its events",
        )
        self._by_part[part] = counter
        name, n = part.Id, 1
        while name in self.profiler:
            n += 1
            name = f"{part.Id} #{n}"
        self.profiler[name] = counter

    def forget(self, part: ProcessorBase) -> None:
        """Measure a part no longer."""
        counter = self._by_part.pop(part, None)
        if counter is not None:
            self._service.remove(counter)
            self.profiler = {k: c for k, c in self.profiler.items() if c is not counter}

    def follow(self, chain: Chain, written: Callable[[], int] | None) -> None:
        """Take counts from another chain, after a last look at the one before.

        Args:
            chain: the chain.
            written: how many events have got out, where the sink does not write at once.
        """
        self.collect()
        self._chain, self._written = chain, written
        n = len(chain.processors)
        out = 0 if written is None else written()
        self._seen = _Totals(0, out, 0, 0, [0] * n, [0.0] * n, [0] * n)

    def collect(self) -> None:
        """Bring the metrics up to date."""
        if self._chain is None:
            return
        now, before = totals(self._chain, self._written), self._seen
        self._seen = now
        for name, amount in (
            ("in", now.entered - before.entered),
            ("out", now.out - before.out),
            ("drop", now.drops - before.drops),
        ):
            if amount:
                self.counter.add(f"event.{name}", amount)
                self.eps.add(f"eps.{name}", amount)
        if now.fails > before.fails:
            self.counter.add("event.fail", now.fails - before.fails)
        self._collect_profile(self._chain.processors, now, before)
        entered = self.counter.values["event.in"]
        if entered:
            for name in ("warning", "error"):
                self.gauge.set(f"{name}.ratio", self.counter.values[name] / entered)

    def _collect_profile(
        self, parts: Sequence[ProcessorBase], now: _Totals, before: _Totals
    ) -> None:
        for i, part in enumerate(parts):
            counter = self._by_part.get(part)
            runs, seen = now.runs[i] - before.runs[i], now.seen[i] - before.seen[i]
            if counter is None or not runs:
                continue
            counter.add("run", runs)
            if seen:
                # Some events were measured; all of them took so much longer.
                counter.add("duration", (now.spent[i] - before.spent[i]) * max(1.0, runs / seen))
            else:
                now.spent[i], now.seen[i] = before.spent[i], before.seen[i]

    def rest_get(self) -> list[dict[str, Any]]:
        """Return the metrics of the pipeline, ready for JSON."""
        metrics: list[Metric] = [self.counter, self.eps, self.gauge, self.duty_cycle]
        return [metric.rest_get() for metric in (*metrics, *self.profiler.values())]

    def close(self) -> None:
        """Remove the metrics."""
        self.collect()
        self._service.remove_collector(self.collect)
        metrics: list[Metric] = [self.counter, self.eps, self.gauge, self.duty_cycle]
        for metric in (*metrics, *self.profiler.values()):
            self._service.remove(metric)


class _Totals:
    """What a chain has counted so far; lists are by the number of the processor."""

    __slots__ = ("drops", "entered", "fails", "out", "runs", "seen", "spent")

    def __init__(
        self,
        entered: int,
        out: int,
        drops: int,
        fails: int,
        runs: list[int],
        spent: list[float],
        seen: list[int],
    ) -> None:
        self.entered, self.out, self.drops, self.fails = entered, out, drops, fails
        self.runs, self.spent, self.seen = runs, spent, seen


def totals(chain: Chain, written: Callable[[], int] | None) -> _Totals:
    """Return what `chain` has counted, exact but for the times, which are sampled."""
    counts, entered = chain.counts, chain.entered()
    runs: list[int] = []
    reaching = 0
    for depth, length in enumerate(chain.lengths):
        reaching = entered[depth]
        for _ in range(length):
            number = len(runs)
            runs.append(reaching)
            reaching -= counts.drops[number] + counts.fails[number]
    if written is not None:
        out = written()
    else:
        out = reaching if chain.processors and is_sink(chain.processors[-1]) else 0
    return _Totals(
        entered[0],
        out,
        sum(counts.drops),
        sum(counts.fails),
        runs,
        list(counts.spent),
        list(counts.seen),
    )
