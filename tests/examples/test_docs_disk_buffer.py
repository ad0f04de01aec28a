"""The example of the page on disk buffers does what it says."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from bspump.testing import eventually

ROOT = Path(__file__).parents[2]
EXAMPLE = "docs/examples/syslog_buffered.py"


def arrived(directory):
    archive = directory / "archive.ndjson"
    lines = archive.read_text().splitlines() if archive.exists() else []
    return {json.loads(line)["message"] for line in lines}


def is_kept(directory, text):
    return any(text in path.read_bytes() for path in directory.rglob("*.segment"))


def listens(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


async def test_messages_survive_a_kill(start, tmp_path, free_port, connect):
    option = f"[pipeline:Archive:SyslogSource] address=127.0.0.1 {free_port}"
    program = await start(EXAMPLE, "--set", option)
    writer = await connect(free_port)
    writer.writelines(b"<14>Oct 11 22:14:15 web app: number %d\n" % n for n in range(1000))
    await writer.drain()
    await eventually(lambda: is_kept(tmp_path, b"number 999"))
    program.process.kill()
    await program.process.wait()
    program = await start(EXAMPLE, "--set", option)
    await eventually(lambda: listens(free_port))
    await eventually(lambda: len(arrived(tmp_path)) == 1000)
    assert await program.interrupt() == 0
    assert arrived(tmp_path) == {f"number {n}" for n in range(1000)}


def test_the_page_shows_the_example():
    page = (ROOT / "docs/disk-buffer.md").read_text(encoding="utf-8")
    assert "examples/syslog_buffered.py" in page
    source = (ROOT / EXAMPLE).read_text(encoding="utf-8")
    shown = page.split("```python\n")[1].split("```")[0]
    assert all(line.strip() in source for line in shown.splitlines())
