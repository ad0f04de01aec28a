"""A destination that is slow, paused, killed or refuses costs no event, for each that we have."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial

import pytest
from destinations import DESTINATIONS, Stream

from bspump.state import MemoryStateStore
from bspump.testing import Harness, MemorySource, eventually, slow

COUNT = 1500
AWAY_S = 0.7


@asynccontextmanager
async def is_paused(destination):
    await destination.pause()
    yield
    await destination.resume()


@asynccontextmanager
async def is_killed(destination):
    await destination.kill()
    yield
    await destination.start()


@asynccontextmanager
async def refuses(destination):
    await destination.refuse()
    yield
    await destination.accept()


@asynccontextmanager
async def is_far_and_narrow(destination):
    destination.proxy.delay_s, destination.proxy.bytes_per_s = 0.02, 200_000
    yield


@asynccontextmanager
async def is_cut_off(destination):
    destination.proxy.cut()
    yield
    destination.proxy.cut()


@asynccontextmanager
async def is_silent(destination):
    destination.proxy.freeze()
    yield
    destination.proxy.thaw()


FAULTS = {
    "paused": is_paused,
    "killed": is_killed,
    "refuses": refuses,
    "slow network": is_far_and_narrow,
    "connections cut": is_cut_off,
    "silent network": is_silent,
}
# TCP confirms nothing, so what was under way when it broke is lost; nor can it refuse anything.
NO_PROMISE = {("StreamClientSink", fault) for fault in ("killed", "refuses", "connections cut")}
# RabbitMQ forgets queues when it is killed soon after their declaration; `amqp` waits for that.
ELSEWHERE = {("AMQPSink", "killed"), ("AMQPSink", "connections cut")}
# Clients of Kafka ask brokers for their addresses, so no proxy comes between them; a broker that is
# killed with a transaction open needs a minute, see `test_kafka_epochs` and `test_kafka_faults`.
ELSEWHERE |= {("KafkaSink", fault) for fault in FAULTS if fault != "paused"}


@pytest.fixture
async def destination(request):
    async with DESTINATIONS[request.param](request) as destination:
        yield destination


def marks(name, fault):
    """Return the marks of a case: where a server is missing, CI does not pass over it."""
    needs_server = name in ("AMQPSink", "KafkaSink", "PostgreSQLSink")
    return [pytest.mark.fault(name, fault), *([pytest.mark.integration] if needs_server else [])]


def pytest_generate_tests(metafunc):
    cases = [
        pytest.param(name, fault, id=f"{name}-{fault}", marks=marks(name, fault))
        for name in DESTINATIONS
        for fault in FAULTS
        if (name, fault) not in NO_PROMISE | ELSEWHERE
    ]
    metafunc.parametrize(("destination", "fault"), cases, indirect=["destination"])


@pytest.mark.timeout(90, func_only=True)
async def test_no_event_is_lost(destination, fault):
    events = [{"number": number, "pad": "x" * 50} for number in range(COUNT)]
    encode = destination.encode if isinstance(destination, Stream) else None
    async with Harness(["--set", "[checkpoint] interval=0.1"], store=MemoryStateStore()) as harness:

        def source(app, pipeline):
            made = MemorySource(app, pipeline, events, is_endless=True, chunk_size=25)
            slow(made, 0.01, method="read", times=None)
            return made

        steps = [] if encode is None else [lambda context, event: encode(event)]
        pipeline = harness.chain(partial(source), *steps, partial(destination.sink))
        await eventually(lambda: harness.counts()["event.out"] >= COUNT // 4, 20)
        async with FAULTS[fault](destination):
            await harness.app.Clock.sleep(AWAY_S)
        await harness.finish(60)
        assert [repr(failure.error) for failure in harness.errors] == []
        if fault == "refuses":
            assert any("write failed" in record.getMessage() for record in harness.logs)
        assert not pipeline.under_way()

    async def is_all_there():
        arrived = await destination.arrived()
        missing = set(range(COUNT)) - set(arrived)
        assert not missing, f"{len(missing)} are missing, such as {min(missing)}"
        return arrived

    arrived = await eventually(is_all_there, 10, 0.05)
    if destination.is_exact:
        assert arrived == list(range(COUNT))
