"""The syslog source against `logger`, which comes with every Debian."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest

import bspump
from bspump.abc.sink import Sink
from bspump.syslog import SyslogSource
from bspump.testing import eventually

pytestmark = pytest.mark.integration

TEXT = "it's žluť, a message of several words"


class Collector(Sink):
    """Keeps what it gets."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.Events: list[Any] = []

    def process(self, context, event):
        self.Events.append(event)


@pytest.fixture
async def received(tmp_path) -> AsyncIterator[tuple[SyslogSource, list[Any]]]:
    """Return a source that listens by UDP, TCP and a Unix socket, and what it emits."""
    if shutil.which("logger") is None:
        pytest.skip("logger is not installed (package bsdutils)")
    app = bspump.BSPumpApplication(args=[])
    pipeline = bspump.Pipeline(app, "Test")
    source = SyslogSource(app, pipeline, config={"address": f"127.0.0.1 0, {tmp_path / 'log'}"})
    sink = Collector(app, pipeline)
    pipeline.build(source, sink)
    app.PumpService.add_pipeline(pipeline)
    async with app.running():
        await eventually(lambda: source.Addresses)
        yield source, sink.Events
        assert not pipeline.has_error()


async def _log(*arguments: str, text: str = TEXT) -> None:
    process = await asyncio.create_subprocess_exec(
        "logger", "--priority", "local3.warning", "--tag", "bspump", *arguments, "--", text
    )
    assert await process.wait() == 0


def _check(event: dict[str, Any], rfc: int) -> None:
    assert event["rfc"] == rfc
    assert (event["facility_name"], event["severity_name"]) == ("local3", "warning")
    assert event["app_name"] == "bspump"
    assert event["message"] == TEXT
    assert isinstance(event["timestamp_ms"], int)


@pytest.mark.parametrize("rfc", [3164, 5424])
@pytest.mark.parametrize(
    ("number", "transport"),
    [(0, ["--udp"]), (2, ["--tcp"]), (2, ["--tcp", "--octet-count"])],
    ids=["udp", "tcp", "counted"],
)
async def test_a_message_is_understood(received, number, transport, rfc):
    source, events = received
    port = source.Addresses[number].split()[1]
    await _log("--server", "127.0.0.1", "--port", port, f"--rfc{rfc}", *transport)
    await eventually(lambda: events)
    _check(events[0], rfc)
    assert events[0]["hostname"]


async def test_a_message_by_the_local_socket_is_understood(received):
    source, events = received
    await _log("--socket", source.Addresses[1])
    await eventually(lambda: events)
    _check(events[0], 3164)


async def test_structured_data_is_understood(received):
    source, events = received
    port = source.Addresses[2].split()[1]
    await _log(
        *("--server", "127.0.0.1", "--port", port, "--tcp", "--rfc5424", "--msgid", "ID47"),
        *("--sd-id", "zoo@123", "--sd-param", 'tiger="hungry"', "--sd-param", 'zebra="running"'),
    )
    await eventually(lambda: events)
    assert events[0]["msg_id"] == "ID47"
    assert events[0]["structured_data"]["zoo@123"] == {"tiger": "hungry", "zebra": "running"}


async def test_the_lines_of_a_file_are_messages_in_their_order(received, tmp_path):
    source, events = received
    lines = [f"line {i}" for i in range(500)]
    file = tmp_path / "lines"
    file.write_text("\n".join(lines) + "\n")
    port = source.Addresses[2].split()[1]
    process = await asyncio.create_subprocess_exec(
        *("logger", "--server", "127.0.0.1", "--port", port, "--tcp", "--octet-count"),
        *("--rfc5424", "--file", str(file)),
    )
    assert await process.wait() == 0
    await eventually(lambda: len(events) == len(lines))
    assert [event["message"] for event in events] == lines
