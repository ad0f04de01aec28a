"""Where to begin in a partition of which the consumer group knows nothing.

>>> parse_start("offset:12")
Start(offset=12, time_ms=None)
>>> parse_start("2026-03-01T12:00:00Z").time_ms
1772366400000
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from bspump.abc.errors import ConfigError
from bspump.abc.extras import require

from .offsets import name_of
from .settings import EXTRA

_EARLIEST: Final = {"earliest", "beginning", "smallest"}
_LATEST: Final = {"latest", "end", "largest"}
_TIMEOUT_S: Final = 10.0


class Start(NamedTuple):
    """A place in any partition: an offset or a time; neither of them is the end."""

    offset: int | None = None
    time_ms: int | None = None


class Places(NamedTuple):
    """Where reading of partitions begins.

    Args:
        all: the partitions, with their offsets.
        new: those of which the group has known nothing.
        committed: the offsets of the group, by the name of the partition.
    """

    all: list[Any]
    new: list[Any]
    committed: dict[str, int]


def parse_start(text: str) -> Start | None:
    """Return what an option `start` says; `None` leaves it to librdkafka, which begins early.

    Raises:
        ConfigError: it cannot be understood.
    """
    text = text.strip()
    word, _, number = text.partition(":")
    if not text or text.lower() in _EARLIEST | {"error"}:
        return None
    if text.lower() in _LATEST:
        return Start()
    if word.lower() == "offset" and number.strip().isdigit():
        return Start(offset=int(number))
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"start: expected `earliest`, `latest`, `offset:N` or a time such as"
            f" `2026-03-01T12:00:00Z`, got {text!r}"
        ) from None
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    return Start(time_ms=round(time.timestamp() * 1000))


def resolve_start(
    consumer: Any, partitions: Sequence[Any], start: Start | None, resume: Mapping[str, int]
) -> Places:
    """Return where to read `partitions` from.

    The offset of the group, or that of `resume` where it is greater: what came before has been
    read, by us or somebody else. Where there is neither, that of `start`; without that the client
    decides. Asks the brokers, and blocks meanwhile.

    Raises:
        KafkaException: they do not answer.
    """
    known = consumer.committed(list(partitions), timeout=_TIMEOUT_S)
    committed = {name_of(p.topic, p.partition): p.offset for p in known if p.offset >= 0}
    for place in known:
        place.offset = max(place.offset, resume.get(name_of(place.topic, place.partition), -1001))
    if start is None:
        return Places(known, [], committed)
    new = [place for place in known if place.offset < 0]
    set_start(consumer, new, start)
    return Places(known, new, committed)


def set_start(consumer: Any, new: Sequence[Any], start: Start) -> None:
    """Set the offsets of partitions of which nothing is known, as `start` says.

    Asks the brokers, and blocks meanwhile.

    Raises:
        KafkaException: they do not answer.
    """
    kafka = require("confluent_kafka", extra=EXTRA)
    for place in new:
        place.offset = start.offset if start.offset is not None else kafka.OFFSET_END
        if start.time_ms is not None:
            place.offset = start.time_ms
    if new and start.time_ms is not None:
        found = consumer.offsets_for_times(new, timeout=_TIMEOUT_S)
        offsets = {(place.topic, place.partition): place.offset for place in found}
        for place in new:
            place.offset = offsets[place.topic, place.partition]
    for place in new:
        if place.offset < 0:
            # The end as a number, so that what comes after it is read even if we fail before
            # anything was acknowledged.
            place.offset = consumer.get_watermark_offsets(place, timeout=_TIMEOUT_S)[1]
