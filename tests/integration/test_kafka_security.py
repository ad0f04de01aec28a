"""SASL and TLS at a real broker that asks for them."""

from __future__ import annotations

import functools
import uuid
from pathlib import Path
from typing import NamedTuple

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

pytest.importorskip("confluent_kafka")

import bspump
from bspump.abc.errors import ConfigError
from bspump.kafka import KafkaConnection, KafkaSink, KafkaSource, KafkaTopicInitializer
from bspump.testing import eventually
from bspump.testing.harness import Harness
from bspump.testing.servers import KafkaServer
from bspump.testing.servers.ports import free_port

pytestmark = [pytest.mark.integration, pytest.mark.timeout(func_only=True)]

HOST = "127.0.0.1"
PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
# A worker that is not let in is told so after this time, and not at once.
QUICK = {"connect_timeout": 2}


class Secured(NamedTuple):
    """A broker with three listeners, and what is needed to get in."""

    sasl: str
    sasl_tls: str
    mutual_tls: str
    ca: str
    certificate: str


def for_java(certificate):
    """Return a certificate with its key in the only form that Java reads."""
    key = serialization.load_pem_private_key(certificate.private_key_pem.bytes(), None)
    form = serialization.PrivateFormat.PKCS8
    unencrypted = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, form, unencrypted)
    return pem + b"".join(each.bytes() for each in certificate.cert_chain_pems)


def listeners(**ports):
    protocols = {"SASL": "SASL_PLAINTEXT", "SASLTLS": "SASL_SSL", "MUTUAL": "SSL"}
    controller = f"{HOST}:{free_port()}"
    return {
        "controller.quorum.voters": f"1@{controller}",
        "listeners": ",".join(f"{name}://{HOST}:{port}" for name, port in ports.items())
        + f",CONTROLLER://{controller}",
        "advertised.listeners": ",".join(f"{name}://{HOST}:{port}" for name, port in ports.items()),
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,"
        + ",".join(f"{name}:{protocol}" for name, protocol in protocols.items()),
    }


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    reason = KafkaServer.missing()
    if reason is not None:
        pytest.skip(reason)
    folder, authority = tmp_path_factory.mktemp("tls"), trustme.CA()
    names = ["ca.pem", "broker.pem", "client.pem"]
    ca, broker, client = [str(folder / name) for name in names]
    authority.cert_pem.write_to_path(ca)
    Path(broker).write_bytes(for_java(authority.issue_cert(HOST)))
    authority.issue_cert("joe@example.org").private_key_and_cert_chain_pem.write_to_path(client)
    jaas = f'{PLAIN} required username="broker" password="b" user_broker="b" user_joe="s3cret";'
    server = KafkaServer()
    ports = {"PLAINTEXT": server.port, "SASL": 0, "SASLTLS": 0, "MUTUAL": 0}
    ports = {name: port or free_port() for name, port in ports.items()}
    server.settings.update(listeners(**ports))
    server.settings.update(
        {
            "sasl.enabled.mechanisms": "PLAIN",
            **{f"listener.name.{n}.plain.sasl.jaas.config": jaas for n in ("sasl", "sasltls")},
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": broker,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": ca,
            "listener.name.mutual.ssl.client.auth": "required",
        }
    )
    with server:
        addresses = [f"{HOST}:{ports[name]}" for name in ("SASL", "SASLTLS", "MUTUAL")]
        yield Secured(*addresses, ca, client)


PASSWORD = "s3cret"


def joe(password=PASSWORD):
    return {"sasl.mechanism": "PLAIN", "sasl.username": "joe", "sasl.password": password}


def ways(secured):
    """Return how to get in, by each listener."""
    return {
        "sasl": {
            "bootstrap_servers": secured.sasl,
            "security.protocol": "SASL_PLAINTEXT",
            **joe(),
        },
        "sasl and tls": {
            "bootstrap_servers": secured.sasl_tls,
            "security.protocol": "SASL_SSL",
            "ssl.ca.location": secured.ca,
            **joe(),
        },
        "mutual tls": {
            "bootstrap_servers": secured.mutual_tls,
            "security.protocol": "SSL",
            "ssl.ca.location": secured.ca,
            "ssl.certificate.location": secured.certificate,
            "ssl.key.location": secured.certificate,
        },
    }


def part(kind, settings, topic):
    def make(app, pipeline):
        service = app.PumpService
        if "Kafka" not in service.Connections:
            service.add_connection(KafkaConnection(app, "Kafka", {**settings, **QUICK}))
        group = {"group.id": topic} if kind is KafkaSource else {}
        return kind(app, pipeline, "Kafka", config={"topic": topic, "retry.first": 0.1, **group})

    return functools.partial(make)


@pytest.mark.parametrize("way", ["sasl", "sasl and tls", "mutual tls"])
async def test_events_go_in_and_come_out(secured, way):
    topic, settings = uuid.uuid4().hex, ways(secured)[way]
    async with Harness() as harness:
        harness.chain(part(KafkaSink, settings, topic), id="In")
        harness.send([b"a", b"b"])
        await harness.settle()
        harness.chain(part(KafkaSource, settings, topic), id="Out")
        await eventually(lambda: sorted(harness.out()) == [b"a", b"b"], 20)


@pytest.mark.parametrize(
    ("way", "change"),
    [
        ("sasl", joe("wr0ng-s3cret")),
        ("sasl and tls", joe("wr0ng-s3cret")),
        ("sasl and tls", {"ssl.ca.location": ""}),
    ],
)
@pytest.mark.parametrize("kind", [KafkaSource, KafkaSink])
async def test_who_is_not_let_in_is_told_so_and_no_secret_is_shown(secured, way, change, kind):
    settings = {key: value for key, value in {**ways(secured)[way], **change}.items() if value}
    async with Harness() as harness:
        pipeline = harness.chain(part(kind, settings, uuid.uuid4().hex))
        if kind is KafkaSink:
            harness.send([b"a"])
        await eventually(pipeline.has_error, 20)
        error = harness.errors[-1].error
        assert isinstance(error, ConfigError)
        shown = str(error) + "".join(record.getMessage() for record in harness.logs)
        assert "s3cret" not in shown
        pipeline.set_error(None, None, None)


async def test_a_certificate_that_is_missing_is_in_the_log(secured):
    """The client takes it for a broken connection, so it is tried again; but one can see why."""
    settings = ways(secured)["mutual tls"]
    del settings["ssl.certificate.location"], settings["ssl.key.location"]
    async with Harness() as harness:
        harness.chain(part(KafkaSource, settings, uuid.uuid4().hex))

        def says_why():
            fields = [str(getattr(record, "fields", "")) for record in harness.logs]
            return any("alert bad certificate" in each and "retry_in_s" in each for each in fields)

        await eventually(says_why, 20)


async def test_topics_are_created_by_who_may(secured):
    topic = uuid.uuid4().hex

    for password, expected in [("s3cret", [topic]), ("wr0ng", None)]:
        app = bspump.BSPumpApplication(args=[])
        settings = {**ways(secured)["sasl"], **joe(password), **QUICK}
        connection = KafkaConnection(app, "Kafka", settings)
        topics = KafkaTopicInitializer(app, connection)
        topics.include_topics(topic_config={"topic": topic})
        if expected is not None:
            assert topics.initialize_topics() == expected
        else:
            with pytest.raises(ConfigError):
                topics.initialize_topics()
