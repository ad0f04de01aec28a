"""Finds matches of a pattern in the events of one key, one event after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from typing import Any, NamedTuple

from bspump.abc.event_time import END_MS

from .pattern import Pattern
from .plan import START, Ban, Plan, is_met

Work = dict[str, Any]
Found = tuple[tuple[Any, ...], dict[str, Any]]

# What a run consists of; it is a list, as plain data has no structs.
NODE, PART, COUNT, LENGTH, FIRST, FIRST_MS, LAST_MS, LAST, OPEN = range(9)


class Partial:
    """The match so far, as conditions see it: `match["a"]` are the events of part `a`."""

    __slots__ = ("_found", "_load", "_names")

    def __init__(self, names: Sequence[str], load: Callable[[], Iterable[tuple[int, Any]]]) -> None:
        self._names, self._load = names, load
        self._found: dict[str, list[Any]] | None = None

    def __getitem__(self, name: str) -> list[Any]:
        if self._found is None:
            self._found = {each: [] for each in self._names}
            for part, event in self._load():
                self._found[self._names[part]].append(event)
        return self._found[name]

    def first(self, name: str) -> Any:
        """Return the first event of a part, `None` if there is none yet."""
        events = self[name]
        return events[0] if events else None

    def last(self, name: str) -> Any:
        """Return the last event of a part, `None` if there is none yet."""
        events = self[name]
        return events[-1] if events else None


class Hit(NamedTuple):
    """A match.

    Args:
        start_ms: the time of its first event.
        end_ms: when it was complete: the time of its last event, or when the time was over in
            which something else had to be absent.
        events: lists of them, by the name of their part; parts that are missing are not there.
    """

    start_ms: int
    end_ms: int
    events: dict[str, list[Any]]


class Choice(NamedTuple):
    """What an event means for a run: where it goes, what stays open, whether it is a match."""

    taken: Sequence[int]
    open: list[int]
    is_match: bool


class Machine:
    """Finds matches. What it remembers of a key is plain data that is handed in.

    A *run* is a part of a match. Runs that begin alike share their beginning: each refers to its
    last node, and that to the one before. Work is proportional to the runs there are, for each
    event; matches of the same moment come in the order of their first event, the longest first.

    Args:
        pattern: what is looked for.
        max_runs: of a key; more are dropped.
        max_length: events of a run; one that grows longer is dropped.
        drops_oldest: those that began first are dropped, else those that came last.

    Attributes:
        dropped: runs that were dropped, of all keys.
    """

    def __init__(
        self,
        pattern: Pattern,
        *,
        max_runs: int = 1000,
        max_length: int = 1000,
        drops_oldest: bool = True,
    ) -> None:
        pattern.check()
        self._plan = Plan(pattern)
        self._names = [part.name for part in self._plan.parts]
        self._within_ms = pattern.within_ms
        self._skip, self._skip_name = pattern.skip, pattern.skip_name
        self._max_runs, self._max_length = max_runs, max_length
        self._drops_oldest = drops_oldest
        self.dropped = 0

    def new(self) -> Work:
        """Return what is remembered of a key at first."""
        counts = {"next": 0, "made": 0, "swept": 0, "due_ms": END_MS}
        return {"events": {}, "nodes": {}, "runs": [], **counts}

    def is_idle(self, work: Work) -> bool:
        """Tell whether nothing has begun."""
        return not work["runs"]

    def due_ms(self, work: Work) -> int:
        """Return the earliest time at which a run is over."""
        due_ms: int = work["due_ms"]
        return due_ms

    # An event

    def take(self, work: Work, at_ms: int, event: Any) -> list[Hit]:
        """Return the matches that an event completes. If it raises, nothing has changed.

        What was due before or at its time has expired already.
        """
        number, memo = work["next"], {}  # type: ignore[var-annotated]
        choices = [self._choose(work, run, number, at_ms, event, memo) for run in work["runs"]]
        begun = self._begin(event, memo)
        work["next"] = number + 1
        if not begun and not any(choices):
            return []
        runs, new, found = [], [], []
        for run, choice in zip(work["runs"], choices, strict=True):
            if choice is None:
                runs.append(run)
                continue
            # Nodes that follow refer to that of the run, so it is looked at before it changes.
            new += [self._grown(work, run, target, number, at_ms) for target in choice.taken]
            if choice.is_match:
                found.append(run)
            run[OPEN] = choice.open
            if choice.open:
                runs.append(run)
        new += [self._grown(work, None, target, number, at_ms) for target in begun]
        if new:
            work["events"][number] = [at_ms, event]
        for run in filter(None, new):
            if self._is_complete(run[PART], run[OPEN], is_new=True):
                found.append(run)
                run[OPEN] = self._after_match(run[PART], run[OPEN])
            if run[OPEN]:
                runs.append(run)
        return self._settle(work, runs, found, at_ms)

    def _choose(
        self, work: Work, run: Any, number: int, at_ms: int, event: Any, memo: Any
    ) -> Choice | None:
        """Decide what an event means for a run, `None` for nothing; nothing changes."""
        plan, part = self._plan, run[PART]
        match = self._partial(work, run) if plan.sees_match else None
        met = [
            target
            for target in run[OPEN]
            if target != plan.end and is_met(plan.conditions[target], event, match, memo)
        ]
        if not met and part in plan.calm:
            return None
        losers = frozenset[int]().union(*(plan.losers[part][target] for target in met))
        left = []
        for target in run[OPEN]:
            if target in losers or self._is_closed(part, target, is_met=target in met):
                continue
            if target == part or not self._is_banned(
                run, target, number, at_ms, event, match, memo
            ):
                left.append(target)
        taken = [target for target in met if target not in losers]
        is_match = self._is_complete(part, left, is_new=False)
        return Choice(taken, self._after_match(part, left) if is_match else left, is_match)

    def _partial(self, work: Work, run: Any) -> Partial:
        """Return the match so far, its events looked up when a condition asks for them."""

        def load() -> Iterable[tuple[int, Any]]:
            return [(part, work["events"][n][1]) for part, n in self._numbers(work, run)]

        return Partial(self._names, load)

    def _is_closed(self, part: int, target: int, *, is_met: bool) -> bool:
        """Tell whether no later event can be that of the target."""
        if target == self._plan.end:
            return False
        relation = self._plan.relation(part, target)
        return relation == "strict" or (relation == "relaxed" and is_met)

    def _is_banned(
        self, run: Any, target: int, number: int, at_ms: int, event: Any, match: Any, memo: Any
    ) -> bool:
        """Tell whether an event must not come on the way to the target."""
        for ban in self._plan.bans[run[PART], target]:
            if ban.absence.is_next and number != run[LAST] + 1:
                continue
            if target == self._plan.end and at_ms >= self._banned_until_ms(run, ban):
                continue
            if is_met(ban.condition, event, match, memo):
                return True
        return False

    def _is_complete(self, part: int, open_: list[int], *, is_new: bool) -> bool:
        """Tell whether a run is a match, without waiting for anything else."""
        plan = self._plan
        if plan.end not in open_:
            return False
        for ban in plan.bans[part, plan.end]:
            if is_new or not ban.absence.is_next:
                return False
        return not any(plan.end in plan.losers[part][target] for target in open_)

    def _after_match(self, part: int, open_: list[int]) -> list[int]:
        end = self._plan.end
        losers = self._plan.losers[part][end]
        return [target for target in open_ if target != end and target not in losers]

    def _begin(self, event: Any, memo: Any) -> list[int]:
        plan = self._plan
        match = Partial(self._names, tuple) if plan.sees_match else None
        met = [t for t in plan.starts if is_met(plan.conditions[t], event, match, memo)]
        return [t for t in met if not any(t in plan.losers[START][winner] for winner in met)]

    def _grown(self, work: Work, run: Any, target: int, number: int, at_ms: int) -> Any:
        """Return a new run that goes on from `run` with an event; `None` if it is too long."""
        count, length, first, first_ms, parent = 1, 1, number, at_ms, None
        if run is not None:
            count = run[COUNT] + 1 if run[PART] == target else 1
            length, parent = run[LENGTH] + 1, run[NODE]
            first, first_ms = run[FIRST], run[FIRST_MS]
        if length > self._max_length:
            self.dropped += 1
            return None
        node = work["made"]
        work["made"] = node + 1
        work["nodes"][node] = [parent, target, number]
        open_ = self._plan.targets(target, count)
        return [node, target, count, length, first, first_ms, at_ms, number, open_]

    # A time

    def expire(self, work: Work, at_ms: int) -> list[Hit]:
        """Return the matches that are complete because a time has come."""
        runs, found = [], []
        end = self._plan.end
        for run in work["runs"]:
            if end in run[OPEN] and self._decided_ms(run) <= at_ms:
                found.append(run)
                run[OPEN] = self._after_match(run[PART], run[OPEN])
            if self._closes_ms(run) <= at_ms:
                run[OPEN] = [target for target in run[OPEN] if target == end]
            if run[OPEN]:
                runs.append(run)
        return self._settle(work, runs, found, at_ms)

    def _closes_ms(self, run: Any) -> int:
        """Return from when on no event can belong to a run."""
        return run[FIRST_MS] + self._within_ms if self._within_ms else END_MS

    def _banned_until_ms(self, run: Any, ban: Ban) -> int:
        during_ms = ban.absence.during_ms
        return int(run[LAST_MS]) + during_ms if during_ms else self._closes_ms(run)

    def _decided_ms(self, run: Any) -> int:
        """Return when a run that waits for nothing but time is a match."""
        bans = self._plan.bans[run[PART], self._plan.end]
        times = [self._banned_until_ms(run, ban) for ban in bans]
        return max(times, default=self._closes_ms(run))

    def _over_ms(self, run: Any) -> int:
        times = [self._decided_ms(run)] if self._plan.end in run[OPEN] else []
        if len(run[OPEN]) > len(times):
            times.append(self._closes_ms(run))
        return min(times)

    # What is left

    def _settle(self, work: Work, runs: list[Any], found: list[Any], at_ms: int) -> list[Hit]:
        """Return what was found, skip what has to be skipped, and keep the runs that go on."""
        hits = []
        if found:
            paths = [self._numbers(work, run) for run in found]
            resume = 0
            for path in sorted(paths, key=_rank):
                if path[0][1] >= resume:
                    hits.append(self._hit(work, path, at_ms))
                    resume = max(resume, self._resume(path))
            if resume:
                runs = [run for run in runs if run[FIRST] >= resume]
        if len(runs) > self._max_runs:
            runs = self._limited(runs)
        work["runs"] = runs
        work["due_ms"] = min(map(self._over_ms, runs), default=END_MS)
        self._sweep(work)
        return hits

    def _resume(self, path: Sequence[tuple[int, int]]) -> int:
        """Return the number of the event with which to go on after a match."""
        if self._skip == "none":
            return 0
        if self._skip == "next":
            return path[0][1] + 1
        if self._skip == "past_last":
            return path[-1][1] + 1
        named = [number for part, number in path if self._names[part] == self._skip_name]
        if not named:
            return 0
        return named[0] if self._skip == "first" else named[-1]

    def _limited(self, runs: list[Any]) -> list[Any]:
        extra = len(runs) - self._max_runs
        self.dropped += extra
        if not self._drops_oldest:
            return runs[: self._max_runs]
        return sorted(runs, key=lambda run: run[FIRST])[extra:]

    def _hit(self, work: Work, path: Sequence[tuple[int, int]], at_ms: int) -> Hit:
        events: dict[str, list[Any]] = {}
        for part, number in path:
            # Each match has its own, for whoever changes them; others may have begun with them.
            event = copy(work["events"][number][1])
            events.setdefault(self._names[part], []).append(event)
        return Hit(work["events"][path[0][1]][0], at_ms, events)

    def _numbers(self, work: Work, run: Any) -> list[tuple[int, int]]:
        """Return parts and numbers of the events of a run, in their order."""
        found, node = [], run[NODE]
        while node is not None:
            node, part, number = work["nodes"][node]
            found.append((part, number))
        return found[::-1]

    def _sweep(self, work: Work) -> None:
        """Forget events that no run refers to, as soon as they are more than the others."""
        nodes: dict[int, Any] = work["nodes"]
        if not work["runs"]:
            work["nodes"], work["events"], work["swept"] = {}, {}, 0
            return
        if len(nodes) <= 2 * work["swept"] + 16:
            return
        live: dict[int, Any] = {}
        for run in work["runs"]:
            node = run[NODE]
            while node is not None and node not in live:
                live[node] = nodes[node]
                node = nodes[node][0]
        numbers = {number for _, _, number in live.values()}
        events: Mapping[int, Any] = work["events"]
        work["events"] = {n: event for n, event in events.items() if n in numbers}
        work["nodes"], work["swept"] = live, len(live)


def _rank(path: Iterable[tuple[int, int]]) -> tuple[int, int, list[int]]:
    """Return what sorts matches of the same moment: those that began first, the longest first."""
    numbers = [number for _, number in path]
    return numbers[0], -len(numbers), numbers
