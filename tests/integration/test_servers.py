"""Every server of the launcher starts, answers, keeps its data through a crash, and pauses."""

from __future__ import annotations

import socket
import uuid

import pytest

from bspump.testing.servers import DnsmasqServer

pytestmark = pytest.mark.integration


class Rows:
    """Rows of PostgreSQL."""

    def __init__(self, server):
        self._server = server
        self._table = f"t{uuid.uuid4().hex}"
        server.sql(f"CREATE TABLE {self._table} (value text)")

    def write(self, value):
        self._server.sql(f"INSERT INTO {self._table} VALUES ('{value}')")  # noqa: S608

    def read(self):
        return self._server.sql(f"SELECT value FROM {self._table}").split()  # noqa: S608


class Elements:
    """Elements of a list of Redis."""

    def __init__(self, server):
        self._server = server
        self._key = uuid.uuid4().hex

    def write(self, value):
        self._server.cli("RPUSH", self._key, value)

    def read(self):
        return self._server.cli("LRANGE", self._key, "0", "-1").split()


class VirtualHosts:
    """Virtual hosts of RabbitMQ, which stand for all that it keeps."""

    def __init__(self, server):
        self._server = server
        self._prefix = uuid.uuid4().hex

    def write(self, value):
        self._server.ctl("add_vhost", f"{self._prefix}{value}")

    def read(self):
        names = self._server.ctl("list_vhosts", "name").split()
        return sorted(n.removeprefix(self._prefix) for n in names if n.startswith(self._prefix))


class Messages:
    """Messages of a topic of Kafka."""

    def __init__(self, server):
        pytest.importorskip("confluent_kafka")
        self._server = server
        self._topic = uuid.uuid4().hex

    def write(self, value):
        from confluent_kafka import Producer

        producer = Producer({"bootstrap.servers": self._server.bootstrap_servers, "acks": "all"})
        producer.produce(self._topic, value, partition=0)
        assert producer.flush(20) == 0

    def read(self):
        from confluent_kafka import Consumer, TopicPartition

        settings = {
            "bootstrap.servers": self._server.bootstrap_servers,
            "group.id": self._topic,
            "enable.partition.eof": True,
        }
        consumer = Consumer(settings)
        try:
            consumer.assign([TopicPartition(self._topic, 0, 0)])
            values = []
            while (message := consumer.poll(20)) is not None and not message.error():
                values.append(message.value().decode())
            return values
        finally:
            consumer.close()


KEPT = {"kafka": Messages, "postgres": Rows, "rabbit": VirtualHosts, "redis": Elements}


@pytest.fixture(params=KEPT)
def server(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def kept(request, server):
    return KEPT[request.node.callspec.params["server"]](server)


def test_what_it_acknowledged_survives_a_crash_and_a_restart(server, kept):
    port = server.port
    kept.write("1")
    server.kill()
    assert not server.is_running
    assert not server.is_ready()
    server.start()
    kept.write("2")
    server.restart()
    assert server.port == port
    assert kept.read() == ["1", "2"]


def test_while_paused_it_answers_nothing_and_afterwards_everything(server, kept):
    kept.write("1")
    server.pause()
    assert server.is_running
    assert not server.is_ready(0.2)
    server.resume()
    assert server.is_ready(5)
    assert kept.read() == ["1"]


def test_it_listens_on_the_loopback_interface_only(server):
    assert server.is_ready()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Refused where the server listens on all addresses: the port would be taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.2", server.port))


def test_postgres_pauses_the_sessions_that_are_open(postgres):
    hello = b"\0\x03\0\0user\0postgres\0database\0postgres\0\0"
    query = b"select 1\0"
    with socket.create_connection(("127.0.0.1", postgres.port)) as session:
        session.sendall((len(hello) + 4).to_bytes(4, "big") + hello)
        session.settimeout(10)
        while not session.recv(4096).endswith(b"I"):
            pass  # ready for query
        postgres.pause()
        session.sendall(b"Q" + (len(query) + 4).to_bytes(4, "big") + query)
        session.settimeout(0.2)
        with pytest.raises(TimeoutError):
            session.recv(1)
        postgres.resume()
        session.settimeout(10)
        assert session.recv(1) == b"T"


def test_postgres_decodes_logically(postgres):
    slot = f"s{uuid.uuid4().hex}"
    postgres.sql(f"SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')")
    try:
        assert slot in postgres.sql("SELECT slot_name FROM pg_replication_slots")
    finally:
        postgres.sql(f"SELECT pg_drop_replication_slot('{slot}')")


@pytest.fixture
def dnsmasq():
    if reason := DnsmasqServer.missing():
        pytest.skip(reason)
    with DnsmasqServer(["host-record=www.example.org,192.0.2.1"]) as server:
        yield server


def test_dnsmasq_is_killed_and_comes_back(dnsmasq):
    dnsmasq.kill()
    assert not dnsmasq.is_ready()
    dnsmasq.start()
    dnsmasq.pause()
    assert not dnsmasq.is_ready(0.2)
    dnsmasq.resume()
    assert dnsmasq.is_ready()
