"""Sessions, open and accumulating."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from heapq import heapify, heappop, heappush, heapreplace, nsmallest
from typing import Any

from bspump.abc.event_time import BEGIN_MS, END_MS

from .folding import Accumulated, Fold
from .open_windows import EARLY, FINAL, LATE, TOO_LATE, Firing, Hot, Manner, OpenWindows
from .spans import Session

_START, _END, _ACC, _PANES, _SAID, _FRESH, _NUMBER, _ARMED, _TICK = range(9)
"""What is kept of a session: its start and end, what is accumulated (`None`: nothing since it
fired), how often it has fired, what it has said that may have to be taken back, how many events are
new, its number in the order in which they began, at which time it is looked at (`_NEVER`: it is of
no more use), and the tick at which it has changed last. Plain data."""

_NEVER = -1


class SessionWindows(OpenWindows):
    """Keeps for each key its sessions: mostly one, several where events are far out of order.

    A session is looked at when it ends; if it has grown meanwhile, at its new end again.

    Entries: by key, the list of its sessions.
    """

    def __init__(self, session: Session, fold: Fold, manner: Manner) -> None:
        super().__init__(fold, manner)
        self._gap_ms = session.gap_ms
        self._sessions: dict[Any, list[list[Any]]] = {}
        self._queue: list[tuple[int, int, list[Any], Any]] = []
        self._numbered = 0
        self._changed: set[Any] = set()
        self._fresh: dict[Any, None] = {}
        self._watermark_ms = BEGIN_MS
        self._is_simple = manner.fires_once

    def count(self) -> int:
        return sum(map(len, self._sessions.values()))

    def add(
        self, key: Any, at_ms: int, watermark_ms: int, context: Any, event: Any, /
    ) -> list[Firing] | None:
        end_ms = at_ms + self._gap_ms
        sessions = self._sessions.get(key, ())
        near = [s for s in sessions if s[_START] < end_ms and at_ms < s[_END]]
        if not near and end_ms + self.manner.allowed_ms <= watermark_ms:
            return TOO_LATE
        is_asked_for = self.manner.asks_for(context, event)
        self._watermark_ms = max(self._watermark_ms, watermark_ms)
        if not near:
            session = self._begun(key, at_ms, self.fold.first(context, event, at_ms))
        else:
            # What does not fit raises before anything is changed.
            session = near[0] if len(near) == 1 else self._united(near)
            self._fold_into(session, context, event, at_ms)
            if len(near) > 1:
                session = self._unite(key, near, session)
            if self._due_of(session) < session[_ARMED]:
                self._arm(key, session)
        if session[_TICK] != self.tick:
            self._note_session(session, key)
        if self._is_simple:
            return None
        session[_FRESH] += 1
        return self._added(key, session, watermark_ms, is_asked_for=is_asked_for)

    def hot(self) -> Hot | None:
        if not self._is_simple:
            return None
        lines = [
            "found = sessions.get(k)",
            "if found is not None:",
            "    s = found[-1]",
            f"    end = at + {self._gap_ms}",
            f"    if at < s[{_END}] and (",
            f"        s[{_START}] <= at or len(found) == 1 and s[{_START}] < end",
            "    ):",
            f"        acc = s[{_ACC}]",
            *("        " + line for line in self.fold.text),
            f"        if end > s[{_END}]:",
            f"            s[{_END}] = end",
            f"        elif at < s[{_START}]:",
            f"            s[{_START}] = at",
            f"        if s[{_TICK}] != windows.tick:",
            "            note(s, k)",
            "        return N",
        ]
        scope = {"sessions": self._sessions, "note": self._note_session, "windows": self}
        return Hot(lines, {**self.fold.scope, **scope})

    def _begun(self, key: Any, at_ms: int, accumulated: Accumulated) -> list[Any]:
        """Return a new session."""
        self._numbered += 1
        end_ms = at_ms + self._gap_ms
        session = [at_ms, end_ms, accumulated, 0, None, 0, self._numbered, END_MS, self.tick - 1]
        sessions = self._sessions.get(key)
        if sessions is None:
            self._sessions[key] = [session]
        else:
            sessions.append(session)
            sessions.sort(key=_by_start)
        self._arm(key, session)
        return session

    def _united(self, near: list[list[Any]]) -> list[Any]:
        """Return one session for several, which stay as they are; they are in their order."""
        parts = [session[_ACC] for session in near if session[_ACC] is not None]
        united = near[0].copy()
        united[_END] = near[-1][_END]
        united[_ACC] = self.fold.merged(parts) if parts else None
        united[_NUMBER] = min([session[_NUMBER] for session in near])
        united[_ARMED], united[_TICK] = END_MS, self.tick - 1
        if not self._is_simple:
            united[_PANES] = sum(session[_PANES] for session in near)
            united[_FRESH] = sum(session[_FRESH] for session in near)
            united[_SAID] = [said for session in near for said in session[_SAID] or ()] or None
        return united

    def _unite(self, key: Any, near: list[list[Any]], united: list[Any]) -> list[Any]:
        """Let the first that began of several sessions become all of them, and return it."""
        for session in near:
            session[_ARMED] = _NEVER
        first = next(each for each in near if each[_NUMBER] == united[_NUMBER])
        first[:] = united
        self._sessions[key][:] = [s for s in self._sessions[key] if s[_ARMED] != _NEVER]
        return first

    def _fold_into(self, session: list[Any], context: Any, event: Any, at_ms: int) -> None:
        if session[_ACC] is None:
            session[_ACC] = self.fold.first(context, event, at_ms)
        else:
            self.fold.step(session[_ACC], context, event, at_ms)
        end_ms = at_ms + self._gap_ms
        session[_START] = min(session[_START], at_ms)
        session[_END] = max(session[_END], end_ms)

    def _due_of(self, session: list[Any]) -> int:
        """Return when something happens to a session: it fires, or it is forgotten."""
        end_ms: int = session[_END]
        return end_ms if end_ms > self._watermark_ms else end_ms + self.manner.allowed_ms

    def _arm(self, key: Any, session: list[Any]) -> None:
        session[_ARMED] = due_ms = self._due_of(session)
        heappush(self._queue, (due_ms, session[_NUMBER], session, key))
        self.due_ms = self._queue[0][0]

    # What fires more than once

    def _added(
        self, key: Any, session: list[Any], watermark_ms: int, *, is_asked_for: bool
    ) -> list[Firing] | None:
        if session[_END] <= watermark_ms:
            return self._fire(key, session, LATE)
        if self.manner.early is None:
            return None
        if is_asked_for or self.manner.has_enough(session[_FRESH]):
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
        self._note_session(session, key)
        return found

    def fire_early(self) -> Iterator[Firing]:
        fresh, self._fresh = self._fresh, {}
        sessions = [
            (session[_NUMBER], session, key)
            for key in fresh
            for session in self._sessions.get(key, ())
            if session[_FRESH] and session[_END] > self._watermark_ms
        ]
        sessions.sort(key=_number_of)
        for _, session, key in sessions:
            yield from self._fire(key, session, EARLY)

    # Time

    def advance(self, watermark_ms: int, /) -> Iterator[Firing]:
        queue = self._queue
        while self.due_ms <= watermark_ms:
            now_ms, number, session, key = queue[0]
            if session[_ARMED] == now_ms and session[_END] > now_ms:
                session[_ARMED] = session[_END]
                heapreplace(queue, (session[_END], number, session, key))
            else:
                heappop(queue)
                if session[_ARMED] == now_ms:
                    self._watermark_ms = max(self._watermark_ms, now_ms)
                    yield from self._end(key, session, now_ms)
            self.due_ms = queue[0][0] if queue else END_MS
        self._watermark_ms = max(self._watermark_ms, watermark_ms)

    def _end(self, key: Any, session: list[Any], now_ms: int) -> Iterator[Firing]:
        """Fire a session that ends now, forget one that is of no more use."""
        if session[_END] == now_ms:
            yield from self._fire(key, session, FINAL)
        if session[_END] + self.manner.allowed_ms > now_ms:
            self._arm(key, session)
            return
        session[_ARMED] = _NEVER
        sessions = self._sessions[key]
        if len(sessions) == 1:
            del self._sessions[key]
        else:
            sessions.remove(session)
        self._note(key)

    def end(self) -> Iterator[Firing]:
        while self._queue:
            yield from self.advance(self.due_ms)

    # Checkpoints

    def _note_session(self, session: list[Any], key: Any) -> None:
        session[_TICK] = self.tick
        self._note(key)

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
        self.tick += 1
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
                session[_TICK], session[_ARMED] = self.tick - 1, self._due_of(session)
                self._queue.append((session[_ARMED], session[_NUMBER], session, key))
                self._numbered = max(self._numbered, session[_NUMBER])
                if session[_FRESH] and self.manner.early is not None:
                    self._fresh[key] = None
        heapify(self._queue)
        self.due_ms = self._queue[0][0] if self._queue else END_MS

    def explain(self) -> list[dict[str, Any]]:
        found = nsmallest(
            10,
            (
                (session[_END], session[_NUMBER], session[_START], str(key))
                for key, sessions in self._sessions.items()
                for session in sessions
                if session[_END] > self._watermark_ms
            ),
        )
        return [{"Key": key, "Start": start, "End": end} for end, _, start, key in found]


def _number_of(entry: tuple[int, Any, Any]) -> int:
    return entry[0]


def _by_number(session: list[Any]) -> int:
    number: int = session[_NUMBER]
    return number


def _by_start(session: list[Any]) -> int:
    start_ms: int = session[_START]
    return start_ms
