"""Two pipelines and a network between them: what goes in at one end comes out at the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import trustme

import bspump
from bspump.abc.sink import Sink
from bspump.ipc import LengthPrefixSourceProtocol, StreamClientSink, StreamServerSource
from bspump.ipc.utils import parse_address
from bspump.testing import eventually

EVENTS = [f"{i:0200d}" for i in range(20_000)]


class Collector(Sink):
    """Keeps what it gets."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.Events: list[Any] = []

    def process(self, context, event):
        self.Events.append(event)


class Network:
    """Two pipelines: `near` writes to the network, `far` reads from it."""

    def __init__(self, sink: dict[str, Any], source: dict[str, Any], protocol: Any) -> None:
        self.app = bspump.BSPumpApplication(args=[])
        self.far = bspump.Pipeline(self.app, "Far")
        arguments = {} if protocol is None else {"protocol_class": protocol}
        self.source = StreamServerSource(
            self.app, self.far, config={"address": "127.0.0.1 0", **source}, **arguments
        )
        self.out = Collector(self.app, self.far)
        self.far.build(self.source, self.out)
        self.near = bspump.Pipeline(self.app, "Near")
        self._sink_config = sink

    async def connect(self) -> None:
        """Build the near pipeline once the far one listens."""
        await eventually(lambda: self.source.Addresses)
        config = {"address": self.source.Addresses[0], "retry.first": "10ms"}
        self.near.build(
            StreamServerSource(self.app, self.near, config={"address": "127.0.0.1 0"}),
            StreamClientSink(self.app, self.near, config={**config, **self._sink_config}),
        )
        self.app.PumpService.add_pipeline(self.near)
        self.near.start()


@pytest.fixture
async def network() -> AsyncIterator[Callable[..., Any]]:
    stack = []

    async def make(sink: dict[str, Any], source: dict[str, Any], protocol: Any = None) -> Network:
        made = Network(sink, source, protocol)
        made.app.PumpService.add_pipeline(made.far)
        running = made.app.running()
        await running.__aenter__()
        stack.append(running)
        await made.connect()
        return made

    yield make
    for running in stack:
        await running.__aexit__(None, None, None)


@pytest.fixture
def tls(tmp_path) -> tuple[dict[str, str], dict[str, str]]:
    """Return the options of a client and of a server that verify each other."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    for name, made in (
        ("client", authority.issue_cert("client.example")),
        ("server", authority.issue_cert("127.0.0.1")),
    ):
        made.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / f"{name}.pem"))
    client, server = (
        {"cafile": str(tmp_path / "ca.pem"), "cert": str(tmp_path / f"{name}.pem")}
        for name in ("client", "server")
    )
    return client, server


async def test_everything_arrives_in_order_as_lines(network):
    made = await network({"framing": "line"}, {})
    await made.near.process_many(EVENTS)
    await eventually(lambda: len(made.out.Events) == len(EVENTS))
    assert made.out.Events == EVENTS


async def test_everything_arrives_in_order_as_counted_messages_over_mutual_tls(network, tls):
    client, server = tls
    made = await network({"framing": "length", **client}, server, LengthPrefixSourceProtocol)
    await made.near.process_many(EVENTS)
    await eventually(lambda: len(made.out.Events) == len(EVENTS))
    assert made.out.Events == EVENTS


async def test_a_far_pipeline_that_is_held_back_holds_back_the_near_one(network):
    made = await network({"framing": "line", "batch.max_bytes": "64KiB"}, {})
    made.far.throttle("test")
    feeding = asyncio.create_task(made.near.process_many(EVENTS * 5))
    await eventually(lambda: not made.near.is_ready())
    await asyncio.sleep(0.05)
    assert not feeding.done()
    made.far.throttle("test", False)
    await feeding
    await eventually(lambda: len(made.out.Events) == 5 * len(EVENTS), within_s=20)
    assert made.out.Events == EVENTS * 5


async def test_what_the_far_pipeline_was_stopped_before_comes_when_it_is_back(network):
    made = await network({"framing": "line"}, {})
    await made.near.process("before")
    await eventually(lambda: made.out.Events == ["before"])
    address = made.source.Addresses[0]
    await made.source.stop()
    await made.near.process_many(["while", "away"])
    await asyncio.sleep(0.02)
    made.source._addresses = [parse_address(address)]
    made.source.start()
    await eventually(lambda: made.out.Events == ["before", "while", "away"])
