"""Real servers for tests: started on a free port, killed, paused and restarted on demand.

Each class is one server. `missing` says whether it can be started here; what comes from the
system's packages is not fetched. Linux only.
"""

from .dnsmasq import DnsmasqServer
from .kafka import KafkaServer
from .mock_kafka import MockKafka
from .postgres import PostgresServer
from .rabbit import RabbitServer
from .redis import RedisServer
from .registry import RegistryServer
from .server import Server, ServerError

__all__ = [
    "DnsmasqServer",
    "KafkaServer",
    "MockKafka",
    "PostgresServer",
    "RabbitServer",
    "RedisServer",
    "RegistryServer",
    "Server",
    "ServerError",
]
