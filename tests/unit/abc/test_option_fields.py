"""The types of options, in words."""

from __future__ import annotations

from typing import Annotated

import pytest
from msgspec import Meta

from bspump.abc.option_fields import Duration, describe


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (bool, "one of yes, no, on, off, true, false, 1, 0"),
        (
            Annotated[Duration, Meta(ge=1)],
            "a duration such as `10`, `250ms`, `5m` or `1h`, at least 1",
        ),
        (Annotated[float, Meta(gt=0, lt=1)], "a number, more than 0, less than 1"),
        (Annotated[str, Meta(min_length=1)], "text, of length 1 or more"),
        (int | str, "a whole number or text"),
        (list, "a list"),
    ],
)
def test_a_type_is_described_in_words(hint, words):
    assert describe(hint) == words
