"""Whether what was said about errors of events fits the program."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bspump.abc.errors import ConfigError, OptionError

from .error_letters import receiver_of

if TYPE_CHECKING:
    from .pipeline import Pipeline


def problems_of(pipeline: Pipeline) -> Iterator[ConfigError]:
    """Yield what has to be changed before a built pipeline can start."""
    parts = [part.Id for part in (*pipeline.Sources, *pipeline.iter_processors())]
    for part, policy in pipeline.Options.on_error_of.items():
        if part not in parts:
            key = f"on_error_of.{part}"
            yield OptionError(
                pipeline.Config.place_of(key),
                f"pipeline:{pipeline.Id}",
                key,
                expected=f"the Id of a part of the pipeline: {', '.join(parts)}",
                got=f"{part!r}, for {policy!r}",
                known=[f"on_error_of.{each}" for each in parts],
                what="there is no such part",
            )
    if pipeline.Options.dead_letters_to:
        try:
            receiver_of(pipeline)
        except ConfigError as error:
            yield error
    elif not pipeline.is_durable():
        if pipeline.Options.on_error == "dead_letter":
            yield _no_place(pipeline, "on_error")
        for part, policy in pipeline.Options.on_error_of.items():
            if policy == "dead_letter":
                yield _no_place(pipeline, f"on_error_of.{part}")


def _no_place(pipeline: Pipeline, key: str) -> ConfigError:
    return ConfigError(
        f"{pipeline.Config.place_of(key)}: [pipeline:{pipeline.Id}] {key} = dead_letter:"
        f" there is no place for dead letters [{ConfigError.Code}]\n"
        "  what to do: set `var_dir` in [general] to a directory where the program may write; or"
        f" `dead_letters_to` in [pipeline:{pipeline.Id}] to a source such as"
        " 'Other.*InternalSource'"
    )
