"""`DNSLookup` against a real name server, dnsmasq, on a port of its own."""

from __future__ import annotations

import asyncio
import shutil
import socket
from contextlib import suppress

import pytest

import bspump
from bspump.abc.errors import TransientError
from bspump.lookup import DNSLookup

pytestmark = pytest.mark.integration

CONFIGURATION = """\
no-daemon
no-resolv
no-hosts
no-poll
pid-file=
listen-address=127.0.0.1
bind-interfaces
local-ttl=20
local=/example.org/
local=/2.0.192.in-addr.arpa/
host-record=www.example.org,192.0.2.1,2001:db8::1
address=/many.example.org/192.0.2.7
txt-record=example.org,"v=spf1 -all"
cname=web.example.org,www.example.org
"""


def free_port():
    """Return a port that is free for datagrams and for streams, as dnsmasq needs both."""
    while True:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram,
        ):
            stream.bind(("127.0.0.1", 0))
            with suppress(OSError):
                datagram.bind(stream.getsockname())
                return stream.getsockname()[1]


@pytest.fixture
async def server(tmp_path):
    """Run dnsmasq; return its address."""
    program = shutil.which("dnsmasq", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        pytest.skip("dnsmasq is not installed (Debian: dnsmasq-base)")
    file, port = tmp_path / "dnsmasq.conf", free_port()
    file.write_text(f"port={port}\n{CONFIGURATION}")
    process = await asyncio.create_subprocess_exec(
        program, f"--conf-file={file}", "--user=", stderr=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(10):
            while b"started" not in (line := await process.stderr.readline()):
                assert line, "dnsmasq ended"
        yield f"127.0.0.1:{port}"
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()


@pytest.fixture
async def dns(server):
    """Return a function that makes lookups which ask the server."""
    app = bspump.BSPumpApplication(args=[])
    made = []

    def make(record, **config):
        options = {"servers": server, "record": record, **config}
        made.append(DNSLookup(app, f"DNS{len(made)}", options))
        return made[-1]

    async with app.running():
        yield make
        for lookup in made:
            await lookup.close()


async def test_names_addresses_and_texts_are_found(dns):
    assert await dns("A").get("www.example.org") == ["192.0.2.1"]
    assert await dns("A").get("web.example.org") == ["192.0.2.1"]
    assert await dns("AAAA").get("www.example.org") == ["2001:db8::1"]
    assert await dns("PTR").get("192.0.2.1") == "www.example.org"
    assert await dns("PTR").get("2001:db8::1") == "www.example.org"
    assert await dns("TXT").get("example.org") == ["v=spf1 -all"]


async def test_what_does_not_exist_is_unknown(dns):
    assert await dns("A").get("gone.example.org") is None
    assert await dns("TXT").get("www.example.org") is None
    assert await dns("PTR").get("192.0.2.200") is None


async def test_a_name_that_the_server_may_not_resolve_is_an_error(dns):
    # There is no server to which it could pass the question on.
    with pytest.raises(TransientError):
        await dns("A", tries=1).get("www.example.com")


async def test_a_thousand_names_are_found_at_once(dns):
    lookup = dns("A")
    names = [f"n{n}.many.example.org" for n in range(1000)]
    assert await asyncio.gather(*map(lookup.get, names)) == [["192.0.2.7"]] * 1000
    assert lookup.Counts["request"] == 1000
    await asyncio.gather(*map(lookup.get, names))
    assert lookup.Counts["hit"] == 1000
