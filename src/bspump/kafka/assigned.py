"""Partitions that are read without a consumer group."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from bspump.abc.errors import ConfigError
from bspump.abc.extras import require

from .connection import Client
from .offsets import name_of
from .reader import Limits, Reader
from .settings import EXTRA
from .start import Start, set_start

_TIMEOUT_S: Final = 10.0
_REFRESH_S: Final = 300.0
_ALL: Final = "all"


def parse_partitions(text: str) -> frozenset[int] | None:
    """Return the numbers that an option `partitions` names; `None`: all there are.

    >>> sorted(parse_partitions("0,2-4"))
    [0, 2, 3, 4]

    Raises:
        ConfigError: it cannot be understood.
    """
    if text.strip().lower() == _ALL:
        return None
    numbers: set[int] = set()
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d{1,6})\s*(?:-\s*(\d{1,6})\s*)?", part)
        span = range(int(found[1]), int(found[2] or found[1]) + 1) if found else ()
        if not span:
            raise ConfigError(f"partitions: expected `all` or numbers as `0,2-5`, got {text!r}")
        numbers.update(span)
    return frozenset(numbers)


class Wanted(NamedTuple):
    """What is to be read.

    Args:
        topics: names, and regular expressions that begin with `^`.
        numbers: of the partitions of each topic; `None`: all, also those that come later.
        start: where those begin of which nothing is known.
        refresh_s: how often to look for new topics and partitions; 0: every five minutes.
    """

    topics: Sequence[str]
    numbers: frozenset[int] | None
    start: Start | None
    refresh_s: float


class AssignedReader(Reader):
    """Reads partitions by their numbers, and tells no group how far it has come.

    Args:
        client: the consumer.
        wanted: what is to be read.
        resume: where partitions are read on of which something is known.
        where: the cluster, as messages name it.
        limits: how much is kept ready.
        warn: log a warning, called in the event loop.
    """

    def __init__(
        self, client: Client, wanted: Wanted, resume: Mapping[str, int], *,
        where: str, limits: Limits, warn: Callable[..., None],
    ) -> None:  # fmt: skip
        super().__init__(client, where, limits)
        self._topics, self._numbers, self._start, refresh_s = wanted
        self._resume, self._warn = dict(resume), warn
        # Of these topics every partition was read, so one that is not known has come since.
        self._followed = {name.rpartition("-")[0] for name in resume}
        self._assigned: dict[str, Any] = {}
        self._missing: set[str] = set()
        self._refresh_s = refresh_s or _REFRESH_S
        self._looked_at_s = 0.0

    @property
    def partitions(self) -> list[str]:
        return sorted(self._assigned)

    # In the thread

    def _begin(self, consumer: Any) -> None:
        self._assign(consumer)
        # From now on what is new has come after us, and nothing of it may be missed.
        self._start = None

    def _look_around(self, consumer: Any) -> None:
        if time.monotonic() - self._looked_at_s < self._refresh_s:
            return
        kafka = require("confluent_kafka", extra=EXTRA)
        try:
            self._assign(consumer)
        except kafka.KafkaException as error:
            if error.args[0].fatal():
                raise
            # No broker answers now: whoever polls is told so.

    def _assign(self, consumer: Any) -> None:
        self._looked_at_s = time.monotonic()
        places = {name_of(place.topic, place.partition): place for place in self._places(consumer)}
        new = {name: place for name, place in places.items() if name not in self._assigned}
        if not new:
            return
        unknown = []
        for name, place in new.items():
            place.offset = self._resume.get(name, _beginning())
            if name not in self._resume and not self._has_come_since(place.topic):
                unknown.append(place)
        if self._start is not None and unknown:
            set_start(consumer, unknown, self._start)
            found = {name_of(place.topic, place.partition): place.offset for place in unknown}
            self.starts = {**self.starts, **found}
        consumer.incremental_assign(list(new.values()))
        self._assigned = {**self._assigned, **new}

    def _has_come_since(self, topic: str) -> bool:
        """Tell whether partitions of it that we do not know were not there when we read last."""
        if self._numbers is not None or not self._resume:
            return False
        return topic in self._followed or topic not in self._topics

    def _places(self, consumer: Any) -> Iterator[Any]:
        """Yield the partitions that are to be read and that there are."""
        kafka = require("confluent_kafka", extra=EXTRA)
        found = consumer.list_topics(timeout=_TIMEOUT_S).topics
        # One that is just being created has no partitions yet.
        known = {name: topic for name, topic in found.items() if topic.partitions}
        for wanted in self._topics:
            if wanted.startswith("^"):
                names = [name for name in known if re.match(wanted, name)]
            else:
                names = [wanted] if wanted in known else []
                self._note(wanted, is_there=bool(names))
            for name in names:
                there = set(known[name].partitions)
                if self._numbers is not None and not wanted.startswith("^"):
                    self._check(name, there)
                for number in sorted(there if self._numbers is None else there & self._numbers):
                    yield kafka.TopicPartition(name, number)

    def _note(self, topic: str, *, is_there: bool) -> None:
        if is_there:
            self._missing.discard(topic)
        elif topic not in self._missing:
            self._missing.add(topic)
            self._tell(lambda: self._warn("topic does not exist yet", topic=topic))

    def _check(self, topic: str, there: set[int]) -> None:
        lacking = sorted((self._numbers or set()) - there)
        if lacking:
            raise ConfigError(
                f"{self._where}: topic {topic!r} has no partition {lacking[0]}\n"
                f"  it has: 0 to {len(there) - 1}\n"
                "  what to do: correct `partitions`, or add partitions to the topic"
            )


def _beginning() -> int:
    offset: int = require("confluent_kafka", extra=EXTRA).OFFSET_BEGINNING
    return offset
