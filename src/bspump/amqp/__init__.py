"""AMQP 0-9-1, the protocol of RabbitMQ: queues as sources, exchanges as sinks."""

from .connection import AMQPConnection
from .full_message_source import AMQPFullMessageSource
from .sink import AMQPSink
from .source import AMQPSource

__all__ = ["AMQPConnection", "AMQPFullMessageSource", "AMQPSink", "AMQPSource"]
