"""What is wrong with rules: collected, so that one run shows all of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from bspump.abc.config import shown
from bspump.abc.errors import ConfigError, ConfigErrors, OptionError, nearest


@dataclass(slots=True)
class Problems:
    """Everything that was found so far."""

    found: list[ConfigError] = field(default_factory=list)

    def raise_all(self) -> None:
        """Raise ConfigErrors if there are any."""
        if self.found:
            raise ConfigErrors(self.found)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: which file, which rule, which key.

    Args:
        problems: where to report what is wrong with it.
        file: its name, and the number of the document where it has several.
        rule: its title, or its id.
        key: the way there through the rule.
    """

    problems: Problems
    file: str
    rule: str = "?"
    key: str = ""

    def at(self, key: object) -> Place:
        """Return the place of what is inside."""
        inner = f"{self.key}.{key}" if self.key else str(key)
        return Place(self.problems, self.file, self.rule, inner)

    def report(
        self, expected: str, got: Any, *, what: str = "", known: Collection[str] = ()
    ) -> None:
        """Note what is wrong here.

        Args:
            expected: what would have been right.
            got: what there is instead.
            what: the sentence that stands alone.
            known: names that would have been right.
        """
        error = OptionError(
            self.file,
            self.rule,
            self.key or "rule",
            expected=expected,
            got=shown("value", got),
            what=what or "the rule is not valid",
        )
        near = nearest(str(got), known)
        if near is not None:
            # `OptionError` itself offers what is near to the key; here the value is a name.
            error.args = (f"{error}\n  did you mean {near!r}?",)
        self.problems.found.append(error)
