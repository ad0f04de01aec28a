"""Random values: whole numbers between two bounds, or one of a list."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta

from bspump.abc.errors import ConfigError
from bspump.abc.options import Options


class ValueOptions(Options, frozen=True, kw_only=True):
    """Which numbers are drawn where no list is given."""

    lower_bound: Annotated[int, Meta(description="The least number.")] = 0
    upper_bound: Annotated[int, Meta(description="The greatest number.")] = 1000


class Values:
    """Draws values; `random` may be seeded to draw the same ones again.

    Args:
        owner: names the part in errors.

    Raises:
        ConfigError: there is nothing to draw from.
    """

    def __init__(self, owner: object, choice: Sequence[Any] | None, options: ValueOptions) -> None:
        self.random = random.Random()
        self._choice = None if choice is None else list(choice)
        self._lower, self._upper = options.lower_bound, options.upper_bound
        if self._choice is None and self._lower > self._upper:
            raise ConfigError(
                f"{owner!r}: lower_bound: expected at most upper_bound={self._upper}, "
                f"got {self._lower}"
            )
        if self._choice is not None and not self._choice:
            raise ConfigError(f"{owner!r}: choice: expected one value or more, got none")

    def draw(self) -> Any:
        """Return the next value."""
        if self._choice is None:
            return self.random.randint(self._lower, self._upper)
        return self.random.choice(self._choice)
