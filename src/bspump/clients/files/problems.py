"""What the operating system says about files, as instructions to the engine.

>>> problem = sort_problem(OSError(errno.ENOSPC, "No space left on device"), "write `out.json`")
>>> type(problem).__name__
'TransientError'
"""

from __future__ import annotations

import errno
from typing import Final

from bspump.abc.errors import ConfigError, TransientError

# What waiting does not cure. Whatever is not named here may pass: a full disk, a server that
# does not answer, too many open files.
_PERMANENT: Final = frozenset(
    {
        errno.EACCES,
        errno.EEXIST,
        errno.EINVAL,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.ENOTDIR,
        errno.EPERM,
        errno.EROFS,
    }
)

_ADVICE: Final = {
    errno.EACCES: "let the user of this process read and write there",
    errno.EDQUOT: "free space or raise the quota; it goes on by itself",
    errno.EEXIST: "a file is where a directory should be",
    errno.EISDIR: "name a file, not a directory",
    errno.EMFILE: "raise the limit of open files (`ulimit -n`)",
    errno.ENOSPC: "free space on that disk; it goes on by itself",
    errno.ENOTDIR: "a part of the path is a file and not a directory",
    errno.EPERM: "let the user of this process read and write there",
    errno.EROFS: "choose a path on a file system that can be written",
}


def transient_problem(error: OSError, doing: str) -> TransientError:
    """Return `error` as one that may pass; `doing` continues the words "cannot"."""
    return TransientError(_message(error, doing))


def sort_problem(error: OSError, doing: str) -> ConfigError | TransientError:
    """Return `error` as what it is: for the operator to change, or one that may pass."""
    if error.errno in _PERMANENT:
        return ConfigError(_message(error, doing))
    return transient_problem(error, doing)


def _message(error: OSError, doing: str) -> str:
    lines = [f"cannot {doing}: {error.strerror or error}"]
    if error.errno in _ADVICE:
        lines.append(f"  what to do: {_ADVICE[error.errno]}")
    return "\n".join(lines)
