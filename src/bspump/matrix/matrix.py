"""The matrix that all others extend: an array whose rows are handed out one by one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from bspump.abc.errors import ConfigError
from bspump.abc.options import Configurable, Options

from .arrays import blocks, describe_dtype, joined, make_dtype, numpy
from .kept import Kept
from .utils import ClosedRows

if TYPE_CHECKING:
    from bspump.abc.host import Application, PubSub
    from bspump.abc.state import PartState, Snapshot

VERSION = 1
"""Of the form of the state in checkpoints and in files."""

_LEAST_GROWTH = 5
_GROWTH_RATIO = 0.1


class MatrixOptions(Options, frozen=True, kw_only=True):
    """What every matrix can be told."""

    max_closed_rows_capacity: Annotated[
        float,
        Meta(gt=0, le=1, description="When such a share of all rows is free, they are dropped."),
    ] = 0.2


class Matrix(Configurable):
    """State as a numpy array, `Array`, whose rows are handed out by `add_row`.

    A matrix is registered at the pump service (`add_matrix`) and found by its Id
    (`locate_matrix`); the section of the configuration is `matrix:<Id>`. New cells are zero.
    Rows move only in `flush`, which says where to. `Matrix changed!` is published on `PubSub`
    when rows are added or closed.

    The array may be read and changed directly. It is another object when rows were added or
    dropped, so ask for the row first: `row = matrix.add_row()`, then `matrix.Array[row] = …`.

    It is part of the checkpoints of all pipelines
    with a part that returns it from `shares()`, as every analyzer does.

    Args:
        dtype: a name, or a list of fields, as numpy takes it; `float_` is a float of 64 bits.
        persistent: `PersistentMatrix` is the matrix that keeps itself in files.

    Raises:
        ConfigError: the dtype is none, or `persistent` is asked for here.
        MissingExtraError: the extra `numpy` is not installed.
    """

    OptionsClass = MatrixOptions
    Options: MatrixOptions

    def __init__(
        self,
        app: Application,
        dtype: Any = "float_",
        persistent: bool = False,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.Id = id if id is not None else type(self).__name__
        self.App = app
        self._configure(app.Config, f"matrix:{self.Id}", config)
        if persistent:
            raise ConfigError(
                f"{self.locate_address()}: expected persistent=False\n"
                "  what to do: use PersistentMatrix, and say where: config={'path': …}"
            )
        make_pubsub: Any = type(app.PubSub)
        self.PubSub: PubSub = make_pubsub(app)
        self.DType = make_dtype(dtype, self.locate_address())
        self.MaxClosedRowsCapacity = self.Options.max_closed_rows_capacity
        self.ClosedRows = ClosedRows()
        self.Array: Any = None
        self._kept = Kept()
        metrics = app.get_service("asab.MetricsService")
        self.Gauge = metrics.create_gauge(
            "RowCounter",
            {"matrix": self.Id},
            {"rows.active": 0, "rows.closed": 0},
            description="Rows of a matrix",
        )
        metrics.add_collector(self._measure)
        self.zeros()

    @property
    def Loop(self) -> asyncio.AbstractEventLoop:
        """The event loop of the application."""
        return self.App.Loop

    def time(self) -> float:
        """Return the wall clock, Unix seconds."""
        return self.App.time()

    def start(self) -> None:
        """Begin what is done by the clock, if there is such a thing; may come repeatedly.

        It is called when the application starts, and by each analyzer when its pipeline does. A
        matrix that is made later and has no analyzer is started by whoever makes it.
        """

    async def analyze(self) -> Any:
        """Override: return what an `AnalyzingSource` makes an event of, `None` for nothing."""
        return None

    # Rows

    def zeros(self, rows: int = 1) -> None:
        """Begin anew with so many rows, all of them free."""
        self.Array = self._new_array(rows)
        self.ClosedRows.deserialize(range(len(self.Array)))
        self._rows_changed()

    def build_shape(self, rows: int = 0) -> tuple[int, ...]:
        """Return the shape of an array with so many rows."""
        return (rows,)

    def reshape(self, shape: tuple[int, ...]) -> None:
        """Give the array another shape of as many cells."""
        self.Array = self.Array.reshape(shape)

    def add_row(self) -> int:
        """Return a row that was free: the first one. The array grows where there is none."""
        row = self._take_row()
        self.PubSub.publish("Matrix changed!")
        return row

    def close_row(self, row: int, clear: bool = True) -> bool:
        """Free a row; False if it was free, or is none.

        Args:
            clear: make its cells zero.
        """
        if not 0 <= row < len(self.Array) or row in self.ClosedRows:
            return False
        self._free_row(row, clear)
        self.PubSub.publish("Matrix changed!")
        return True

    def flush(self) -> tuple[list[int], list[int]]:
        """Drop all free rows.

        Returns:
            The rows that are gone, and those that are left: the first of these is row 0 now.
        """
        np = numpy()
        closed = self.ClosedRows.serialize()
        is_open = np.ones(len(self.Array), bool)
        is_open[closed] = False
        saved = np.flatnonzero(is_open)
        self.Array = self.Array[saved]
        self.ClosedRows.flush()
        self._rows_saved(saved)
        return closed, saved.tolist()

    def _take_row(self) -> int:
        if not len(self.ClosedRows):
            self._grow_rows(max(_LEAST_GROWTH, int(len(self.Array) * _GROWTH_RATIO)))
        return self.ClosedRows.pop()

    def _free_row(self, row: int, clear: bool) -> None:
        if clear:
            self.Array[row] = self._blank(self.Array.shape[1:])
        self.ClosedRows.add(row)

    def _grow_rows(self, rows: int = 1) -> None:
        """Add free rows; override together with what else there is of each row."""
        before = len(self.Array)
        more = self._blank((rows, *self.Array.shape[1:]))
        self.Array = numpy().concatenate([self.Array, more])
        self.ClosedRows.extend(before, before + rows)
        self._rows_changed()

    def _rows_saved(self, saved: Any) -> None:
        """Override: take note that of all rows `saved` are left, in this order."""
        self._rows_changed()

    def _rows_changed(self) -> None:
        self.ClosedRows.max_len = self.MaxClosedRowsCapacity * len(self.Array)

    def _new_array(self, rows: int) -> Any:
        # A cell may be an array itself, and has its dimensions then.
        return self._blank((*self.build_shape(rows), *self.DType.shape))

    def _blank(self, shape: tuple[int, ...]) -> Any:
        """Return new cells."""
        return numpy().zeros(shape, self.DType.base)

    # What is shown of it

    def _measure(self) -> None:
        closed = len(self.ClosedRows)
        self.Gauge.set("rows.active", len(self.Array) - closed)
        self.Gauge.set("rows.closed", closed)

    def rest_get(self) -> dict[str, Any]:
        """Return what the REST interface shows."""
        return {
            "Id": self.Id,
            "Class": type(self).__name__,
            "DType": str(self.DType),
            "Shape": list(self.Array.shape),
            "ClosedRows": len(self.ClosedRows),
        }

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.Id!r})"

    # What is kept of it

    def locate_address(self) -> str:
        """Return the name under which its state is stored."""
        return f"matrix:{self.Id}"

    def is_stateful(self) -> bool:
        """Tell whether it has something to outlive this process."""
        return True

    def snapshot(self) -> Snapshot | None:
        """Return what has changed; see `Component.snapshot`.

        Finding it costs a copy of the array, once, and a comparison with it.
        """
        return self._changes(self._kept)

    def _changes(self, kept: Kept) -> Snapshot | None:
        return kept.changes(self._facts(), self._pieces())

    def restore(self, state: PartState) -> None:
        """Be as it was when `state` was taken.

        Raises:
            ConfigError: it was another matrix, for example one of another dtype.
        """
        self._put(state.version, state.value, state.keyed)
        self._kept.follow(state.value, state.keyed)

    def _put(self, version: int, facts: Mapping[str, Any], pieces: Mapping[Any, Any]) -> None:
        if version != VERSION:
            raise self._misfit("version", VERSION, version)
        found = make_dtype(facts["dtype"], self.locate_address())
        if found != self.DType:
            raise self._misfit("dtype", self.DType, found)
        if facts.keys() != self._facts().keys():
            raise self._misfit("class", type(self).__name__, ", ".join(facts))
        self._check_facts(facts)
        by_kind: dict[str, dict[Any, Any]] = {}
        for (kind, *place), piece in pieces.items():
            by_kind.setdefault(kind, {})[place[0] if len(place) == 1 else tuple(place)] = piece
        self._put_pieces(tuple(facts["shape"]), by_kind)
        self._rows_changed()

    def _facts(self) -> dict[str, Any]:
        """Return what is not kept in pieces."""
        return {"dtype": describe_dtype(self.DType), "shape": list(self.Array.shape)}

    def _check_facts(self, facts: Mapping[str, Any]) -> None:
        """Take over what `_facts` has said; raise `_misfit` where that is not possible."""

    def _pieces(self) -> Iterator[tuple[Any, Any]]:
        """Yield all of the state in pieces; a key is a tuple that begins with its kind."""
        yield from (((("array", number), data)) for number, data in blocks(self.Array))
        is_closed = numpy().zeros(len(self.Array), bool)
        is_closed[self.ClosedRows.serialize()] = True
        yield from ((("closed", number), data) for number, data in blocks(is_closed))

    def _put_pieces(self, shape: tuple[int, ...], pieces: Mapping[str, dict[Any, Any]]) -> None:
        """Take over what `_pieces` has yielded, by kind."""
        self.Array = joined(pieces.get("array", {}), shape, self.DType.base)
        is_closed = joined(pieces.get("closed", {}), shape[:1], numpy().dtype(bool))
        self.ClosedRows.deserialize(numpy().flatnonzero(is_closed))

    def _misfit(self, what: str, expected: Any, got: Any) -> ConfigError:
        return ConfigError(
            f"{self.locate_address()}: what is stored of it has another {what}\n"
            f"  expected: {expected}\n  got: {got}\n"
            "  what to do: declare the matrix as it was, or remove what is stored: in checkpoints"
            f" by [checkpoint] forget = {self.locate_address()}, in files by moving its folder away"
        )
