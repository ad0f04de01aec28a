from __future__ import annotations

from pathlib import Path

import pytest

from bspump.testing.servers import KafkaServer, maven

ARTIFACTS = ("org.example:thing:1",)


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """Return the directory for programs, which comes first on the path."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv(maven.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr("bspump.testing.servers.server.PROGRAM_PATHS", str(tmp_path))
    maven.fetch.cache_clear()
    yield tmp_path
    maven.fetch.cache_clear()


def program(folder, name, script):
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return str(file)


def test_without_maven_nothing_is_fetched(folder):
    reason = maven.fetch("thing-1", ARTIFACTS)
    assert "Maven is not installed (Debian: maven)" in reason
    assert str(folder / "cache") in reason


def test_what_is_there_is_not_fetched_again(folder):
    maven.folder_of("thing-1").mkdir(parents=True)
    assert maven.fetch("thing-1", ARTIFACTS) is None


def test_the_complaint_of_maven_is_the_reason_and_is_asked_for_once(folder):
    program(folder, "mvn", f"echo x >> {folder}/calls; echo '[ERROR] no way out'; exit 1")
    assert maven.fetch("thing-1", ARTIFACTS).endswith("by Maven: [ERROR] no way out")
    assert maven.fetch("thing-1", ARTIFACTS).endswith("by Maven: [ERROR] no way out")
    assert (folder / "calls").read_text() == "x\n"
    assert list((folder / "cache").iterdir()) == []


def test_a_maven_that_hangs_is_given_up(folder, monkeypatch):
    monkeypatch.setattr(maven, "FETCH_WITHIN_S", 0.1)
    program(folder, "mvn", "exec /bin/sleep 60")
    assert "was not done within 0.1 s" in maven.fetch("thing-1", ARTIFACTS)


def test_what_was_fetched_is_complete_or_not_there(folder):
    program(folder, "mvn", 'for a; do case "$a" in -D*) d=${a#*=};; esac; done; /bin/mkdir "$d"')
    assert maven.fetch("thing-1", ARTIFACTS) is None
    assert [file.name for file in (folder / "cache").iterdir()] == ["thing-1"]


def test_the_users_cache_is_the_default(monkeypatch):
    monkeypatch.delenv(maven.CACHE_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert maven.folder_of("thing-1") == Path("/caches/bspump-testing/thing-1")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert maven.folder_of("thing-1") == Path.home() / ".cache/bspump-testing/thing-1"


def test_without_java_kafka_says_so(folder):
    assert "Java is not installed" in KafkaServer.missing()


@pytest.mark.parametrize(
    ("printed", "is_enough"),
    [
        ('openjdk version "17.0.15" 2025-04-15', True),
        ('openjdk version "21-ea" 2023-09-19', True),
        ('openjdk version "25" 2025-09-16', True),
        ('openjdk version "11.0.2"', False),
        ('java version "1.8.0_292"', False),
        ("nonsense", False),
    ],
)
def test_an_old_java_is_refused(folder, printed, is_enough):
    path = program(folder, "java", f"echo '{printed}' >&2")
    found, reason = maven.java(17)
    assert (found == path) is is_enough
    assert (reason is None) is is_enough
