"""What parts of AMQP can be told."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta

from bspump.abc.options import Duration, Options
from bspump.abc.sink import BatchSinkOptions
from bspump.abc.source import PullOptions


class AMQPConnectionOptions(Options, frozen=True, kw_only=True):
    """Where the broker is, and who connects."""

    url: Annotated[
        str,
        Meta(
            description="`amqp://` or `amqps://user:password@host:port/vhost`; for `amqps` also"
            " `?cafile=`, `certfile=`, `keyfile=` and `auth=external`."
        ),
    ] = "amqp://localhost/"
    password: Annotated[str, Meta(description="Password, if it is not in `url`.")] = ""
    appname: Annotated[
        str, Meta(description="The name that the broker shows for the connections.")
    ] = "bspump.py"
    reconnect_delay: Annotated[
        Duration, Meta(description="Wait at least this long after an attempt that failed.")
    ] = 10.0
    connect_timeout: Annotated[
        Duration, Meta(description="Seconds that connecting may take, topology included.")
    ] = 30.0
    heartbeat: Annotated[
        int,
        Meta(
            ge=1,
            le=3600,
            description="Seconds between signs of life; a broker that is silent for three times"
            " as long is given up.",
        ),
    ] = 10


class AMQPQueueOptions(Options, frozen=True, kw_only=True):
    """Whether the queue is declared or only used, and what it is like."""

    declare: Annotated[
        bool, Meta(description="Declare the queue and its bindings; otherwise they must exist.")
    ] = False
    type: Annotated[
        Literal["classic", "quorum"], Meta(description="Type of the queue that is declared.")
    ] = "classic"
    durable: Annotated[bool, Meta(description="The queue survives the broker.")] = True
    dead_letter_exchange: Annotated[
        str, Meta(description="Exchange to which the broker moves what was refused or expired.")
    ] = ""
    dead_letter_routing_key: Annotated[
        str, Meta(description="Routing key for it; default is that of the message.")
    ] = ""
    delivery_limit: Annotated[
        int,
        Meta(ge=0, description="Redeliveries at the most, of quorum queues; 0: the broker's."),
    ] = 0
    exchange: Annotated[
        str, Meta(description="Exchange to bind the queue to; declared unless it is `amq.…`.")
    ] = ""
    exchange_type: Annotated[
        Literal["direct", "fanout", "topic", "headers"], Meta(description="Type of that exchange.")
    ] = "direct"
    routing_keys: Annotated[
        list[str], Meta(description="Routing keys of the bindings; default is the queue's name.")
    ] = []  # noqa: RUF012 - each struct gets a list of its own
    arguments: Annotated[
        dict[str, Any],
        Meta(description="Further arguments, such as `x-message-ttl`; digits become numbers."),
    ] = {}  # noqa: RUF012 - each struct gets a dict of its own


class AMQPSourceOptions(PullOptions, frozen=True, kw_only=True):
    """What is read, and how much of it at a time."""

    queue: Annotated[str, Meta(min_length=1, description="Queue to read from.")] = "q"
    prefetch_count: Annotated[
        int, Meta(ge=1, le=65535, description="Messages that are not acknowledged, at the most.")
    ] = 1000
    chunk_events: Annotated[
        int, Meta(ge=1, description="Messages that are passed on at once, at the most.")
    ] = 500
    codec: Annotated[str, Meta(description="How messages are decoded.")] = "raw"
    error_exchange: Annotated[
        str,
        Meta(
            description="Exchange for messages that the codec refuses; default is that the broker"
            " dead-letters or drops them."
        ),
    ] = ""
    message_id: Annotated[
        Literal["use", "require", "ignore"],
        Meta(
            description="What the `message_id` of messages is for. `use`: a message that the broker"
            " brings again is dropped if one with its id was passed on; `require`: as `use`, and a"
            " message without one is refused; `ignore`: nothing."
        ),
    ] = "use"
    topology: AMQPQueueOptions = AMQPQueueOptions()
    idle: Annotated[Duration, Meta(description="Wait after a read that found nothing.")] = 0.0


class AMQPExchangeOptions(Options, frozen=True, kw_only=True):
    """Whether the exchange is declared or only used."""

    declare: Annotated[bool, Meta(description="Declare the exchange; otherwise it must exist.")] = (
        False
    )
    type: Annotated[
        Literal["direct", "fanout", "topic", "headers"], Meta(description="Type of the exchange.")
    ] = "direct"
    durable: Annotated[bool, Meta(description="The exchange survives the broker.")] = True


class AMQPSinkOptions(BatchSinkOptions, frozen=True, kw_only=True):
    """Where messages are published, and how."""

    exchange: Annotated[
        str,
        Meta(
            description="Exchange to publish to; empty is the default exchange, `!context` is"
            " whatever the context has in `amqp.exchange`."
        ),
    ] = "amq.direct"
    routing_key: Annotated[
        str, Meta(description="Routing key, where the context has no `amqp.routing_key`.")
    ] = ""
    content_type: Annotated[str, Meta(description="Content type of the messages.")] = "text/plain"
    codec: Annotated[
        str,
        Meta(
            description="How events are encoded; default: bytes and text as they are, everything"
            " else as JSON."
        ),
    ] = ""
    persistent: Annotated[
        bool, Meta(description="Messages in durable queues survive the broker.")
    ] = True
    mandatory: Annotated[
        bool, Meta(description="Refuse a message that no queue would get, instead of losing it.")
    ] = True
    topology: AMQPExchangeOptions = AMQPExchangeOptions()
