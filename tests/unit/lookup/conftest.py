"""An application that runs, whose clock stands still until the test moves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import bspump
from bspump.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
def clock() -> ManualClock:
    """Return the clock of `app`."""
    return ManualClock()


@pytest.fixture
async def app(clock: ManualClock) -> AsyncIterator[bspump.BSPumpApplication]:
    """Yield an application that runs."""
    application = bspump.BSPumpApplication(args=[], clock=clock)
    async with application.running():
        yield application
