"""Options of AMQP parts: what they make of URLs, queues and names."""

from __future__ import annotations

import pytest

from bspump.abc.errors import ConfigError
from bspump.amqp import AMQPConnection, AMQPSink, AMQPSource
from bspump.amqp.options import AMQPQueueOptions
from bspump.amqp.topology import queue_arguments
from bspump.testing.contracts.base import bare
from bspump.testing.harness import Harness

pytest.importorskip("aiormq")


async def connection(**config):
    return AMQPConnection(Harness().app, "Rabbit", config)


async def test_the_defaults_are_those_of_the_original():
    options = (await connection()).Options
    assert (options.url, options.appname) == ("amqp://localhost/", "bspump.py")
    assert options.reconnect_delay == 10.0

    def source(app, pipeline):
        return AMQPSource(app, pipeline, AMQPConnection(app))

    def sink(app, pipeline):
        return AMQPSink(app, pipeline, AMQPConnection(app))

    async with bare(source) as part:
        assert (part.Options.queue, part.Options.prefetch_count) == ("q", 1000)
    async with bare(sink) as part:
        assert (part.Options.exchange, part.Options.routing_key) == ("amq.direct", "")
        assert part.Options.content_type == "text/plain"


async def test_the_url_says_who_connects_and_how():
    url = (await connection(url="amqps://ann@host/vh?cafile=x", password="p@ss")).build_url("P.S")
    assert (url.user, url.password, url.path) == ("ann", "p@ss", "/vh")
    assert url.query == {"heartbeat": "10", "name": "bspump.py P.S", "cafile": "x"}


async def test_what_the_url_says_itself_is_not_changed():
    url = (await connection(url="amqp://host/?heartbeat=3&name=me")).build_url()
    assert url.query == {"heartbeat": "3", "name": "me"}


@pytest.mark.parametrize("url", ["http://host/", "amqp:///", "host", "", "amqp://host:port/"])
async def test_what_is_no_url_of_amqp_is_refused(url):
    with pytest.raises(ConfigError, match="expected: amqp://"):
        (await connection(url=url)).build_url()


async def test_a_password_is_never_shown():
    shown = await connection(url="amqp://ann:s3cret@host/?password=s3cret", password="s3cret")
    for text in (str(shown.rest_get()), shown.Where, repr(shown.Config), repr(shown.Options)):
        assert "s3cret" not in text


async def test_closing_without_having_connected_is_fine():
    unused = await connection()
    await unused.close()
    await unused.close()


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        ({}, {"x-queue-type": "classic"}),
        (
            {"type": "quorum", "delivery_limit": 3, "dead_letter_exchange": "dlx"},
            {"x-queue-type": "quorum", "x-delivery-limit": 3, "x-dead-letter-exchange": "dlx"},
        ),
        (
            {"arguments": {"x-message-ttl": "1000", "x-overflow": "reject-publish"}},
            {
                "x-queue-type": "classic",
                "x-message-ttl": 1000,
                "x-overflow": "reject-publish",
            },
        ),
    ],
)
def test_arguments_of_a_queue_come_from_its_options(options, arguments):
    assert queue_arguments(AMQPQueueOptions(**options)) == arguments
