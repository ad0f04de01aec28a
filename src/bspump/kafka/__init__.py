"""Apache Kafka: topics as sources and sinks."""

from bspump.clients.schema_registry import SchemaRegistryConnection

from .connection import KafkaConnection
from .key_filter import KafkaKeyFilter
from .sink import KafkaBatchSink, KafkaSink
from .source import KafkaSource
from .topic_initializer import KafkaTopicInitializer

__all__ = [
    "KafkaBatchSink",
    "KafkaConnection",
    "KafkaKeyFilter",
    "KafkaSink",
    "KafkaSource",
    "KafkaTopicInitializer",
    "SchemaRegistryConnection",
]
