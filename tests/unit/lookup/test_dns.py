"""What name servers say, asked of a small one that speaks real DNS over UDP (RFC 1035)."""

from __future__ import annotations

import asyncio
import struct
import sys

import pytest

import bspump
from bspump.abc.errors import MissingExtraError, OptionError, TransientError
from bspump.lookup import AsyncLookupEnricher, DNSLookup
from bspump.lookup.dns import reverse_name
from bspump.testing import eventually

TYPES = {"A": 1, "CNAME": 5, "PTR": 12, "TXT": 16, "AAAA": 28}
NXDOMAIN, SERVFAIL, REFUSED = 3, 2, 5


def encoded_name(name):
    labels = [label.encode() for label in name.strip(".").split(".")]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def encoded_data(kind, value):
    if kind == "A":
        return bytes(map(int, value.split(".")))
    if kind == "AAAA":
        return bytes.fromhex(value)
    if kind == "TXT":
        return bytes([len(value.encode())]) + value.encode()
    return encoded_name(value)


async def without_memory(lookup):
    """Make the library forget: it remembers as well, by a clock that no test can move."""
    await lookup._resolver.close()
    lookup._resolver = None


class NameServer(asyncio.DatagramProtocol):
    """Answers from `records[name, type] = [(type, ttl, value), ...]`, or with a code."""

    def __init__(self):
        self.records = {}
        self.asked = []
        self.is_silent = False

    def connection_made(self, transport):
        self.transport = transport
        self.address = f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"

    def datagram_received(self, data, peer):
        at, labels = 12, []
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]].decode())
            at += data[at] + 1
        name, (number,) = ".".join(labels).lower(), struct.unpack_from("!H", data, at + 1)
        kind = next(key for key, value in TYPES.items() if value == number)
        self.asked.append((name, kind))
        if self.is_silent:
            return
        found = self.records.get((name, kind), NXDOMAIN)
        answers, code = ([], found) if isinstance(found, int) else (found, 0)
        body = b"".join(
            b"\xc0\x0c"
            + struct.pack("!HHIH", TYPES[kind], 1, ttl, len(encoded_data(kind, value)))
            + encoded_data(kind, value)
            for kind, ttl, value in answers
        )
        header = data[:2] + struct.pack("!HHHHH", 0x8180 | code, 1, len(answers), 0, 0)
        self.transport.sendto(header + data[12 : at + 5] + body, peer)


@pytest.fixture
async def server():
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(
        NameServer, local_addr=("127.0.0.1", 0)
    )
    yield protocol
    transport.close()


@pytest.fixture
async def dns(app, server):
    """Return a function that makes lookups which ask `server`."""
    made = []

    def make(**config):
        lookup = DNSLookup(app, f"DNS{len(made)}", {"servers": server.address, **config})
        made.append(lookup)
        return lookup

    yield make
    for lookup in made:
        await lookup.close()


async def test_a_name_has_addresses(dns, server):
    server.records["www.example.org", "A"] = [("A", 60, "192.0.2.1"), ("A", 60, "192.0.2.2")]
    server.records["www.example.org", "AAAA"] = [("AAAA", 60, "20010db8" + "0" * 23 + "1")]
    assert await dns().get("www.example.org") == ["192.0.2.1", "192.0.2.2"]
    assert await dns(record="AAAA").get("www.example.org") == ["2001:db8::1"]


async def test_an_address_has_a_name(dns, server):
    server.records["1.2.0.192.in-addr.arpa", "PTR"] = [("PTR", 60, "www.example.org")]
    v6 = reverse_name("2001:db8::1")
    server.records[v6, "PTR"] = [("PTR", 60, "six.example.org")]
    lookup = dns(record="PTR")
    assert await lookup.get("192.0.2.1") == "www.example.org"
    assert await lookup.get("2001:db8::1") == "six.example.org"
    assert await lookup.get("localhost") is None
    assert await lookup.get(None) is None
    assert len(server.asked) == 2


async def test_a_name_has_texts(dns, server):
    server.records["example.org", "TXT"] = [("TXT", 60, "v=spf1 -all"), ("TXT", 60, "č")]
    assert await dns(record="TXT").get("example.org") == ["v=spf1 -all", "č"]


async def test_other_names_on_the_way_are_no_values(dns, server):
    server.records["www.example.org", "A"] = [
        ("CNAME", 600, "web.example.org"),
        ("A", 600, "192.0.2.1"),
    ]
    assert await dns().get("www.example.org") == ["192.0.2.1"]


async def test_an_answer_is_remembered_for_as_long_as_it_says(dns, server, clock):
    server.records["a.example.org", "A"] = [("A", 20, "192.0.2.1")]
    lookup = dns()
    for _ in range(3):
        await lookup.get("a.example.org")
    await clock.advance(19)
    await lookup.get("a.example.org")
    assert len(server.asked) == 1
    await clock.advance(2)
    await without_memory(lookup)
    await lookup.get("a.example.org")
    assert len(server.asked) == 2


