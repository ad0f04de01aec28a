"""Java archives that no package of the system has, fetched by Maven and kept."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from .server import find_program

CACHE_VARIABLE = "BSPUMP_TEST_CACHE"
FETCH_WITHIN_S = 300.0

PROJECT = """\
<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion>
<groupId>bspump.testing</groupId><artifactId>servers</artifactId><version>1</version>
<dependencies>
{dependencies}
</dependencies>
</project>
"""
DEPENDENCY = (
    "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>"
)


def folder_of(name: str) -> Path:
    """Return the folder for the archives called `name`, whether they are there or not.

    It is in the directory that the environment variable `BSPUMP_TEST_CACHE` names, otherwise in
    the user's cache directory.
    """
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen) / name
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "bspump-testing" / name


@functools.cache
def fetch(name: str, artifacts: tuple[str, ...]) -> str | None:
    """See to it that `folder_of(name)` holds the artifacts and all that they need.

    Asks Maven only where the folder is not there, and once per process, also when it failed.

    Args:
        artifacts: each `group:artifact:version`.

    Returns:
        Why they could not be fetched; None: they are there.
    """
    return _keep(name, functools.partial(_copy, artifacts))


@functools.cache
def fetch_unpacked(name: str, artifact: str) -> str | None:
    """See to it that `folder_of(name)` holds what is packed in an artifact. As `fetch`.

    Args:
        artifact: `group:artifact:version:type:classifier`.

    Returns:
        Why it could not be fetched; None: it is there.
    """
    return _keep(name, functools.partial(_unpack, artifact))


def _keep(name: str, fill: Callable[[str, Path], str | None]) -> str | None:
    """Have `fill(maven, target)` make `target/jars`, unless the folder `name` is there."""
    folder = folder_of(name)
    if folder.is_dir():
        return None
    maven = find_program("mvn")
    if maven is None:
        return f"{name} is not in {folder.parent}, and Maven is not installed (Debian: maven)"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=folder.parent) as made:
        reason = fill(maven, Path(made))
        if reason is not None:
            return f"{name} could not be fetched by Maven: {reason}"
        try:
            (Path(made) / "jars").rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was quicker
                raise
    return None


def _unpack(artifact: str, maven: str, target: Path) -> str | None:
    """Unpack the artifact to `target/jars`; return what Maven complained about."""
    goal = ("dependency:unpack", f"-Dartifact={artifact}")
    return _run(maven, *goal, f"-DoutputDirectory={target / 'jars'}")


def _copy(artifacts: tuple[str, ...], maven: str, target: Path) -> str | None:
    """Copy the artifacts to `target/jars`; return what Maven complained about."""
    dependencies = "\n".join(DEPENDENCY.format(*a.split(":")) for a in artifacts)
    project = target / "pom.xml"
    project.write_text(PROJECT.format(dependencies=dependencies), encoding="utf-8")
    goal = ("--file", str(project), "dependency:copy-dependencies")
    return _run(maven, *goal, f"-DoutputDirectory={target / 'jars'}")


def _run(maven: str, *goal: str) -> str | None:
    """Run Maven; return what it complained about."""
    command = [maven, "--quiet", "--batch-mode", *goal]
    try:
        done = subprocess.run(  # noqa: S603 - the program is Maven, the artifacts are ours
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=FETCH_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it was not done within {FETCH_WITHIN_S:g} s"
    if done.returncode == 0:
        return None
    complaints = [line for line in done.stdout.splitlines() if "ERROR" in line]
    return (complaints or done.stdout.splitlines() or ["it said nothing"])[0]


def java(oldest: int) -> tuple[str, str | None]:
    """Return the path of a Java of version `oldest` or newer, and why there is none."""
    home = os.environ.get("JAVA_HOME")
    program = shutil.which("java", path=f"{home}/bin") if home else None
    program = program or find_program("java")
    if program is None:
        return "", "Java is not installed (Debian: default-jre-headless)"
    version = _java_version(program)
    if version < oldest:
        return "", f"Java {oldest} or newer is needed; {program} is version {version}"
    return program, None


@functools.cache
def _java_version(program: str) -> int:
    done = subprocess.run(  # noqa: S603 - a Java that was found on the path
        [program, "-version"], stderr=subprocess.PIPE, text=True, check=False
    )
    quoted = done.stderr.partition('"')[2]
    major = quoted.partition(".")[0].partition("-")[0].partition('"')[0]
    return int(major) if major.isdecimal() else 0
