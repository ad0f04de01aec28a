"""What `docs/errors.md` says an error looks like is what it looks like."""

from __future__ import annotations

import pytest

from bspump.abc.errors import PumpError


def test_every_example_raises_what_is_printed_below_it(blocks_of):
    examples = blocks_of("errors.md")
    assert [block.language for block in examples] == ["python", "text"] * (len(examples) // 2)
    for python, text in zip(examples[::2], examples[1::2], strict=True):
        code = python.heading.partition(":")[0]
        with pytest.raises(PumpError) as caught:
            exec(compile(python.text, code, "exec"), {})  # noqa: S102 - an example of ours
        assert str(caught.value) == text.text.rstrip("\n")
        assert caught.value.Code == code or f"[{code}]" in text.text
