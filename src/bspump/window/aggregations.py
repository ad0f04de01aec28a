"""Aggregations by their name."""

from __future__ import annotations

from typing import Any

from bspump.abc.errors import ConfigError, UnknownNameError
from bspump.windows.aggregation import (
    Aggregation,
    Count,
    Deviation,
    First,
    Last,
    Max,
    Mean,
    Min,
    Sum,
    Variance,
)
from bspump.windows.collecting import Collect, Distinct, Quantiles, TopK
from bspump.windows.sketches import ApproxDistinct, ApproxQuantiles, ApproxTopK

AGGREGATIONS: dict[str, type[Aggregation]] = {
    "approx_distinct": ApproxDistinct,
    "approx_quantiles": ApproxQuantiles,
    "approx_top_k": ApproxTopK,
    "collect": Collect,
    "count": Count,
    "deviation": Deviation,
    "distinct": Distinct,
    "first": First,
    "last": Last,
    "max": Max,
    "mean": Mean,
    "min": Min,
    "quantiles": Quantiles,
    "sum": Sum,
    "top_k": TopK,
    "variance": Variance,
}


def aggregation_of(declared: Any, used_by: str) -> Aggregation:
    """Return an aggregation: one as it is, or by its name, as `count` or `mean of delay`.

    Raises:
        UnknownNameError: there is none of that name.
        ConfigError: it is neither.
    """
    if isinstance(declared, Aggregation):
        return declared
    if not isinstance(declared, str):
        raise ConfigError(
            f"{used_by}: expected an aggregation or its name, got {declared!r} [{ConfigError.Code}]"
        )
    name, _, field = (word.strip() for word in declared.partition(" of "))
    if name not in AGGREGATIONS:
        raise UnknownNameError("aggregation", name, used_by=used_by, known=AGGREGATIONS)
    return AGGREGATIONS[name](field or None)
