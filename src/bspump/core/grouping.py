"""Which pipelines are connected, and which of them feed which."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .pipeline import Pipeline


def components(
    pipelines: Collection[Pipeline], connected: Iterable[Collection[Pipeline]] = ()
) -> list[set[Pipeline]]:
    """Return sets of pipelines that are connected, directly or by others.

    A pipeline is connected to those that feed it, and to those with which it shares a matrix.

    Args:
        pipelines: all of them.
        connected: some that are known to be.
    """
    found: dict[Pipeline, set[Pipeline]] = {pipeline: {pipeline} for pipeline in pipelines}

    def unite(one: Pipeline, other: Pipeline) -> None:
        if other in found and found[one] is not found[other]:
            both = found[one] | found[other]
            found.update(dict.fromkeys(both, both))

    users: dict[int, Pipeline] = {}
    for pipeline in pipelines:
        for source in pipeline.Sources:
            for feeder in source.feeders():
                unite(pipeline, feeder)  # type: ignore[arg-type]
        for part in pipeline.iter_processors():
            for shared in part.shares():
                unite(pipeline, users.setdefault(id(shared), pipeline))
    for group in connected:
        first, *others = group
        for other in others:
            unite(first, other)
    return list({id(each): each for each in found.values()}.values())


def feeders_first(pipelines: Collection[Pipeline]) -> list[Pipeline]:
    """Return pipelines in an order in which those that feed others come first.

    Of pipelines that feed each other in a circle the one with the smallest Id comes first.
    """
    waiting = sorted(pipelines, key=lambda pipeline: pipeline.Id)
    ordered: list[Pipeline] = []
    while waiting:
        ready = next((p for p in waiting if not _feeders(p) & (set(waiting) - {p})), waiting[0])
        waiting.remove(ready)
        ordered.append(ready)
    return ordered


def _feeders(pipeline: Pipeline) -> set[Pipeline]:
    return {feeder for source in pipeline.Sources for feeder in source.feeders()}  # type: ignore[misc]
