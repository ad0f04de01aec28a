from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from pathlib import Path

import pytest

from bspump.testing import eventually
from bspump.testing.servers import ServerError, keeper

SHARED_MEMORY = Path("/proc/sysvipc/shm")

OWNER = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("echo", sys.argv[1])
echo = importlib.util.module_from_spec(spec)
spec.loader.exec_module(echo)
server = echo.EchoServer().start()
if sys.argv[2] == "paused":
    server.pause()
print(server.directory, server.daemon, server._keeper.pid, flush=True)
sys.stdin.read()
"""


def exists(pid):
    return Path(f"/proc/{pid}").exists()


def state(pid):
    return Path(f"/proc/{pid}/stat").read_text().split()[2]


def main_process(server):
    with socket.create_connection(("127.0.0.1", server.port), 5) as connection:
        connection.sendall(b"who\n")
        return int(connection.recv(100).split()[0])


def shared_by(creator):
    return [row for row in SHARED_MEMORY.read_text().splitlines() if f" {creator} " in row]


def test_a_killed_server_has_no_process_left(echo):
    pids = [main_process(echo), echo.daemon]
    echo.kill()
    assert [pid for pid in pids if exists(pid)] == []
    assert not echo.is_running
    assert not echo.is_ready()
    assert not (echo.directory / "stopped").exists()


def test_a_stopped_server_ends_in_its_own_way_and_takes_its_helpers_along(echo):
    daemon = echo.daemon
    echo.stop()
    assert not echo.is_running
    assert (echo.directory / "stopped").exists()
    assert not exists(daemon)
    echo.stop()


def test_a_server_that_does_not_stop_is_killed_and_its_log_shown(echo_class):
    class Deaf(echo_class):
        arguments = ("deaf",)

    with Deaf() as server:
        pid = main_process(server)
        with pytest.raises(ServerError, match=r"(?s)did not stop within 0\.5 s.*it starts"):
            server.stop()
        assert not exists(pid)


def test_a_restarted_server_has_its_port_and_its_files(echo):
    port, first = echo.port, main_process(echo)
    (echo.directory / "file").touch()
    echo.restart()
    assert echo.port == port
    assert main_process(echo) != first
    assert (echo.directory / "file").exists()
    assert (echo.directory / "stopped").exists()


def test_a_server_that_runs_is_not_started_again(echo):
    first = main_process(echo)
    assert echo.start() is echo
    assert main_process(echo) == first


async def test_a_server_that_has_died_is_started_again(echo):
    first = main_process(echo)
    os.kill(first, signal.SIGKILL)
    await eventually(lambda: not echo.is_running)
    echo.start()
    assert main_process(echo) != first


def test_a_paused_server_keeps_its_connections(echo):
    daemon = echo.daemon
    with socket.create_connection(("127.0.0.1", echo.port), 5) as connection:
        echo.pause()
        assert echo.is_running
        assert state(daemon) == "T"
        connection.sendall(b"hello\n")
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(100)
        echo.resume()
        connection.settimeout(5)
        assert connection.recv(100).endswith(b"hello\n")


@pytest.mark.parametrize("method", ["start", "stop", "kill", "restart"])
def test_a_paused_server_can_be(echo, method):
    echo.pause()
    getattr(echo, method)()
    assert echo.is_ready() is (method in {"start", "restart"})
    echo.start()
    assert echo.is_ready()


def test_nothing_is_left_after_close(echo):
    pid, directory = main_process(echo), echo.directory
    assert shared_by(pid)
    echo.close()
    assert not exists(pid)
    assert not directory.exists()
    assert shared_by(pid) == []
    echo.close()


def test_after_close_it_starts_without_data(echo):
    (echo.directory / "file").touch()
    echo.close()
    echo.start()
    assert echo.is_ready()
    assert not (echo.directory / "file").exists()


@pytest.mark.parametrize("how", ["running", "paused"])
async def test_nothing_is_left_when_its_owner_is_killed(echo_class, how):
    program = sys.modules[echo_class.__module__].__file__
    owner = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", OWNER, program, how),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    directory, *pids = (await owner.stdout.readline()).decode().split()
    assert all(exists(pid) for pid in pids)
    owner.kill()
    await owner.communicate()
    await eventually(lambda: not any(exists(pid) for pid in pids))
    await eventually(lambda: not Path(directory).exists())


def test_it_outlives_the_thread_that_started_it(echo_class):
    server = echo_class()
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    try:
        assert server.is_ready()
    finally:
        server.close()


def test_a_server_that_ends_shows_its_log(echo_class):
    class Broken(echo_class):
        def command(self):
            return [sys.executable, "-c", "import sys; sys.exit('the port is cursed')"]

    server = Broken()
    with pytest.raises(ServerError, match=r"(?s)ended with code 1.*the port is cursed"):
        server.start()
    server.close()


def test_a_server_that_does_not_answer_in_time_shows_its_log(echo_class):
    class Silent(echo_class):
        start_within_s = 0.5

        def answers(self, connection):
            return False

    server = Silent()
    with pytest.raises(ServerError, match=r"(?s)did not answer within 0\.5 s.*it starts"):
        server.start()
    assert not server.is_running
    server.close()


def test_a_program_that_does_not_exist_is_named(echo_class):
    class Nowhere(echo_class):
        def command(self):
            return ["/nowhere/at-all"]

    with pytest.raises(ServerError, match="/nowhere/at-all"), Nowhere():
        pass


def test_what_cannot_be_prepared_leaves_nothing(echo_class):
    directories = []

    class Unprepared(echo_class):
        def prepare(self):
            directories.append(self.directory)
            self.run([sys.executable, "-c", "import sys; sys.exit('no disk')"])

    with pytest.raises(ServerError, match=r"(?s)could not be prepared.*code 1.*no disk"):
        Unprepared().start()
    assert not directories[0].exists()


def test_a_preparation_has_a_deadline(echo_class):
    class Slow(echo_class):
        def prepare(self):
            self.run(["/bin/sleep", "60"], within_s=0.1)

    with pytest.raises(ServerError, match=r"sleep failed within 0\.1 s"):
        Slow().start()


def test_what_is_missing_is_said_at_the_start(echo_class):
    class Missing(echo_class):
        @classmethod
        def lacks(cls):
            return "Echo is not installed (Debian: apt-get install echo)"

    with pytest.raises(ServerError, match="apt-get install echo"):
        Missing().start()


def test_on_another_system_than_linux_every_server_is_missing(echo_class, monkeypatch):
    assert echo_class.missing() is None
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "Linux only" in echo_class.missing()


def test_it_gets_an_environment_of_its_own(echo_class, monkeypatch):
    monkeypatch.setenv("PGDATA", "/somewhere")
    with echo_class() as server:
        assert "'OWN'" in server.log
        assert "PGDATA" not in server.log


def test_without_a_start_there_is_nothing_to_ask(echo_class):
    server = echo_class()
    server.stop()
    server.kill()
    server.pause()
    server.close()
    assert not server.is_running
    assert server.log == ""


async def test_a_server_whose_keeper_was_killed_says_so_and_can_be_closed(echo_class):
    server = echo_class().start()
    directory, main, daemon = server.directory, main_process(server), server.daemon
    os.kill(server._keeper.pid, signal.SIGKILL)
    server._keeper.wait()
    with pytest.raises(ServerError, match="the process that keeps it has ended"):
        server.restart()
    server.close()
    assert not directory.exists()
    for orphan in (main, daemon):
        os.kill(orphan, signal.SIGKILL)
    await eventually(lambda: not any(row.split()[6] != "0" for row in shared_by(main)))
    keeper._remove_shared_memory({main, daemon})
