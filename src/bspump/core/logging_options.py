"""What can be configured about the log: section `[logging]`."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from bspump.abc.config import ConfigSource
from bspump.abc.options import Configurable, Options


class LoggingOptions(Options, frozen=True, kw_only=True):
    """How much is logged, how it looks and where it goes."""

    level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
        Meta(description="What is below is not logged.", extra={"parse": str.upper}),
    ] = "INFO"
    format: Annotated[
        Literal["text", "json"], Meta(description="Lines for people, or for machines.")
    ] = "text"
    file: Annotated[str, Meta(description="A file that the log is appended to as well.")] = ""


class LoggingConfig(Configurable):
    """The section `[logging]`."""

    OptionsClass = LoggingOptions
    Options: LoggingOptions

    def __init__(self, source: ConfigSource) -> None:
        self._configure(source, "logging", None)
