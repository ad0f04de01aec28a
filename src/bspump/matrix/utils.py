"""What matrices are made of, besides their array: free rows, names, times, warming up."""

from __future__ import annotations

import heapq
import math
from array import array
from collections.abc import Iterable, Iterator
from typing import Any

from .arrays import numpy


class ClosedRows:
    """The rows that are free; the smallest is handed out first.

    Args:
        max_len: with so many it is full; `None`: never.
    """

    def __init__(self, max_len: float | None = None) -> None:
        self.max_len = max_len
        self._rows: set[int] = set()
        self._heap: list[int] = []

    def add(self, row: int) -> None:
        """Take a row that is free now; one that was is fine."""
        if row not in self._rows:
            self._rows.add(row)
            heapq.heappush(self._heap, row)

    def extend(self, begin: int, end: int) -> None:
        """Take the rows from `begin` to `end`, which is not one of them."""
        for row in range(begin, end):
            self.add(row)

    def pop(self) -> int:
        """Remove and return the smallest row. Raises IndexError if there is none."""
        row = heapq.heappop(self._heap)
        self._rows.discard(row)
        return row

    def flush(self) -> None:
        """Forget all rows."""
        self._rows.clear()
        self._heap.clear()

    def get_rows(self) -> set[int]:
        """Return all rows."""
        return set(self._rows)

    def is_full(self) -> bool:
        """Tell whether there are `max_len` of them or more."""
        return self.max_len is not None and len(self) >= self.max_len

    def serialize(self) -> list[int]:
        """Return all rows in ascending order."""
        return sorted(self._rows)

    def deserialize(self, rows: Iterable[int]) -> None:
        """Replace all rows."""
        self._rows = set(map(int, rows))
        self._heap = sorted(self._rows)

    def __contains__(self, row: object) -> bool:
        return row in self._rows

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._rows))

    def __len__(self) -> int:
        return len(self._rows)


class Index:
    """Which row has which name.

    Attributes:
        N2IMap: rows by name, in the order in which they were added.
        I2NMap: names by row.
    """

    def __init__(self) -> None:
        self.N2IMap: dict[Any, int] = {}
        self.I2NMap: dict[int, Any] = {}
        # By row, when it got its name: so the order is the same after a restart.
        self._places = array("q")
        self._next_place = 1

    def add_row(self, name: Any, row: int, place: int | None = None) -> None:
        """Give a row a name that no other has; in the order of all names it is the last one.

        Args:
            place: what `get_place` has returned of it, when names are added in their order.
        """
        self.N2IMap[name] = row
        self.I2NMap[row] = name
        missing = row + 1 - len(self._places)
        if missing > 0:
            self._places.frombytes(bytes(missing * self._places.itemsize))
        self._places[row] = self._next_place if place is None else place
        self._next_place = self._places[row] + 1

    def get_place(self, row: int) -> int:
        """Return a number that is greater for rows that got their name later; 0: it has none."""
        return self._places[row] if row in self.I2NMap and row < len(self._places) else 0

    def pop_row(self, name: Any) -> int | None:
        """Forget a name; return its row, `None` if there is none."""
        row = self.N2IMap.pop(name, None)
        if row is not None:
            del self.I2NMap[row]
        return row

    def get_row_index(self, name: Any) -> int | None:
        """Return the row of that name, `None` if there is none."""
        return self.N2IMap.get(name)

    def get_row_name(self, row: int) -> Any:
        """Return the name of a row, `None` if it has none."""
        return self.I2NMap.get(row)

    def flush(self, saved: Iterable[int]) -> None:
        """Take note that of all rows `saved` are left, and have new numbers in this order."""
        numbers = {int(old): new for new, old in enumerate(saved)}
        self.deserialize({n: numbers[row] for n, row in self.N2IMap.items() if row in numbers})

    def serialize(self) -> dict[Any, int]:
        """Return rows by name."""
        return dict(self.N2IMap)

    def deserialize(self, rows: dict[Any, int]) -> None:
        """Replace all names."""
        self.N2IMap, self.I2NMap = {}, {}
        self._places, self._next_place = array("q"), 1
        for name, row in rows.items():
            self.add_row(name, row)

    def __contains__(self, name: object) -> bool:
        return name in self.N2IMap

    def __len__(self) -> int:
        return len(self.N2IMap)


class TimeConfig:
    """From when to when the columns of a window reach; Unix seconds.

    `start` is where the newest column ends, and `end` where the oldest one begins.

    Args:
        resolution: seconds of a column.
        columns: how many there are.
        start: the newest column contains this moment.

    >>> config = TimeConfig(resolution=10, columns=3, start=1000)
    >>> config.get_start(), config.get_end()
    (1010, 980)
    """

    def __init__(self, resolution: float, columns: int, start: float) -> None:
        self._resolution, self._columns = resolution, columns
        self._start = (1 + math.floor(start / resolution)) * resolution
        self._end = self._start - resolution * columns

    def get_start(self) -> float:
        """Return where the newest column ends."""
        return self._start

    def get_end(self) -> float:
        """Return where the oldest column begins."""
        return self._end

    def set_start(self, start: float) -> None:
        """Set where the newest column ends."""
        self._start = start

    def set_end(self, end: float) -> None:
        """Set where the oldest column begins."""
        self._end = end

    def add_start(self, seconds: float) -> None:
        """Move the end of the newest column."""
        self._start += seconds

    def add_end(self, seconds: float) -> None:
        """Move the begin of the oldest column."""
        self._end += seconds

    def get_resolution(self) -> float:
        """Return the seconds of a column."""
        return self._resolution

    def get_columns(self) -> int:
        """Return how many columns there are."""
        return self._columns


class WarmingUpCount:
    """How many columns of each row are older than the row.

    Attributes:
        WUC: an array with the count of each row.
    """

    def __init__(self, size: int) -> None:
        self.WUC = numpy().zeros(size, "i4")

    def extend(self, size: int) -> None:
        """Grow to `size` rows."""
        np = numpy()
        self.WUC = np.concatenate([self.WUC, np.zeros(size - len(self.WUC), "i4")])

    def assign(self, row: int, value: int) -> None:
        """Set the count of a row."""
        self.WUC[row] = value

    def decrease(self, by: int = 1) -> None:
        """Take note that so many columns were added."""
        np = numpy()
        np.maximum(self.WUC - by, 0, out=self.WUC)

    def flush(self, saved: Any) -> None:
        """Take note that of all rows `saved` are left, in this order."""
        self.WUC = self.WUC[saved]

    def serialize(self) -> list[int]:
        """Return the counts of all rows."""
        counts: list[int] = self.WUC.tolist()
        return counts

    def deserialize(self, counts: Iterable[int]) -> None:
        """Replace the counts of all rows."""
        self.WUC = numpy().array(list(counts), "i4")
