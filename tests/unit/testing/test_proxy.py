"""The proxy passes on everything, late, slowly or not at all, as the test wants it."""

from __future__ import annotations

import asyncio

import pytest

from bspump.testing.proxy import TcpProxy


@pytest.fixture
async def echo():
    """Yield a proxy before a server that sends back what it gets, up to the end."""

    async def serve(reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with TcpProxy(server.sockets[0].getsockname()[1]) as proxy:
        yield proxy
    server.close()
    await server.wait_closed()


async def test_it_passes_on_everything_up_to_the_end(echo):
    content = bytes(range(256)) * 2000
    reader, writer = await asyncio.open_connection("127.0.0.1", echo.port)
    writer.write(content)
    writer.write_eof()
    assert await reader.read(-1) == content
    writer.close()
    assert echo.connections == 1


async def test_each_piece_is_late_in_both_directions(echo):
    echo.delay_s = 0.05
    reader, writer = await asyncio.open_connection("127.0.0.1", echo.port)
    begun_s = asyncio.get_running_loop().time()
    writer.write(b"x")
    assert await reader.read(1) == b"x"
    assert asyncio.get_running_loop().time() - begun_s >= 0.1
    writer.close()


async def test_so_much_passes_in_a_second(echo):
    echo.bytes_per_s = 500_000
    reader, writer = await asyncio.open_connection("127.0.0.1", echo.port)
    begun_s = asyncio.get_running_loop().time()
    writer.write(bytes(50_000))
    await reader.readexactly(50_000)
    assert asyncio.get_running_loop().time() - begun_s >= 0.1
    writer.close()


async def test_what_was_said_while_it_was_frozen_passes_afterwards(echo):
    reader, writer = await asyncio.open_connection("127.0.0.1", echo.port)
    echo.freeze()
    writer.write(b"said")
    reading = asyncio.ensure_future(reader.readexactly(4))
    assert await asyncio.wait([reading], timeout=0.05) == (set(), {reading})
    echo.thaw()
    assert await reading == b"said"
    writer.close()


async def test_a_connection_that_is_cut_is_reset_and_another_can_be_made(echo):
    reader, writer = await asyncio.open_connection("127.0.0.1", echo.port)
    writer.write(b"x")
    await reader.readexactly(1)
    echo.cut()
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    writer.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", echo.port)
    writer.write(b"y")
    assert await reader.readexactly(1) == b"y"
    writer.close()


async def test_a_server_that_is_not_there_ends_the_connection():
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    async with TcpProxy(port) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await reader.read() == b""
        writer.close()
