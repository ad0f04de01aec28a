"""Sessions, open and accumulating."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any

from bspump.abc.event_time import BEGIN_MS, END_MS

from .folding import Accumulated, Fold
from .open_windows import EARLY, FINAL, LATE, TOO_LATE, Firing, Manner, OpenWindows
from .spans import Session

_START, _END, _ACC, _PANES, _SAID, _FRESH, _ARMED = range(7)
"""What is kept of a session: its start and end, what is accumulated (`None`: nothing since it
fired), how often it has fired, what it has said that may have to be taken back, how many events are
new, and at which time it is looked at. Plain data."""


class SessionWindows(OpenWindows):
    """Keeps for each key its sessions: mostly one, several where events are far out of order.

    Entries: by key, the list of its sessions.
    """

    def __init__(self, session: Session, fold: Fold, manner: Manner, *, is_kept: bool) -> None:
        super().__init__(fold, manner, is_kept=is_kept)
        self._gap_ms = session.gap_ms
        self._sessions: dict[Any, list[list[Any]]] = {}
        self._queue: list[tuple[int, int, Any]] = []
        self._numbers = count()
        self._changed: set[Any] = set()
        self._fresh: dict[Any, None] = {}
        self._watermark_ms = BEGIN_MS
        self._is_simple = manner.fires_once
        self._first, self._step = fold.first, fold.step

    def __len__(self) -> int:
        return sum(map(len, self._sessions.values()))

    def add(
        self, key: Any, at_ms: int, watermark_ms: int, context: Any, event: Any, /
    ) -> list[Firing] | None:
        sessions = self._sessions.get(key)
        if sessions is not None:
            session = sessions[-1]
            if session[_START] <= at_ms < session[_END] and self._is_simple:
                self._step(session[_ACC], context, event, at_ms)
                end_ms = at_ms + self._gap_ms
                if end_ms > session[_END]:  # noqa: PLR1730 - half the time of `max`
                    session[_END] = end_ms
                if self.is_kept:
                    self._changed.add(key)
                return None
        session_of = self._place(key, sessions, at_ms, watermark_ms)
        if session_of is None:
            return TOO_LATE
        self._fold_into(session_of, context, event, at_ms)
        self._keep(key, session_of)
        return (
            None if self._is_simple else self._added(key, session_of, watermark_ms, context, event)
        )

    def _place(
        self, key: Any, sessions: list[list[Any]] | None, at_ms: int, watermark_ms: int
    ) -> list[Any] | None:
        """Return the session of an event, a new one if need be; `None` if that has ended."""
        start_ms, end_ms = at_ms, at_ms + self._gap_ms
        near = [s for s in sessions or () if s[_START] < end_ms and at_ms < s[_END]]
        if not near and end_ms + self.manner.allowed_ms <= watermark_ms:
            return None
        if not near:
            return [start_ms, end_ms, None, 0, None, 0, END_MS]
        # What does not fit raises before anything is changed; so the list is as it was.
        return near[0] if len(near) == 1 else self._united(near)

    def _united(self, near: list[list[Any]]) -> list[Any]:
        """Return one session for several, which stay as they are."""
        panes = sum(session[_PANES] for session in near)
        said = [each for session in near for each in session[_SAID] or ()] or None
        start_ms = min(session[_START] for session in near)
        end_ms = max(session[_END] for session in near)
        fresh = sum(session[_FRESH] for session in near)
        armed_ms = min(session[_ARMED] for session in near)
        merged: Accumulated | None = None
        for session in near:
            if session[_ACC] is not None:
                merged = self.fold.merge(
                    self.fold.new() if merged is None else merged, session[_ACC]
                )
        return [start_ms, end_ms, merged, panes, said, fresh, armed_ms]

    def _fold_into(self, session: list[Any], context: Any, event: Any, at_ms: int) -> None:
        if session[_ACC] is None:
            session[_ACC] = self._first(context, event, at_ms)
        else:
            self._step(session[_ACC], context, event, at_ms)
        session[_START] = min(session[_START], at_ms)
        session[_END] = max(session[_END], at_ms + self._gap_ms)
        session[_FRESH] += 1

    def _keep(self, key: Any, session: list[Any]) -> None:
        """Let a session take the place of all that it touches."""
        sessions = self._sessions.setdefault(key, [])
        rest = [s for s in sessions if s[_START] >= session[_END] or s[_END] <= session[_START]]
        sessions[:] = sorted([*rest, session], key=_by_start)
        self._note(key)
        due_ms = self._due_of(session)
        if due_ms < session[_ARMED]:
            self._arm(key, session, due_ms)

    def _due_of(self, session: list[Any]) -> int:
        """Return when something happens to a session: it fires, or it is forgotten."""
        end_ms: int = session[_END]
        return end_ms if end_ms > self._watermark_ms else end_ms + self.manner.allowed_ms

    def _arm(self, key: Any, session: list[Any], due_ms: int) -> None:
        session[_ARMED] = due_ms
        heappush(self._queue, (due_ms, next(self._numbers), key))
        self.due_ms = self._queue[0][0]

    # What fires more than once

    def _added(
        self, key: Any, session: list[Any], watermark_ms: int, context: Any, event: Any
    ) -> list[Firing] | None:
        if session[_END] <= watermark_ms:
            return self._fire(key, session, LATE)
        if self.manner.early is None:
            return None
        if self.manner.fires_now(session[_FRESH], context, event):
            return self._fire(key, session, EARLY)
        self._fresh[key] = None
        return None

    def _fire(self, key: Any, session: list[Any], kind: str) -> list[Firing]:
        """Return what is to be said of a session."""
        if session[_ACC] is None:
            return []
        span = session[_START], session[_END]
        results = self.results(session[_ACC])
        found: list[Firing] = []
        if self.manner.says == "retract" and not isinstance(results, Exception):
            for pane, start_ms, end_ms, said in session[_SAID] or ():
                found.append(Firing(key, start_ms, end_ms, kind, pane, said, is_retracted=True))
            session[_SAID] = [[session[_PANES], *span, results]]
        found.append(Firing(key, *span, kind, session[_PANES], results))
        session[_PANES] += 1
        session[_FRESH] = 0
        if self.manner.says == "discard":
            session[_ACC] = None
        self._note(key)
        return found

    def fire_early(self) -> Iterator[Firing]:
        fresh, self._fresh = self._fresh, {}
        for key in fresh:
            for session in list(self._sessions.get(key, ())):
                if session[_FRESH] and session[_END] > self._watermark_ms:
                    yield from self._fire(key, session, EARLY)

    # Time

    def advance(self, watermark_ms: int, /) -> Iterator[Firing]:
        while self.due_ms <= watermark_ms:
            now_ms, _, key = heappop(self._queue)
            self._watermark_ms = max(self._watermark_ms, now_ms)
            self.due_ms = self._queue[0][0] if self._queue else END_MS
            for session in list(self._sessions.get(key, ())):
                if session[_ARMED] == now_ms:
                    yield from self._look(key, session, now_ms)
        self._watermark_ms = max(self._watermark_ms, watermark_ms)

    def _look(self, key: Any, session: list[Any], now_ms: int) -> Iterator[Firing]:
        """Fire a session that ends now, forget one that is of no more use."""
        end_ms = session[_END]
        if end_ms > now_ms:
            self._arm(key, session, end_ms)
            return
        if end_ms == now_ms or (session[_FRESH] and not session[_PANES]):
            yield from self._fire(key, session, FINAL)
        if end_ms + self.manner.allowed_ms > now_ms:
            self._arm(key, session, end_ms + self.manner.allowed_ms)
            return
        sessions = self._sessions[key]
        sessions.remove(session)
        if not sessions:
            del self._sessions[key]
        self._note(key)

    def end(self) -> Iterator[Firing]:
        while self._queue:
            yield from self.advance(self.due_ms)

    # Checkpoints

    def _note(self, key: Any) -> None:
        if self.is_kept:
            self._changed.add(key)

    def changes(self) -> tuple[Mapping[Any, Any], Collection[Any]]:
        changed, removed = {}, set()
        for key in self._changed:
            sessions = self._sessions.get(key)
            if sessions is None:
                removed.add(key)
            else:
                changed[key] = sessions if self.fold.is_plain else list(map(self._dumped, sessions))
        self._changed.clear()
        return changed, removed

    def _dumped(self, session: list[Any]) -> list[Any]:
        dumped = session.copy()
        if dumped[_ACC] is not None:
            dumped[_ACC] = self.fold.dump(dumped[_ACC])
        return dumped

    def load(self, entries: Iterable[tuple[Any, Any]], watermark_ms: int, /) -> None:
        self._watermark_ms = watermark_ms
        for key, sessions in entries:
            self._sessions[key] = sessions
            for session in sessions:
                if session[_ACC] is not None:
                    session[_ACC] = self.fold.load(session[_ACC])
                self._queue.append((session[_ARMED], next(self._numbers), key))
                if session[_FRESH] and self.manner.early is not None:
                    self._fresh[key] = None
        heapify(self._queue)
        self.due_ms = self._queue[0][0] if self._queue else END_MS

    def explain(self) -> list[dict[str, Any]]:
        found = [
            {"Key": str(key), "Start": session[_START], "End": session[_END]}
            for _, _, key in self._queue[:10]
            for session in self._sessions.get(key, ())
        ]
        return sorted(found, key=lambda each: int(each["End"]))[:10]


def _by_start(session: list[Any]) -> int:
    start_ms: int = session[_START]
    return start_ms
