"""Queues and exchanges: declared, or only looked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .options import AMQPExchangeOptions, AMQPQueueOptions

if TYPE_CHECKING:
    from aiormq.abc import AbstractChannel


async def prepare_queue(channel: AbstractChannel, queue: str, options: AMQPQueueOptions) -> None:
    """Declare the queue with its bindings, or see that it exists."""
    if not options.declare:
        await channel.queue_declare(queue, passive=True)
        return
    arguments = queue_arguments(options)
    await channel.queue_declare(queue, durable=options.durable, arguments=arguments)
    exchange = options.exchange
    if not exchange:
        return
    if not exchange.startswith("amq."):
        await channel.exchange_declare(
            exchange, exchange_type=options.exchange_type, durable=options.durable
        )
    for routing_key in options.routing_keys or [queue]:
        await channel.queue_bind(queue, exchange, routing_key)


def queue_arguments(options: AMQPQueueOptions) -> dict[str, Any]:
    """Return the arguments with which the queue is declared."""
    given = {
        "x-queue-type": options.type,
        "x-dead-letter-exchange": options.dead_letter_exchange,
        "x-dead-letter-routing-key": options.dead_letter_routing_key,
        "x-delivery-limit": options.delivery_limit,
    }
    arguments = {name: value for name, value in given.items() if value}
    return arguments | {name: _number(value) for name, value in options.arguments.items()}


def _number(value: Any) -> Any:
    """Return digits as a number: the broker is strict, and files know text alone."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


async def prepare_exchange(
    channel: AbstractChannel, exchange: str, options: AMQPExchangeOptions
) -> None:
    """Declare the exchange, or see that it exists; the default exchange always does."""
    if not exchange:
        return
    if options.declare:
        await channel.exchange_declare(
            exchange, exchange_type=options.type, durable=options.durable
        )
    else:
        await channel.exchange_declare(exchange, passive=True)
