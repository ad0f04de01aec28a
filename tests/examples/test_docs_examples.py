"""The examples of the documentation do what they say."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from bspump.testing import eventually

LOG_LINE = '192.0.2.7 - - [10/Oct/2026:13:55:36 +0000] "GET {} HTTP/1.1" {} 2326 "-" "curl/8"\n'


def set_option(section: str, key: str, value: object) -> tuple[str, str]:
    return "--set", f"[pipeline:{section}] {key}={value}"


def write_lines(path: Path, *events: object) -> None:
    path.write_text("".join(f"{json.dumps(event)}\n" for event in events))


def read_lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
async def server(free_port) -> AsyncIterator[dict]:
    """A web server that counts requests; it knows two users and has a state."""
    seen = {"url": f"http://127.0.0.1:{free_port}", "asked": [], "state": {"door": "open"}}
    names = {"1": "Ann", "2": "Bob"}

    async def user(request: web.Request) -> web.Response:
        seen["asked"].append(request.match_info["id"])
        if request.match_info["id"] not in names:
            raise web.HTTPNotFound
        return web.json_response({"name": names[request.match_info["id"]]})

    async def state(request: web.Request) -> web.Response:
        return web.json_response(seen["state"])

    application = web.Application()
    application.router.add_get("/users/{id}", user)
    application.router.add_get("/state", state)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", free_port).start()
    yield seen
    await runner.cleanup()


async def test_a_log_is_followed_and_only_failed_requests_are_printed(start, tmp_path):
    log = tmp_path / "access.log"
    log.write_text(LOG_LINE.format("/fine", 200) + LOG_LINE.format("/broken", 500) + "no form\n")
    program = await start("docs/examples/tail_grok.py")
    await program.says("500 GET /broken")
    with log.open("a") as f:
        f.write(LOG_LINE.format("/again", 503))
    await program.says("503 GET /again")
    assert await program.interrupt() == 0
    assert len(program.output.splitlines()) == 2
    assert "event rejected" in program.log


async def test_syslog_comes_in_both_ways_and_warnings_are_kept(start, tmp_path, free_port, connect):
    program = await start(
        "docs/examples/syslog_server.py",
        *set_option("Warnings:SyslogSource", "address", f"127.0.0.1 {free_port}"),
    )
    writer = await connect(free_port)
    writer.write(b"<12>Oct 11 22:14:15 web app: by TCP\n<14>Oct 11 22:14:15 web app: fine\n")
    await writer.drain()
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.sendto(b"<11>Oct 11 22:14:16 web app: by UDP", ("127.0.0.1", free_port))
    kept = tmp_path / "warnings.ndjson"
    await eventually(lambda: kept.exists() and len(read_lines(kept)) == 2)
    assert await program.interrupt() == 0
    assert {event["message"] for event in read_lines(kept)} == {"by TCP", "by UDP"}


async def test_a_webhook_answers_when_the_event_is_on_the_disk(start, tmp_path, free_port, connect):
    program = await start(
        "docs/examples/webhook.py",
        *set_option("Orders:HTTPServerSource", "listen", f"127.0.0.1:{free_port}"),
    )
    await connect(free_port)
    url = f"http://127.0.0.1:{free_port}/"
    async with aiohttp.ClientSession() as session:
        async with session.post(url, json={"order": 7}) as response:
            assert response.status == 200
        assert [event["order"] for event in read_lines(tmp_path / "orders.ndjson")] == [7]
        async with session.post(url, json={"something": "else"}) as response:
            assert response.status == 422
    assert await program.interrupt() == 0


async def test_a_poller_prints_what_has_changed(start, server):
    program = await start(
        "docs/examples/http_poller.py",
        *set_option("State", "every", "50ms"),
        *set_option("State:HTTPClientSource", "url", f"{server['url']}/state"),
    )
    await program.says("{'door': 'open'}")
    server["state"] = {"door": "open", "light": "on"}
    await program.says("{'light': 'on'}")
    assert await program.interrupt() == 0
    assert len(program.output.splitlines()) == 2


async def test_linked_pipelines_end_when_everything_was_written(start, tmp_path):
    write_lines(tmp_path / "in.ndjson", *({"value": i} for i in range(5000)))
    program = await start("docs/examples/linked_pipelines.py")
    assert await program.end() == 0, program.log
    written = read_lines(tmp_path / "out.ndjson")
    assert written == [{"number": i + 1, "value": i} for i in range(5000)]


async def test_events_fan_out_by_their_country_and_all_are_archived(start, tmp_path):
    countries = ["cz", "de", "fr", "cz", "it"] * 500
    write_lines(tmp_path / "in.ndjson", *({"id": i, "country": c} for i, c in enumerate(countries)))
    program = await start("docs/examples/fan_out.py")
    assert await program.end() == 0, program.log
    found = {
        path.stem: [event["country"] for event in read_lines(path)]
        for path in tmp_path.glob("*.ndjson")
        if path.stem != "in"
    }
    assert found == {
        "archive": countries,
        "cz": ["cz"] * 1000,
        "de": ["de"] * 500,
        "others": ["fr", "it"] * 500,
    }


async def test_answers_are_remembered_and_events_keep_their_order(start, tmp_path, server):
    users = [1, 2, 3, 1, 2] * 200
    write_lines(tmp_path / "in.ndjson", *({"user": user} for user in users))
    program = await start(
        "docs/examples/async_enrichment.py",
        *set_option("Logins:UserName", "url", f"{server['url']}/users"),
    )
    assert await program.end() == 0, program.log
    names = {1: "Ann", 2: "Bob", 3: None}
    expected = [{"user": user, "name": names[user]} for user in users]
    assert read_lines(tmp_path / "out.ndjson") == expected
    # At first as many are asked about as may be at the same time.
    assert len(server["asked"]) < 100


async def test_typed_events_go_from_file_to_file_and_broken_ones_are_left_out(start, tmp_path):
    lines = ['{"id":1,"price":2.5,"quantity":4,"note":"x"}', '{"id":2}', '{"id":3,"price":1}']
    (tmp_path / "orders.ndjson.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    program = await start("docs/examples/typed_events.py")
    assert await program.end() == 0, program.log
    bills = gzip.decompress((tmp_path / "bills.ndjson.gz").read_bytes()).decode().splitlines()
    assert [json.loads(bill) for bill in bills] == [
        {"order": 1, "total": 10.0},
        {"order": 3, "total": 1.0},
    ]
    assert "price" in program.log


async def test_three_sources_feed_one_pipeline(start, tmp_path, free_port, connect):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "one.log").write_text("by file\n")
    program = await start(
        "docs/examples/three_sources.py",
        *set_option("MyPipeline:TCP", "address", f"127.0.0.1 {free_port}"),
        *set_option("MyPipeline:UDP", "address", f"127.0.0.1 {free_port}"),
    )
    writer = await connect(free_port)
    writer.write(b"by TCP\n")
    await writer.drain()
    await program.says("by TCP")
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.sendto(b"by UDP", ("127.0.0.1", free_port))
    await program.says("by UDP")
    await program.says("by file")
    assert await program.interrupt() == 0
    await asyncio.to_thread((tmp_path / "in" / "one.log-processed").read_text)


async def test_a_trigger_source_may_open_a_session_for_all_its_cycles(start, server):
    program = await start(
        "docs/examples/trigger_source.py",
        *set_option("StatusPipeline:StatusSource", "url", f"{server['url']}/state"),
    )
    await eventually(lambda: len(program.output.splitlines()) >= 2, within_s=20)
    assert await program.interrupt() == 0
    assert program.output.splitlines()[0] == str({"url": f"{server['url']}/state", "status": 200})
