"""One set of real servers per session, each started when the first test asks for it.

A test takes names of its own (databases, topics, queues) and may kill, stop and pause a server:
who comes next finds it running. Where a server is missing the test is skipped with the reason.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bspump.testing.servers import (
    KafkaServer,
    MockKafka,
    PostgresServer,
    RabbitServer,
    RedisServer,
    RegistryServer,
    Server,
)

SERVERS: dict[str, type[Server]] = {
    "kafka": KafkaServer,
    "kafka_mock": MockKafka,
    "postgres": PostgresServer,
    "rabbit": RabbitServer,
    "redis": RedisServer,
    "registry": RegistryServer,
}


def pytest_collection_modifyitems(items):
    for item in items:
        if SERVERS.keys().isdisjoint(getattr(item, "fixturenames", ())):
            continue
        # So that it is not skipped in CI, whatever its author remembered.
        item.add_marker(pytest.mark.integration)
        # Servers have deadlines of their own; the first start may wait for a download.
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(func_only=True))


@pytest.fixture(autouse=True)
def _servers_run(request) -> None:
    """Start or resume what a test before has killed, stopped or paused."""
    for name in SERVERS.keys() & set(request.fixturenames):
        request.getfixturevalue(name).start()


def _running(server_class: type[Server]) -> Iterator[Server]:
    reason = server_class.missing()
    if reason is not None:
        pytest.skip(reason)
    with server_class() as server:
        yield server


@pytest.fixture(scope="session")
def kafka() -> Iterator[Server]:
    yield from _running(KafkaServer)


@pytest.fixture(scope="session")
def kafka_mock() -> Iterator[Server]:
    yield from _running(MockKafka)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    yield from _running(PostgresServer)


@pytest.fixture(scope="session")
def rabbit() -> Iterator[Server]:
    yield from _running(RabbitServer)


@pytest.fixture(scope="session")
def redis() -> Iterator[Server]:
    yield from _running(RedisServer)


@pytest.fixture(scope="session")
def registry() -> Iterator[Server]:
    yield from _running(RegistryServer)
