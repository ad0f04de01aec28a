"""A sink that writes to topics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from bspump.abc.capabilities import Can
from bspump.abc.errors import (
    ConfigError,
    NotConnectedError,
    PartialWriteError,
    PumpError,
    RejectedError,
    TransientError,
)
from bspump.abc.options import Options
from bspump.abc.sink import Batch, EpochId, EpochSink

from .connection import Client, KafkaConnection, in_thread
from .delivery import Delivery, Record
from .options import KafkaSinkOptions
from .settings import LibrdkafkaConfigurable
from .source import KafkaSource
from .transactions import Transaction
from .values import Values

if TYPE_CHECKING:
    from bspump.abc.host import Application, Context, Event, Pipeline

# What a delivery report needs to get here before the engine gives a write up.
_IN_TIME = 0.9
_TRANSACTION_MS = 60_000
_UNLIMITED_S = 3600.0


class KafkaSink(LibrdkafkaConfigurable, EpochSink[KafkaSinkOptions]):
    """Write events to topics; a batch is done when the brokers have confirmed each message.

    An event is bytes, text (UTF-8) or a dict or list (JSON), or what `codec` takes, with a schema
    (`schema.…`) for `avro` and `protobuf`. Its context may say more:
    `kafka_topic`, `kafka_key`, `kafka_partition` and `kafka_headers`, a dict or a list of pairs.
    So what a `KafkaSource` reads keeps its key and its headers.

    At least once: the producer is idempotent, so what librdkafka repeats is written once and in
    order; what is written again after a crash, a cancel or `write_timeout` comes twice. A
    message that can never be written (too large, no such partition, no bytes) is set aside. A
    topic that does not exist is waited for. A missing right stops the pipeline, and loses
    nothing.

    With `exactly_once` all that belongs to one checkpoint is one transaction, which contains the
    number of the checkpoint and the offsets of each `KafkaSource` before it that has the same
    connection. So every event is written once, if the source can read on from a position and
    checkpoints outlive the process (`var_dir` in `[general]`). Readers need
    `isolation.level=read_committed`, which librdkafka has by default. Another process with the
    same `transactional.id` stops the pipeline; by default it is one of the store of checkpoints.

    Args:
        connection: Id of a `KafkaConnection`, or the connection.
        key_serializer: makes bytes of `kafka_key`; without it, that is bytes or text.
    """

    OptionsClass: ClassVar[type[Options]] = KafkaSinkOptions
    Capabilities: ClassVar[Can] = Can.PARTIAL
    ConfigDefaults: ClassVar[Mapping[str, Any]] = {
        "queue.buffering.max.messages": 30_000,
        "queue.buffering.max.kbytes": 2_561_024,
        "batch.num.messages": 10_000,
        "batch.size": 1_000_000,
        "linger.ms": 5,
    }
    # Who waits for each report has no use for those of success, and they cost most of the time.
    Fixed: ClassVar[Mapping[str, bool]] = {"delivery.report.only.error": True}

    def __init__(
        self,
        app: Application,
        pipeline: Pipeline,
        connection: str | KafkaConnection,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
        *,
        key_serializer: Callable[[Any], bytes] | None = None,
    ) -> None:
        super().__init__(app, pipeline, id, config)
        located: Any = app.PumpService.locate_connection(connection)
        self.Connection: KafkaConnection = located
        self.KeySerializer = key_serializer
        self._values = Values(self.Id, self.Options, app.PumpService.locate_connection)
        self._client: Client | None = None
        self._is_stale = False
        self._executor: ThreadPoolExecutor | None = None
        self._transaction: Transaction | None = None

    @property
    def transaction(self) -> Transaction | None:
        """The transactions of this connection, if there are any."""
        return self._transaction

    def is_transactional(self) -> bool:
        return self.Options.exactly_once

    async def connect(self) -> None:
        settings = self._client_settings()
        client = self.Connection.make_client("Producer", settings)
        executor = ThreadPoolExecutor(1, thread_name_prefix=f"kafka {self.Id}")
        transaction = None
        try:
            await in_thread(executor, client.check)
            if self.Options.exactly_once:
                transaction = self._new_transaction(client, settings)
                await in_thread(executor, transaction.prepare)
        except BaseException:
            executor.submit(_shut, client, transaction)
            executor.shutdown(wait=False)
            raise
        self._executor, self._transaction = executor, transaction
        self._client, self._is_stale = client, False

    def _new_transaction(self, client: Client, settings: Mapping[str, Any]) -> Transaction:
        options = self.Options
        return Transaction(
            self.Connection,
            client,
            settings["transactional.id"],
            options.epochs_topic or options.topic,
            timeout_s=options.transaction.timeout or _UNLIMITED_S,
            lasts_s=settings["transaction.timeout.ms"] / 1000,
        )

    def _client_settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {**self.Settings, **self.Fixed}
        chosen = {**self.Connection.Settings, **self.Settings}
        if not chosen.keys() & {"acks", "request.required.acks", "enable.idempotence"}:
            settings["enable.idempotence"] = True
        if self.Options.exactly_once:
            id = f"{self.Pipeline.lineage()[:16]}.{self.locate_address()}"
            settings["transactional.id"] = chosen.get("transactional.id", id)
            lasts_ms = int(chosen.get("transaction.timeout.ms", _TRANSACTION_MS))
            settings["transaction.timeout.ms"] = lasts_ms
        if not chosen.keys() & {"message.timeout.ms", "delivery.timeout.ms"}:
            timeout_s = self.Options.write_timeout * _IN_TIME
            # librdkafka does not let a message outlive its transaction.
            limits_ms = [round(timeout_s * 1000), settings.get("transaction.timeout.ms", 0)]
            if chosen_ms := [limit for limit in limits_ms if limit]:
                settings["message.timeout.ms"] = min(chosen_ms)
        return settings

    def size_bytes(self, event: Event, /) -> int:
        """Return the size of bytes and text; of what becomes JSON, about what that will have."""
        if isinstance(event, bytes | str):
            return len(event)
        return 16 * len(event) if isinstance(event, dict | list) else 0

    async def write(self, batch: Batch, /) -> None:
        client, executor = self._client, self._executor
        if client is None or executor is None:
            raise NotConnectedError(f"{self.Id}: not connected")
        if self._is_stale:
            raise NotConnectedError(f"{self.Id}: a new client is needed after a missing right")
        topic = self.Options.topic
        await self._values.prepare(each.get("kafka_topic") or topic for each in batch.contexts)
        delivery = _Job(self, client, batch)
        try:
            errors = await in_thread(executor, delivery.run)
        except asyncio.CancelledError:
            delivery.cancel()
            raise
        if client.Fatal is not None and self._transaction is not None:
            raise self._transaction.instruction(client.Fatal)
        if client.Fatal is not None:
            raise NotConnectedError(f"{self.Connection.Where}: {client.Fatal.str()}")
        if errors and self._transaction is not None and self._transaction.is_broken:
            raise _of_transaction(errors)
        if errors:
            # A client remembers what it may not do, even when it may again.
            self._is_stale = any(isinstance(error, ConfigError) for error in errors.values())
            raise _summary(errors, len(batch))

    def record(self, context: Context, event: Event) -> Record:
        """Return the message of an event.

        Raises:
            RejectedError: it cannot be made.
        """
        topic = context.get("kafka_topic") or self.Options.topic
        value = self._values.encode(topic, event)
        key = context.get("kafka_key")
        if key is not None and self.KeySerializer is not None:
            key = self.KeySerializer(key)
        headers = context.get("kafka_headers")
        return Record(topic, value, key, context.get("kafka_partition", -1), headers or None)

    async def commit(self, epoch: EpochId, positions: Mapping[str, Any], /) -> None:
        transaction, executor = self._transaction, self._executor
        if transaction is None or executor is None or self._client is None:
            raise NotConnectedError(f"{self.Id}: not connected")
        found = []
        for address, position in positions.items():
            source = self.App.PumpService.locate(address)
            if isinstance(source, KafkaSource) and source.Connection is self.Connection:
                found.append(source.progress_at(position))
        progress = [each for each in found if each is not None]
        await in_thread(executor, partial(transaction.commit, epoch, progress))

    async def committed(self) -> EpochId | None:
        transaction, executor = self._transaction, self._executor
        if transaction is None or executor is None or self._client is None:
            raise NotConnectedError(f"{self.Id}: not connected")
        found: EpochId | None = await in_thread(executor, transaction.last)
        return found

    async def close(self) -> None:
        client, self._client = self._client, None
        executor, self._executor = self._executor, None
        transaction, self._transaction = self._transaction, None
        if executor is None:
            return
        if client is not None:
            await in_thread(executor, partial(_shut, client, transaction))
        executor.shutdown(wait=False)

    def rest_get(self) -> dict[str, Any]:
        return {**super().rest_get(), "topic": self.Options.topic}


KafkaBatchSink = KafkaSink
"""The name of older programs."""


def _shut(client: Client, transaction: Transaction | None) -> None:
    """Disconnect a producer, and abort its transaction; blocks."""
    producer = client.Handle
    abort = [] if transaction is None else [transaction.close]
    # A fatal error is raised by whichever call comes first; what matters was said before.
    for work in (producer.purge, *abort, producer.close):
        with client.fatal_noted():
            work()


class _Job:
    """A batch on its way through the thread of the producer."""

    def __init__(self, sink: KafkaSink, client: Client, batch: Batch) -> None:
        self._sink, self._client, self._batch = sink, client, batch
        self._delivery: Delivery | None = None
        self._is_cancelled = False

    def cancel(self) -> None:
        """Let go what is not sent yet."""
        self._is_cancelled = True
        if self._delivery is not None:
            self._delivery.cancel()

    def run(self) -> dict[int, PumpError]:
        """Write the batch; return the errors by index."""
        sink, batch = self._sink, self._batch
        errors: dict[int, PumpError] = {}
        records: dict[int, Record] = {}
        for index, (context, event) in enumerate(zip(batch.contexts, batch.events, strict=True)):
            try:
                records[index] = sink.record(context, event)
            except RejectedError as error:
                errors[index] = error
        transaction = sink.transaction
        sort_within_s = sink.Options.write_timeout * (1 - _IN_TIME)
        self._delivery = Delivery(
            self._client.Handle,
            records,
            sink.Connection.Where,
            sort_within_s if transaction is None else None,
        )
        if self._is_cancelled:
            return errors
        if transaction is not None:
            transaction.begin()
        with self._client.fatal_noted():
            errors.update(self._delivery.run())
        if transaction is None:
            return errors
        # What a broker has refused spoils all of the transaction, and what the client does not
        # even send for another reason than the message itself shows that it is spoilt.
        is_spoilt = any(not isinstance(error, RejectedError) for error in errors.values())
        transaction.is_broken |= is_spoilt or self._delivery.is_refused
        return errors


def _of_transaction(errors: Mapping[int, PumpError]) -> PumpError:
    """Return what the engine is to do about a batch that has spoilt its transaction.

    If a message can never be written, halves of the batch are tried, each in a new transaction.
    """
    for kind in (RejectedError, ConfigError):
        found = next((error for error in errors.values() if isinstance(error, kind)), None)
        if found is not None:
            return found
    return TransientError(str(next(iter(errors.values()))))


def _summary(errors: Mapping[int, PumpError], count: int) -> PumpError:
    """Return what the engine is to do about a batch of `count` events, some of which failed."""
    if len(errors) == count and all(isinstance(e, ConfigError) for e in errors.values()):
        return next(iter(errors.values()))
    # Where others were written, those that lack a right are tried once more, among themselves.
    return PartialWriteError(
        {
            index: error
            if isinstance(error, TransientError | RejectedError)
            else TransientError(str(error))
            for index, error in sorted(errors.items())
        }
    )
