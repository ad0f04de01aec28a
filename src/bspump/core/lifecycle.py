"""The states of a pipeline, in one place."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final


class State(Enum):
    """Where a pipeline is in its life.

    ::

        BUILT → CONNECTING → RUNNING ⇄ PAUSED → DRAINING → STOPPED
                                     ↘ FAILED ↗

    PAUSED: it runs, but throttles hold events back. FAILED: it has an error and waits until that
    is cleared. A stopped pipeline may be started again.
    """

    BUILT = "built"
    CONNECTING = "connecting"
    RUNNING = "running"
    PAUSED = "paused"
    FAILED = "failed"
    DRAINING = "draining"
    STOPPED = "stopped"


_ACTIVE = {State.RUNNING, State.PAUSED, State.FAILED}
_FOLLOWS: Final[dict[State, set[State]]] = {
    State.BUILT: {State.CONNECTING},
    State.CONNECTING: {*_ACTIVE, State.DRAINING},
    State.RUNNING: {State.PAUSED, State.FAILED, State.DRAINING},
    State.PAUSED: {State.RUNNING, State.FAILED, State.DRAINING},
    State.FAILED: {State.RUNNING, State.PAUSED, State.DRAINING},
    State.DRAINING: {State.STOPPED},
    State.STOPPED: {State.CONNECTING},
}


class Lifecycle:
    """The state of one pipeline and the moves it may make.

    Args:
        time: the wall clock.

    Attributes:
        state: where it is now.
        since: since when, Unix seconds.
    """

    def __init__(self, time: Callable[[], float]) -> None:
        self._time = time
        self.state = State.BUILT
        self.since = time()

    def move(self, to: State) -> None:
        """Go to another state; the one it is in already is fine.

        Raises:
            RuntimeError: that state cannot follow.
        """
        if to is self.state:
            return
        if to not in _FOLLOWS[self.state]:
            raise RuntimeError(f"{to.value} cannot follow {self.state.value}")
        self.state, self.since = to, self._time()

    def is_started(self) -> bool:
        """Tell whether it has been started and not been asked to stop."""
        return self.state is State.CONNECTING or self.state in _ACTIVE

    def is_active(self) -> bool:
        """Tell whether its sources may run."""
        return self.state in _ACTIVE
