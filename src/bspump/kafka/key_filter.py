"""A processor that passes on messages by their key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from bspump.abc.errors import ProcessingError
from bspump.abc.processor import Processor

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline


class KafkaKeyFilter(Processor):
    """Pass on events whose `kafka_key`, in the context, is one of `keys`; leaves them as they are.

    Text and its UTF-8 bytes are the same key.

    Args:
        keys: one key, or several; `None` is that of messages without a key.

    Raises:
        ProcessingError: the context has no `kafka_key`: the event does not come from Kafka.
    """

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        keys: str | bytes | Iterable[str | bytes | None],
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        several = [keys] if isinstance(keys, str | bytes) else list(keys)
        self.Keys = frozenset(map(_as_bytes, several))

    def process(self, context: Context, event: Event, /) -> Event | None:
        try:
            key = context["kafka_key"]
        except KeyError:
            raise ProcessingError(f"{self.Id}: there is no 'kafka_key' in the context") from None
        return event if _as_bytes(key) in self.Keys else None


def _as_bytes(key: Any) -> Any:
    return key.encode() if isinstance(key, str) else key
