"""What goes in while programs are killed."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

KEYS = 7


def event(number: int) -> dict[str, Any]:
    """Return the event of that number."""
    return {"number": number, "key": f"k{number % KEYS}", "pad": "x" * 50}


def lines(first: int, count: int) -> bytes:
    """Return events as lines of JSON."""
    return b"".join(json.dumps(event(n)).encode() + b"\n" for n in range(first, first + count))


class Feeder:
    """Sends events in a thread of its own, some every few milliseconds, until it is stopped.

    The last ones are sent at the end of the block, when the program was killed for the last time:
    once they have arrived, so has everything else.

    Args:
        send: takes the first number and how many events to send; it returns when they are safe.
        every_s: so often.
        count: so many at a time.
    """

    def __init__(
        self, send: Callable[[int, int], None], *, every_s: float = 0.01, count: int = 20
    ) -> None:
        self._send, self._every_s, self._count = send, every_s, count
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._error: BaseException | None = None
        self.sent = 0

    def __enter__(self) -> Feeder:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if self._error is not None:
            raise self._error
        self._send_some()

    def _send_some(self) -> None:
        self._send(self.sent, self._count)
        self.sent += self._count

    def _run(self) -> None:
        try:
            while not self._stop.wait(self._every_s):
                self._send_some()
        except BaseException as error:  # noqa: BLE001 - raised by whoever waits
            self._error = error


def assert_each_once(arrived: Sequence[dict[str, Any]], sent: int) -> None:
    """Raise unless each event arrived once, in its order, with the right count of its key."""
    numbers = [each["number"] for each in arrived]
    lost = set(range(sent)) - set(numbers)
    twice = len(numbers) - len(set(numbers))
    print(f"sent {sent}, arrived {len(numbers)}, lost {len(lost)}, twice {twice}")  # noqa: T201 - what one wants to see
    assert (len(lost), twice) == (0, 0), f"lost {sorted(lost)[:10]}"
    for each in arrived:
        assert each["count"] == each["number"] // KEYS + 1, each
