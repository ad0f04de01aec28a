"""The command line of an application."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Arguments:
    """What the command line says.

    Args:
        config: paths of configuration files.
        set: `[section] key=value`, over what the files say.
        verbose: log more.
        log_file: append the log to this file as well.
        log_format: `text` or `json`; empty: as configured.
        other: what a program added to the parser itself.
    """

    config: list[str] = field(default_factory=list)
    set: list[str] = field(default_factory=list)
    verbose: bool = False
    log_file: str = ""
    log_format: str = ""
    other: argparse.Namespace = field(default_factory=argparse.Namespace)


def argument_parser(name: str, description: str) -> argparse.ArgumentParser:
    """Return the parser of the arguments that all applications have."""
    parser = argparse.ArgumentParser(prog=name, description=description)
    parser.add_argument(
        "-c",
        "--config",
        action="append",
        default=[],
        metavar="FILE",
        help="configuration file (INI, TOML, YAML); may be given several times, the last wins; "
        "default: the environment variable BSPUMP_CONFIG or ASAB_CONFIG",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="'[SECTION] KEY=VALUE'",
        help="set one option, over all files and the environment",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="log more")
    parser.add_argument(
        "-l", "--log-file", default="", metavar="FILE", help="append the log to FILE as well"
    )
    parser.add_argument(
        "--log-format", choices=["text", "json"], default="", help="how log lines look"
    )
    return parser


def parse_arguments(parser: argparse.ArgumentParser, args: Sequence[str] | None) -> Arguments:
    """Return what `args` (`sys.argv[1:]` if `None`) say."""
    found = vars(parser.parse_args(args))
    own = {name: found.pop(name) for name in Arguments.__slots__ if name in found}
    own["config"] = configured_files(own["config"])
    return Arguments(**own, other=argparse.Namespace(**found))


def configured_files(given: list[str]) -> list[str]:
    """Return the configuration files that were given, or else those that the environment names."""
    if given:
        return given
    named = os.environ.get("BSPUMP_CONFIG") or os.environ.get("ASAB_CONFIG")
    return named.split(os.pathsep) if named else []
