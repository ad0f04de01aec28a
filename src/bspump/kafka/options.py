"""The options of the Kafka parts. Properties of librdkafka may stand beside them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from bspump.abc.options import BatchOptions, Duration, Options, Size
from bspump.abc.sink import TransactionalSinkOptions
from bspump.abc.source import PullOptions
from bspump.formats.configured import SchemaOptions

_NO_EFFECT = "Has no effect any more; accepted for older configurations."


class KafkaConnectionOptions(Options, frozen=True, kw_only=True):
    """Where the cluster is."""

    bootstrap_servers: Annotated[
        str, Meta(min_length=1, description="Brokers: `host:port`, separated by commas.")
    ]
    connect_timeout: Annotated[
        Duration, Meta(description="Seconds that the first answer of a broker may take.")
    ] = 10.0


class KafkaSourceOptions(PullOptions, frozen=True, kw_only=True):
    """What is read, as which group and from where on."""

    topic: Annotated[
        str,
        Meta(
            description="Topics, separated by spaces; one that begins with `^` is a regular"
            " expression."
        ),
    ] = "unconfigured"
    group_id: Annotated[
        str, Meta(min_length=1, description="Consumer group; its members share the partitions.")
    ] = field(default="bspump", name="group.id")
    partitions: Annotated[
        str,
        Meta(
            description="Read these partitions of each topic without a group: `all`, or numbers"
            " such as `0,2-5`; default: as a member of the group."
        ),
    ] = ""
    auto_offset_reset: Annotated[
        str,
        Meta(
            description="Where to read from a partition of which the group has no offset, or one"
            " that is gone: `earliest`, `latest`, `error`."
        ),
    ] = field(default="earliest", name="auto.offset.reset")
    start: Annotated[
        str,
        Meta(
            description="Where to read from a partition of which the group has no offset:"
            " `earliest`, `latest`, `offset:N`, or a time such as `2026-03-01T12:00:00Z`;"
            " default is `auto.offset.reset`."
        ),
    ] = ""
    codec: Annotated[
        str,
        Meta(
            description="What values are decoded with: `json`, `avro`, `protobuf`, `text`, …;"
            " `raw`: bytes."
        ),
    ] = "raw"
    schema: SchemaOptions = SchemaOptions()
    buffer_size: Annotated[
        int, Meta(ge=1, description="Messages that are handed on together, at the most.")
    ] = 1000
    buffer_bytes: Annotated[
        Size, Meta(description="Bytes of values that are kept ready; then reading pauses.")
    ] = 16_000_000
    poll_interval: Annotated[
        Duration, Meta(description="How long to wait for messages before looking around.")
    ] = 0.3
    revoke_timeout: Annotated[
        Duration,
        Meta(
            description="How long a partition that is to be given away is kept, so that what was"
            " read from it is written and acknowledged before."
        ),
    ] = 10.0
    refresh_topics: Annotated[
        Duration, Meta(description="How often to look for new topics; 0: as librdkafka does.")
    ] = 0.0
    idle: Annotated[
        Duration, Meta(description="Wait after a read that found nothing; reads wait themselves.")
    ] = 0.0
    consumer_threads: Annotated[int, Meta(description=_NO_EFFECT)] = 1
    buffer_timeout: Annotated[Duration, Meta(description=_NO_EFFECT)] = 1.0
    sleep_on_error: Annotated[Duration, Meta(description=_NO_EFFECT)] = 3.0
    sleep_on_retryable_error: Annotated[Duration, Meta(description=_NO_EFFECT)] = 60.0
    check_assignment_errors: Annotated[Duration, Meta(description=_NO_EFFECT)] = 5.0
    errors_max_retry_attempts: Annotated[int, Meta(description=_NO_EFFECT)] = 100
    num_partitions: Annotated[
        int, Meta(ge=0, description="For `KafkaTopicInitializer`; 0: its default.")
    ] = 0
    replication_factor: Annotated[
        int, Meta(ge=0, description="For `KafkaTopicInitializer`; 0: its default.")
    ] = 0


class KafkaSinkOptions(TransactionalSinkOptions, frozen=True, kw_only=True):
    """Where events are written to, and in which batches."""

    topic: Annotated[
        str, Meta(description="Topic of events whose context has no `kafka_topic`.")
    ] = "unconfigured"
    codec: Annotated[
        str,
        Meta(
            description="What values are encoded with: `json`, `avro`, `protobuf`, …; default:"
            " bytes and text as they are, dicts and lists as JSON."
        ),
    ] = ""
    schema: SchemaOptions = SchemaOptions()
    exactly_once: Annotated[
        bool,
        Meta(
            description="One transaction for each checkpoint: who reads with `read_committed`"
            " sees every event once, when the checkpoint is complete."
        ),
    ] = False
    epochs_topic: Annotated[
        str,
        Meta(
            description="Topic at whose partition 0 the number of the checkpoint is kept, as the"
            " offset of a group; default is `topic`. It must exist."
        ),
    ] = ""
    batch: BatchOptions = BatchOptions(max_events=10_000, max_bytes=16_000_000, max_age=0.5)
    watermark_low: Annotated[int, Meta(description=_NO_EFFECT)] = field(
        default=10_000, name="watermark.low"
    )
    watermark_high: Annotated[int, Meta(description=_NO_EFFECT)] = field(
        default=20_000, name="watermark.high"
    )
    poll_timeout: Annotated[Duration, Meta(description=_NO_EFFECT)] = field(
        default=0.1, name="poll.timeout"
    )
    num_partitions: Annotated[
        int, Meta(ge=0, description="For `KafkaTopicInitializer`; 0: its default.")
    ] = 0
    replication_factor: Annotated[
        int, Meta(ge=0, description="For `KafkaTopicInitializer`; 0: its default.")
    ] = 0
