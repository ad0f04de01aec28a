"""The model that all others extend."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Meta

from bspump.abc.errors import ConfigError
from bspump.abc.options import Configurable, Options

if TYPE_CHECKING:
    from bspump.abc.host import Application
    from bspump.abc.state import PartState, Snapshot


class ModelOptions(Options, frozen=True, kw_only=True):
    """Where a model comes from."""

    path_model: Annotated[str, Meta(description="The file that `load_model_from_file` reads.")] = ""
    path_parameters: Annotated[
        str, Meta(description="A JSON file; what is in it becomes `Parameters`.")
    ] = ""


class Model(Configurable):
    """What was learnt: override `load_model_from_file`, `transform` and `predict`.

    Where `path_model` or `path_parameters` is given, that is loaded when the model is made. The
    section of the configuration is `model:<Id>`.

    A model that learns on overrides `snapshot` and `restore`, as a part does; it is kept in the
    checkpoints of pipelines with a part that returns it from `shares()`.

    Attributes:
        Parameters: what was in the file `path_parameters`.
    """

    OptionsClass = ModelOptions

    def __init__(
        self, app: Application, id: str | None = None, config: Mapping[str, Any] | None = None
    ) -> None:
        self.Id = id if id is not None else type(self).__name__
        self.App = app
        self._configure(app.Config, f"model:{self.Id}", config)
        self.PathModel: str = self.Config["path_model"]
        self.PathParameters: str = self.Config["path_parameters"]
        self.Parameters: Any = None
        if self.PathParameters:
            self.load_parameters_from_file()
        if self.PathModel:
            self.load_model_from_file()

    @property
    def Loop(self) -> asyncio.AbstractEventLoop:
        """The event loop of the application."""
        return self.App.Loop

    def time(self) -> float:
        """Return the wall clock, Unix seconds."""
        return self.App.time()

    def load_model_from_file(self) -> None:
        """Override: read the file `self.PathModel`; `self.Parameters` are there already."""
        raise NotImplementedError(f"{type(self).__name__}.load_model_from_file")

    def load_parameters_from_file(self) -> None:
        """Read `self.Parameters` from the JSON file `self.PathParameters`.

        Raises:
            ConfigError: it cannot be read, or is no JSON; the parameters are as before.
        """
        try:
            self.Parameters = json.loads(Path(self.PathParameters).read_bytes())
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"[model:{self.Id}] path_parameters: expected a JSON file, "
                f"got {self.PathParameters!r} ({error})"
            ) from error

    async def update(self, *args: Any, **kwargs: Any) -> None:
        """Override: learn, or load what was learnt meanwhile."""

    def transform(self, *args: Any) -> Any:
        """Override: make of a sample what `predict` takes."""
        raise NotImplementedError(f"{type(self).__name__}.transform")

    def predict(self, *args: Any) -> Any:
        """Override: return what is expected."""
        raise NotImplementedError(f"{type(self).__name__}.predict")

    def locate_address(self) -> str:
        """Return the name under which its state is stored."""
        return f"model:{self.Id}"

    def is_stateful(self) -> bool:
        """Tell whether it has something to outlive this process."""
        return type(self).snapshot is not Model.snapshot

    def snapshot(self) -> Snapshot | None:
        """Override together with `restore`: return what has changed; see `Component.snapshot`."""
        return None

    def restore(self, state: PartState) -> None:
        """Override together with `snapshot`: be as it was; see `Component.restore`."""
        raise NotImplementedError(f"{type(self).__name__}.restore")
