"""Producing a batch and waiting until every message of it is confirmed; blocks."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from bspump.abc.errors import PumpError, RejectedError, TransientError
from bspump.abc.extras import require

from .errors import translated
from .settings import EXTRA

_LOOK_AROUND_S: Final = 0.1
_ANY: Final = -1


class Record(NamedTuple):
    """A message to be produced; the partition -1 is chosen by the key."""

    topic: str
    value: bytes | None
    key: Any
    partition: int
    headers: Any


class Delivery:
    """One batch on its way; `run` it in a thread, `cancel` it from anywhere.

    Args:
        producer: that of the client library; nobody else uses it meanwhile.
        records: by their index in the batch.
        where: the cluster, as messages name it.
        sort_within_s: how long to look for the messages at fault where a broker refuses several
            together; `None`: not at all, all of them are said to be refused.

    Attributes:
        is_refused: a broker has refused something.
    """

    def __init__(
        self, producer: Any, records: Mapping[int, Record], where: str, sort_within_s: float | None
    ) -> None:
        self._producer, self._records, self._where = producer, records, where
        self._sort_within_s = sort_within_s
        self._is_cancelled = self.is_refused = False
        self._reported: dict[int, Any] = {}
        self._kafka = require("confluent_kafka", extra=EXTRA)

    def cancel(self) -> None:
        """Let go what is not sent yet; `run` returns soon. Any part may have been written."""
        self._is_cancelled = True

    def run(self) -> dict[int, PumpError]:
        """Return why messages were not written, by index; all others are confirmed.

        Brokers take or refuse what was sent together, so what they refuse is sent again in
        halves, until those at fault are alone.
        """
        if self._sort_within_s is None:
            return self._send(list(self._records))
        errors: dict[int, PumpError] = {}
        groups: list[Sequence[int]] = [list(self._records)]
        until_s = time.monotonic() + self._sort_within_s
        while groups and not self._is_cancelled:
            group = groups.pop()
            refused: list[int] = []
            for index, error in self._send(group).items():
                if isinstance(error, RejectedError) and index in self._reported and len(group) > 1:
                    refused.append(index)
                errors[index] = error
            if refused and time.monotonic() < until_s:
                for index in refused:
                    del errors[index]
                middle = (len(refused) + 1) // 2
                groups += [half for half in (refused[middle:], refused[:middle]) if half]
            else:
                for index in refused:
                    errors[index] = TransientError(str(errors[index]))
        return errors

    def _send(self, group: Sequence[int]) -> dict[int, PumpError]:
        """Produce a group and wait for its reports; return the errors by index."""
        errors: dict[int, PumpError] = {}
        reported = self._reported = {}
        produce, records, note = self._producer.produce, self._records, _note
        for index in group:
            topic, value, key, partition, headers = records[index]
            while not self._is_cancelled:
                try:
                    produce(
                        topic, value, key, partition, partial(note, reported, index), None, 0,
                        headers,
                    )  # fmt: skip
                except BufferError:
                    # Its queue is full.
                    self._producer.poll(_LOOK_AROUND_S)
                    continue
                except self._kafka.KafkaException as error:
                    errors[index] = translated(error.args[0], self._where)
                except (TypeError, ValueError, UnicodeError) as error:
                    errors[index] = RejectedError(f"{self._where}: {error}")
                break
        while self._producer.flush(_LOOK_AROUND_S):
            if self._is_cancelled:
                self._producer.purge()
        errors.update({i: translated(error, self._where) for i, error in reported.items()})
        self.is_refused = self.is_refused or bool(reported)
        return errors


def _note(reported: dict[int, Any], index: int, error: Any, _: Any) -> None:
    if error is not None:
        reported[index] = error
