"""Where the state of an application is, as commands are told."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from bspump.abc.errors import ConfigError
from bspump.core.arguments import configured_files
from bspump.core.config import Configuration


def add_var_dir(parser: Any) -> None:
    """Add the options that say where the state is."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--data", metavar="DIR", help="the directory of the state, `var_dir`")
    where.add_argument(
        "-c",
        "--config",
        action="append",
        default=[],
        metavar="FILE",
        help="configuration that says where it is; default: BSPUMP_CONFIG or ASAB_CONFIG",
    )


def var_dir(arguments: argparse.Namespace, what: str) -> Path:
    """Return the directory in which `what` is. Raises ConfigError where nobody has said it."""
    if arguments.data:
        return Path(arguments.data)
    configuration = Configuration(configured_files(arguments.config))
    directory = configuration.get("general", "var_dir", fallback="")
    if not directory:
        raise ConfigError(
            f"it is not known where {what} are kept [{ConfigError.Code}]\n"
            "  what to do: name the directory with `--data`, or with `-c` the configuration in"
            " which `var_dir` in [general] says it"
        )
    return Path(str(directory))
