"""Events become messages as the options and the context say."""

from __future__ import annotations

import sys

import pytest

pytest.importorskip("aiormq")

from bspump.abc.errors import MissingExtraError, RejectedError
from bspump.amqp import AMQPConnection, AMQPSource
from bspump.amqp.messages import MessageMaker
from bspump.amqp.options import AMQPSinkOptions
from bspump.amqp.topology import queue_arguments
from bspump.testing.contracts.base import bare
from bspump.testing.harness import Harness


def make(event, context=None, **options):
    return MessageMaker(AMQPSinkOptions(**options)).make(context or {}, event)


@pytest.mark.parametrize(
    ("event", "codec", "body"),
    [
        (b"\xff", "", b"\xff"),
        ("é", "", "é".encode()),
        ({"a": 1}, "", b'{"a":1}'),
        ([1], "", b"[1]"),
        ("text", "json", b'"text"'),
        ({"a": 1}, "msgpack", b"\x81\xa1a\x01"),
    ],
)
def test_the_body_is_the_event_or_what_the_codec_makes_of_it(event, codec, body):
    assert make(event, codec=codec).body == body


@pytest.mark.parametrize(("event", "codec"), [(object(), ""), ("\ud800", ""), ({}, "text")])
def test_what_cannot_be_expressed_is_refused(event, codec):
    with pytest.raises(RejectedError):
        make(event, codec=codec)


def test_the_address_comes_from_the_context_before_the_options():
    plain = make("x", exchange="ex", routing_key="key")
    assert (plain.exchange, plain.routing_key) == ("ex", "key")
    chosen = {"amqp.exchange": "", "amqp.routing_key": ""}
    given = make("x", chosen, exchange="ex", routing_key="key")
    assert (given.exchange, given.routing_key) == ("", "")


def test_without_an_exchange_in_the_context_that_has_to_name_it_an_event_is_refused():
    with pytest.raises(RejectedError, match=r"amqp\.exchange"):
        make("x", exchange="!context")


@pytest.mark.parametrize(("persistent", "mode"), [(True, 2), (False, 1)])
def test_messages_are_persistent_unless_that_is_not_wished(persistent, mode):
    assert make("x", persistent=persistent).properties.delivery_mode == mode


def test_properties_of_the_context_come_before_those_of_the_options():
    given = {"amqp.properties": {"content_type": "application/json", "delivery_mode": 1}}
    properties = make("{}", given).properties
    assert (properties.content_type, properties.delivery_mode) == ("application/json", 1)


async def test_the_queue_is_described_by_options_with_dots():
    config = {
        "topology.declare": "yes",
        "topology.type": "quorum",
        "topology.delivery_limit": "5",
        "topology.routing_keys": "order.created, order.paid",
        "topology.arguments.x-message-ttl": "86400000",
    }

    def source(app, pipeline):
        return AMQPSource(app, pipeline, AMQPConnection(app), config=config)

    async with bare(source) as part:
        topology = part.Options.topology
        assert topology.routing_keys == ["order.created", "order.paid"]
        assert queue_arguments(topology) == {
            "x-queue-type": "quorum",
            "x-delivery-limit": 5,
            "x-message-ttl": 86400000,
        }


async def test_a_missing_library_is_answered_by_the_command_that_installs_it(monkeypatch):
    connection = AMQPConnection(Harness().app)
    monkeypatch.setitem(sys.modules, "aiormq", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'bspump\[amqp\]'"):
        await connection.open()
