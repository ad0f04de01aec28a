"""Matrices whose columns are times."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from bspump.abc.config import parse_integer, parse_seconds
from bspump.abc.errors import ConfigError

from .arrays import blocks, joined, numpy
from .named import NamedMatrix
from .persistent import Persistent, PersistentOptions
from .timer import Timer
from .utils import TimeConfig, WarmingUpCount

if TYPE_CHECKING:
    from bspump.abc.host import Application


class TimeWindowMatrix(NamedMatrix):
    """A window of time over named rows: each column is a span of it, column 0 the oldest.

    The window moves when `advance` is called, or with the wall clock. What is in a column that
    leaves it is gone: nothing is emitted.

    Args:
        start_time: the newest column contains this moment; default is now, Unix seconds.
        resolution: seconds of a column.
        columns: how many there are.
        clock_driven: advance to the wall clock, four times in each column.

    Raises:
        ConfigError: `resolution` or `columns` is not above zero.
    """

    def __init__(
        self,
        app: Application,
        dtype: Any = "float_",
        start_time: float | None = None,
        resolution: float | str = 60,
        columns: int | str = 15,
        clock_driven: bool = False,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        name = id if id is not None else type(self).__name__
        start = app.time() if start_time is None else float(start_time)
        self.TimeConfig = _time_config(f"matrix:{name}", resolution, columns, start)
        self.WarmingUpCount = WarmingUpCount(0)
        self.ClockDriven = clock_driven
        super().__init__(app, dtype, id, config)
        metrics = app.get_service("asab.MetricsService")
        self.EarlyLateEventCounter = metrics.create_counter(
            "EarlyLateEventCounter",
            {"matrix": self.Id},
            {"events.early": 0, "events.late": 0},
            description="Events whose time is in no column",
        )
        self._timer = Timer(app, self._follow_clock, name=f"{self.locate_address()}: clock")
        if clock_driven:
            app.PubSub.subscribe("Application.init!", self._on_init)

    @property
    def Start(self) -> float:
        """Where the newest column ends, Unix seconds."""
        return self.TimeConfig.get_start()

    @property
    def End(self) -> float:
        """Where the oldest column begins, Unix seconds."""
        return self.TimeConfig.get_end()

    @property
    def Resolution(self) -> float:
        """Seconds of a column."""
        return self.TimeConfig.get_resolution()

    @property
    def Columns(self) -> int:
        """How many columns there are."""
        return self.TimeConfig.get_columns()

    def start(self) -> None:
        super().start()
        if self.ClockDriven:
            # It may have been made, or restored, long ago.
            self._follow_clock()
            self._timer.start(self.Resolution / 4)

    def _on_init(self, message: str) -> None:
        self.start()

    def _follow_clock(self) -> None:
        self.advance(self.time())

    def build_shape(self, rows: int = 0) -> tuple[int, ...]:
        return (rows, self.Columns)

    def get_column(self, ts: float) -> int | None:
        """Return the column of a moment, `None` where it is outside of the window.

        Such an event is counted, `events.late` or `events.early`. The moment `End` itself is
        late.
        """
        config = self.TimeConfig
        if ts >= config.get_start() and self.ClockDriven:
            self._follow_clock()  # The loop may have been too busy for the timer.
        if ts <= config.get_end():
            self.EarlyLateEventCounter.add("events.late", 1)
            return None
        if ts >= config.get_start():
            self.EarlyLateEventCounter.add("events.early", 1)
            return None
        column = math.floor((ts - config.get_end()) / config.get_resolution())
        return min(column, config.get_columns() - 1)

    def advance(self, ts: float) -> int:
        """Add columns until more than a quarter of one is left behind `ts`; return how many.

        The window never moves back.
        """
        behind = ts + 0.25 * self.Resolution - self.Start
        count = max(0, math.floor(behind / self.Resolution) + 1)
        if count:
            self._add_columns(count)
        return count

    def add_column(self) -> None:
        """Add one column; the oldest one is gone."""
        self._add_columns(1)

    def _add_columns(self, count: int) -> None:
        moved_s = count * self.Resolution
        self.TimeConfig.add_start(moved_s)
        self.TimeConfig.add_end(moved_s)
        array, new = self.Array, min(count, self.Columns)
        array[:, :-new] = array[:, new:]
        array[:, -new:] = self._blank((len(array), new))
        self.WarmingUpCount.decrease(count)

    def zeros(self, rows: int = 1) -> None:
        super().zeros(rows)
        self.WarmingUpCount = WarmingUpCount(len(self.Array))

    def _take_row(self) -> int:
        row = super()._take_row()
        self.WarmingUpCount.assign(row, self.Columns)
        return row

    def _free_row(self, row: int, clear: bool) -> None:
        super()._free_row(row, clear)
        self.WarmingUpCount.assign(row, 0)

    def _grow_rows(self, rows: int = 1) -> None:
        super()._grow_rows(rows)
        self.WarmingUpCount.extend(len(self.Array))

    def _rows_saved(self, saved: Any) -> None:
        super()._rows_saved(saved)
        self.WarmingUpCount.flush(saved)

    def serialize(self) -> dict[str, Any]:
        return {
            **super().serialize(),
            "Start": self.Start,
            "End": self.End,
            "WarmingUpCount": self.WarmingUpCount.serialize(),
        }

    def deserialize(self, serialized: Mapping[str, Any]) -> None:
        super().deserialize(serialized)
        self.TimeConfig.set_start(serialized["Start"])
        self.TimeConfig.set_end(serialized["End"])
        self.WarmingUpCount.deserialize(serialized["WarmingUpCount"])

    def rest_get(self) -> dict[str, Any]:
        return {
            **super().rest_get(),
            "Start": self.Start,
            "End": self.End,
            "Resolution": self.Resolution,
        }

    def _facts(self) -> dict[str, Any]:
        return {
            **super()._facts(),
            "resolution": self.Resolution,
            "start": self.Start,
            "end": self.End,
        }

    def _check_facts(self, facts: Mapping[str, Any]) -> None:
        super()._check_facts(facts)
        if facts["resolution"] != self.Resolution:
            raise self._misfit("resolution", self.Resolution, facts["resolution"])
        if facts["shape"][1] != self.Columns:
            raise self._misfit("number of columns", self.Columns, facts["shape"][1])
        self.TimeConfig.set_start(facts["start"])
        self.TimeConfig.set_end(facts["end"])

    def _slot(self) -> int:
        """Return the number of column 0, counted since 1970: it stays when columns move."""
        return round(self.End / self.Resolution)

    def _pieces(self) -> Iterator[tuple[Any, Any]]:
        for key, piece in super()._pieces():
            if key[0] != "array":
                yield key, piece
        slot = self._slot()
        for column in range(self.Columns):
            for number, data in blocks(self.Array[:, column]):
                yield ("column", slot + column, number), data
        yield from ((("wuc", number), data) for number, data in blocks(self.WarmingUpCount.WUC))

    def _put_pieces(self, shape: tuple[int, ...], pieces: Mapping[str, dict[Any, Any]]) -> None:
        columns: dict[int, dict[int, bytes]] = {}
        for (slot, number), data in pieces.get("column", {}).items():
            columns.setdefault(slot, {})[number] = data
        rest = (shape[0], *shape[2:])
        slots = range(self._slot(), self._slot() + self.Columns)
        made = [joined(columns.get(slot, {}), rest, self.DType.base) for slot in slots]
        data = numpy().ascontiguousarray(numpy().stack(made, axis=1))
        super()._put_pieces(shape, {**pieces, "array": {0: data.tobytes()}})
        self.WarmingUpCount.WUC = joined(pieces.get("wuc", {}), shape[:1], numpy().dtype("i4"))


def _time_config(
    owner: str, resolution: float | str, columns: int | str, start: float
) -> TimeConfig:
    try:
        seconds = parse_seconds(resolution) if isinstance(resolution, str) else resolution
        count = parse_integer(columns)
    except ValueError:
        seconds = count = 0
    if seconds <= 0 or count <= 0:
        raise ConfigError(
            f"{owner}: expected a resolution in seconds and a number of columns above zero, "
            f"got {resolution!r} and {columns!r}"
        )
    return TimeConfig(seconds, count, start)


class PersistentTimeWindowMatrix(Persistent, TimeWindowMatrix):
    """A `TimeWindowMatrix` that keeps itself in files; see `PersistentMatrix`."""

    OptionsClass = PersistentOptions
