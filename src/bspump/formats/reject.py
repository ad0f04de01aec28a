"""How the formats report what they cannot take: where, what was expected, what came.

>>> raise rejected("json", "a JSON document", b"{oops")
Traceback (most recent call last):
    ...
bspump.abc.errors.RejectedError: json: expected a JSON document, got b'{oops'
"""

from __future__ import annotations

import reprlib

from bspump.abc.errors import RejectedError

SHOWN_CHARACTERS = 80

# Looks at the beginning of large values only, so that a broken event of a megabyte is cheap.
_REPR = reprlib.Repr()
_REPR.maxdict = _REPR.maxlist = _REPR.maxtuple = _REPR.maxset = _REPR.maxfrozenset = 10
_REPR.maxstring = _REPR.maxlong = _REPR.maxother = SHOWN_CHARACTERS


def shorten(value: object) -> str:
    """Return `repr(value)`, cut to 80 characters; what is far from the start may be left out.

    >>> shorten(b"a" * 1_000_000)[-6:]
    'aaa...'
    """
    if isinstance(value, str | bytes | bytearray):
        shown = repr(value[: SHOWN_CHARACTERS + 1])
    else:
        try:
            shown = _REPR.repr(value)
        except ValueError:  # an integer of more digits than Python likes to write
            shown = f"<{type(value).__name__}>"
    return shown if len(shown) <= SHOWN_CHARACTERS else shown[: SHOWN_CHARACTERS - 3] + "..."


def rejected(where: str, expected: str, got: object, detail: str = "") -> RejectedError:
    """Return the error for one message: `where: expected …, got … (detail)`."""
    reason = f" ({detail})" if detail else ""
    return RejectedError(f"{where}: expected {expected}, got {shorten(got)}{reason}")
