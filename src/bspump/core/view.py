"""What the REST interface shows of a pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .guarantees import guarantee_of
from .log import record_get

if TYPE_CHECKING:
    from .pipeline import Pipeline


def rest_get(
    pipeline: Pipeline, error: tuple[Any, Any, BaseException, float] | None
) -> dict[str, Any]:
    """Return a pipeline ready for JSON; `error` is what stops it."""
    answer: dict[str, Any] = {
        "Id": pipeline.Id,
        "State": pipeline.State.value,
        "Ready": pipeline.is_ready(),
        "Throttles": [str(who) for who in pipeline.get_throttles()],
        "Sources": [source.rest_get() for source in pipeline.Sources],
        "Processors": [[part.rest_get() for part in depth] for depth in pipeline.Processors],
        "Guarantee": guarantee_of(pipeline).rest_get(),
        "Log": [record_get(record) for record in pipeline.L.Deque],
    }
    times = pipeline.App.EventTimeService.explain(pipeline)
    if times:
        answer["EventTime"] = times
    if error is not None:
        _, _, exception, at = error
        answer["Error"] = str(exception) or type(exception).__name__
        answer["ErrorTimestamp"] = at
    return answer
