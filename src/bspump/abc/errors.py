"""The errors of bspump, complete. A type is an instruction to the engine, not a label.

::

    PumpError
    ├── ConfigError (ValueError)         the operator must change something, before work starts
    │   ├── OptionError                  one option of one section is wrong or unknown
    │   ├── UnknownNameError (LookupError)    a declaration refers to something that is not defined
    │   ├── DuplicateNameError (RuntimeError) two things were registered under one name
    │   ├── MissingExtraError (ImportError)   an optional library is not installed
    │   └── ConfigErrors                 all of the above that were found, together
    ├── ProcessingError (RuntimeError)   an event cannot be processed
    │   └── CrashError                   the process died of it, more than once
    └── TransferError                    something outside did not do as asked
        ├── NotConnectedError            connect again, then repeat
        ├── TransientError               wait `retry_after_s` or longer, then repeat
        ├── RejectedError                it will never be accepted: set it aside
        ├── PartialWriteError            each event of a batch has its own error
        └── ExhaustedError               all attempts were used up

Anything else that is raised is a bug and stays one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from typing import Any


class PumpError(Exception):
    """The root of all errors that bspump raises on purpose.

    Whatever its constructor takes, it survives copying and pickling with all its facts.
    """

    Code = "P000"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.args), self.__dict__


def nearest(name: str, known: Collection[str]) -> str | None:
    """Return the one of `known` that `name` was probably meant to be; case does not matter."""
    folded = {candidate.casefold(): candidate for candidate in sorted(known)}
    found = get_close_matches(name.casefold(), folded, n=1)
    return folded[found[0]] if found else None


def _restore(cls: type[PumpError], args: tuple[Any, ...]) -> PumpError:
    error: PumpError = cls.__new__(cls, *args)
    error.args = args
    return error


class ConfigError(PumpError, ValueError):
    """The configuration or the program must be changed; repeating does not help."""

    Code = "C001"


class OptionError(ConfigError):
    """One option is wrong or unknown: where it stands, what was expected, what came.

    Args:
        place: file and line, or what else the value comes from.
        section: of the configuration.
        key: of the option.
        expected: what is valid.
        got: what came instead; the caller sees to it that it is no secret.
        known: names that would have been valid; the one nearest to `key` is offered.
        what: the sentence that stands alone in a log.
    """

    Code = "C002"

    def __init__(
        self,
        place: str,
        section: str,
        key: str,
        *,
        expected: str,
        got: str,
        known: Collection[str] = (),
        what: str = "the value is not valid",
    ) -> None:
        self.place, self.section, self.key = place, section, key
        self.expected, self.got = expected, got
        near = nearest(key, known)
        super().__init__(
            "\n".join(
                [
                    f"{place}: [{section}] {key}: {what} [{self.Code}]",
                    f"  expected: {expected}",
                    f"  got: {got}",
                    *([f"  did you mean {near!r}?"] if near else []),
                ]
            )
        )


class UnknownNameError(ConfigError, LookupError):
    """A declaration refers to something that is not defined."""

    Code = "C012"

    def __init__(self, kind: str, name: str, *, used_by: str, known: Collection[str] = ()) -> None:
        self.kind, self.name, self.used_by, self.known = kind, name, used_by, sorted(known)
        near = nearest(name, known)
        super().__init__(
            "\n".join(
                [
                    f"{kind} {name!r} is not defined [{self.Code}]",
                    f"  used by: {used_by}",
                    f"  defined: {', '.join(map(repr, self.known)) or 'none'}",
                    *([f"  did you mean {near!r}?"] if near else []),
                ]
            )
        )


class DuplicateNameError(ConfigError, RuntimeError):
    """Two things were registered under one name; the second was refused."""

    Code = "C013"

    def __init__(self, kind: str, name: str, *, first: str, second: str) -> None:
        self.kind, self.name = kind, name
        super().__init__(
            f"{kind} {name!r} is registered already [{self.Code}]\n"
            f"  registered: {first}\n  refused: {second}\n"
            f"  what to do: give one of them another Id"
        )


class MissingExtraError(ConfigError, ImportError):
    """An optional library is not installed; the message has the command that installs it."""

    Code = "C020"

    def __init__(self, package: str, extra: str) -> None:
        self.package, self.extra = package, extra
        super().__init__(
            f"the package {package!r} is not installed [{self.Code}]\n"
            f"  what to do: pip install 'bspump[{extra}]'"
        )


class ConfigErrors(ConfigError):  # noqa: N818 - it is several
    """Every configuration error that was found, so that one run shows them all."""

    Code = "C000"

    def __init__(self, errors: Sequence[ConfigError]) -> None:
        self.errors = tuple(errors)
        count = f"{len(self.errors)} configuration error{'s' if len(self.errors) != 1 else ''}"
        lines = [f"{count} [{self.Code}]", *(str(error) for error in self.errors)]
        super().__init__("\n".join(lines))


class ProcessingError(PumpError, RuntimeError):
    """An event cannot be processed."""

    Code = "P001"


class CrashError(ProcessingError):
    """The process died more than once while nothing but this event was on its way."""

    Code = "P002"


class TransferError(PumpError):
    """A system outside did not do as asked."""

    Code = "T000"


class NotConnectedError(TransferError):
    """The connection is gone: connect again, then repeat what was asked."""

    Code = "T001"


class TransientError(TransferError):
    """It may succeed later: repeat after `retry_after_s` seconds or more."""

    Code = "T002"

    def __init__(self, message: str, *, retry_after_s: float = 0.0) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class RejectedError(TransferError):
    """It will never be accepted as it is: set it aside, go on with its neighbours."""

    Code = "T003"


class PartialWriteError(TransferError):
    """Some events of a batch failed, each for its own reason; all others were written.

    Args:
        errors: by the event's index in the batch, `TransientError` or `RejectedError`.
    """

    Code = "T004"

    def __init__(self, errors: Mapping[int, TransientError | RejectedError]) -> None:
        self.errors = dict(errors)
        first = next(iter(self.errors.values()), None)
        count = "1 event was" if len(self.errors) == 1 else f"{len(self.errors)} events were"
        super().__init__(f"{count} not written; the first: {first}")

    @property
    def rejected(self) -> list[int]:
        """Indexes that will never be accepted, ascending."""
        return sorted(i for i, e in self.errors.items() if isinstance(e, RejectedError))

    @property
    def transient(self) -> list[int]:
        """Indexes worth another attempt, ascending."""
        return sorted(i for i, e in self.errors.items() if isinstance(e, TransientError))

    @property
    def retry_after_s(self) -> float:
        """The longest wait that any of the transient errors asks for."""
        waits = (e.retry_after_s for e in self.errors.values() if isinstance(e, TransientError))
        return max(waits, default=0.0)


class ExhaustedError(TransferError):
    """All attempts were used up; nothing of what is left may be acknowledged."""

    Code = "T005"
