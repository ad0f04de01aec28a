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
    name: str, parameters: Mapping[str, str], *, used_by: str
) -> Callable[[], Detector]:
    """Return what makes detectors of that name with these arguments.

    Raises:
        ConfigError: an argument is unknown or not valid; `used_by` begins the message.
    """
    cls = DETECTORS[name]
    known = inspect.signature(cls, eval_str=True).parameters
    arguments: dict[str, Any] = {}
    for key, text in parameters.items():
        if key not in known:
            raise UnknownNameError(f"parameter of {name}", key, used_by=used_by, known=known)
        try:
            arguments[key] = _converted(text, known[key].annotation)
        except msgspec.ValidationError as error:
            raise ConfigError(
                f"{used_by}: parameters.{key}: {error} [{ConfigError.Code}]\n  got: {text!r}"
            ) from error
    try:
        cls(**arguments)
    except (ValueError, LookupError) as error:
        raise ConfigError(
            f"{used_by}: the parameters of {name} are not valid: {error} [{ConfigError.Code}]"
        ) from error
    return lambda: cls(**arguments)


def _converted(text: str, kind: Any) -> Any:
    """Return `text` as an argument of that type; what is not a number or text is JSON."""
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError:
        if not isinstance(text, str) or not text.lstrip().startswith(("{", "[")):
            raise
        return msgspec.json.decode(text, type=kind, strict=False)
