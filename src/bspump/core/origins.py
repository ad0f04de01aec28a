"""Which source an event comes from, for pipelines that have several and ask for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import Final

from bspump.abc.contexts import Copies
from bspump.abc.event_time import SOURCE
from bspump.abc.host import Context, Event

ORIGIN: Final[ContextVar[tuple[str, str]]] = ContextVar("bspump_origin")
"""Pipeline and source to whose task the current one belongs; tasks that it starts inherit it."""


def _source_in(pipeline_id: str) -> str | None:
    found, source_id = ORIGIN.get(("", ""))
    return source_id if found == pipeline_id else None


def marked(
    pipeline_id: str, events: Sequence[Event], contexts: Sequence[Context] | None
) -> Sequence[Context] | None:
    """Return contexts that name the source which brings the events, if one does."""
    source_id = _source_in(pipeline_id)
    if source_id is None:
        return contexts
    if contexts is None:
        return Copies({SOURCE: source_id}, len(events))
    return [{**context, SOURCE: source_id} for context in contexts]


def marking(
    pipeline_id: str, process: Callable[..., Awaitable[None]]
) -> Callable[..., Awaitable[None]]:
    """Return `process` of a chain, with the source in the context if one brings the event."""

    async def process_marked(event: Event, context: Context | None = None) -> None:
        source_id = _source_in(pipeline_id)
        if source_id is not None:
            context = {**(context or {}), SOURCE: source_id}
        await process(event, context)

    return process_marked