async def test_no_answer_is_remembered_for_longer_than_allowed(dns, server, clock):
    server.records["a.example.org", "A"] = [("A", 86400, "192.0.2.1")]
    lookup = dns(cache_age=10)
    await lookup.get("a.example.org")
    await clock.advance(11)
    await without_memory(lookup)
    await lookup.get("a.example.org")
    assert len(server.asked) == 2


@pytest.mark.parametrize("found", [NXDOMAIN, []])
async def test_a_name_that_is_unknown_is_remembered_to_be(dns, server, clock, found):
    server.records["gone.example.org", "A"] = found
    lookup = dns(negative_age=30)
    assert [await lookup.get("gone.example.org") for _ in range(3)] == [None] * 3
    assert len(server.asked) == 1
    await clock.advance(31)
    await without_memory(lookup)
    assert await lookup.get("gone.example.org") is None
    assert len(server.asked) == 2


@pytest.mark.parametrize("name", ["", ".", "a..b", "x" * 64 + ".org", "x." * 200, "a\0b.org"])
async def test_what_is_no_name_is_unknown_and_nobody_is_bothered(dns, server, name):
    server.records[name.strip("."), "A"] = NXDOMAIN
    assert await dns().get(name) is None


@pytest.mark.parametrize("code", [SERVFAIL, REFUSED])
async def test_a_server_that_fails_is_an_error_and_not_remembered(dns, server, code):
    server.records["a.example.org", "A"] = code
    lookup = dns(tries=1, attempt_timeout=0.2)
    with pytest.raises(TransientError, match=r"A of 'a\.example\.org'"):
        await lookup.get("a.example.org")
    server.records["a.example.org", "A"] = [("A", 60, "192.0.2.1")]
    assert await lookup.get("a.example.org") == ["192.0.2.1"]


async def test_a_server_that_is_silent_is_an_error(dns, server):
    server.is_silent = True
    with pytest.raises(TransientError):
        await dns(tries=1, attempt_timeout=0.1).get("a.example.org")
    assert server.asked


async def test_many_who_want_one_name_are_one_question(dns, server):
    server.records["a.example.org", "A"] = [("A", 60, "192.0.2.1")]
    lookup = dns()
    found = await asyncio.gather(*(lookup.get("a.example.org") for _ in range(50)))
    assert found == [["192.0.2.1"]] * 50
    assert server.asked == [("a.example.org", "A")]


async def test_many_names_are_asked_for_at_the_same_time(dns, server):
    names = [f"n{n}.example.org" for n in range(200)]
    for n, name in enumerate(names):
        server.records[name, "A"] = [("A", 60, f"192.0.2.{n}")]
    lookup = dns()
    found = await asyncio.gather(*map(lookup.get, names))
    assert found == [[f"192.0.2.{n}"] for n in range(200)]


async def test_many_questions_go_to_resolvers_one_after_another(dns, server, monkeypatch):
    monkeypatch.setattr("bspump.lookup.dns._QUERIES_PER_RESOLVER", 10)
    names = [f"n{n}.example.org" for n in range(35)]
    for n, name in enumerate(names):
        server.records[name, "A"] = [("A", 60, f"192.0.2.{n}")]
    lookup, made = dns(), []
    make = lookup._library.DNSResolver

    def counted(**options):
        made.append(options)
        return make(**options)

    monkeypatch.setattr(lookup._library, "DNSResolver", counted)
    found = await asyncio.gather(*map(lookup.get, names))
    assert found == [[f"192.0.2.{n}"] for n in range(35)]
    assert len(made) == 4


async def test_it_enriches_events(app, dns, server):
    server.records["1.2.0.192.in-addr.arpa", "PTR"] = [("PTR", 60, "www.example.org")]
    lookup = app.PumpService.add_lookup(dns(record="PTR"))
    pipeline = bspump.Pipeline(app, "P")
    enricher = AsyncLookupEnricher(app, pipeline, lookup, key="ip", target="host")
    assert await enricher.process({}, {"ip": "192.0.2.1"}) == {
        "ip": "192.0.2.1",
        "host": "www.example.org",
    }


async def test_closing_while_someone_waits_fails_them(dns, server):
    server.is_silent = True
    lookup = dns()
    waiting = asyncio.ensure_future(lookup.get("a.example.org"))
    await eventually(lambda: server.asked)
    await lookup.close()
    with pytest.raises(Exception, match="closed"):
        await waiting


async def test_a_record_that_is_not_known_is_refused(app):
    with pytest.raises(OptionError, match="record"):
        DNSLookup(app, config={"record": "MX"})


async def test_without_the_library_the_command_that_installs_it_is_shown(app, monkeypatch):
    monkeypatch.setitem(sys.modules, "aiodns", None)
    with pytest.raises(MissingExtraError, match=r"bspump\[dns\]"):
        DNSLookup(app)
