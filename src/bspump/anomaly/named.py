"""Detectors by name, with their arguments as text, for configuration files."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from bspump.abc.errors import ConfigError, UnknownNameError

from .detector import Detector
from .drift import ADWIN, PageHinkley
from .gaussian import EWMA, ZScore
from .halfspace import HalfSpaceTrees
from .holtwinters import HoltWinters
from .robust import RobustZScore
from .seasonal import SeasonalBaseline

DETECTORS: Mapping[str, type[Detector]] = {
    "adwin": ADWIN,
    "ewma": EWMA,
    "half_space_trees": HalfSpaceTrees,
    "holt_winters": HoltWinters,
    "page_hinkley": PageHinkley,
    "robust_zscore": RobustZScore,
    "seasonal": SeasonalBaseline,
    "zscore": ZScore,
}


def detector_factory(
    name: str, parameters: Mapping[str, Any], *, used_by: str
) -> Callable[[], Detector]:
    """Return what makes detectors of that name with these arguments.

    Raises:
        ConfigError: an argument is unknown or not valid; `used_by` begins the message.
    """
    cls = DETECTORS[name]
    known = inspect.signature(cls, eval_str=True).parameters
    arguments: dict[str, Any] = {}
    for key, value in parameters.items():
        if key not in known:
            raise UnknownNameError(f"parameter of {name}", key, used_by=used_by, known=known)
        try:
            arguments[key] = _converted(value, known[key].annotation)
        except msgspec.MsgspecError as error:
            raise ConfigError(
                f"{used_by}: parameters.{key}: {error} [{ConfigError.Code}]\n  got: {value!r}"
            ) from error
    try:
        cls(**arguments)
    except (ValueError, LookupError) as error:
        raise ConfigError(
            f"{used_by}: the parameters of {name} are not valid: {error} [{ConfigError.Code}]"
        ) from error
    return lambda: cls(**arguments)


def _converted(value: Any, kind: Any) -> Any:
    """Return a value as an argument of that type; text for a mapping is JSON."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        value = msgspec.json.decode(value)
    return msgspec.convert(value, kind, strict=False)
