"""Lets pytest explain the asserts of the contracts; imported before any of them."""

from __future__ import annotations

import sys

if "pytest" in sys.modules:
    sys.modules["pytest"].register_assert_rewrite(
        *(f"bspump.testing.contracts.{name}" for name in ("base", "codec", "lookup", "processor")),
        *(f"bspump.testing.contracts.{name}" for name in ("sink", "source")),
        *(f"bspump.testing.contracts.{name}" for name in ("dead_letters", "state")),
        *(f"bspump.testing.contracts.{name}" for name in ("state_data", "state_target")),
    )
