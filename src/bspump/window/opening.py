"""Which class keeps windows of a kind."""

from __future__ import annotations

from bspump.windows.aligned_windows import AlignedWindows
from bspump.windows.counted_windows import CountedWindows
from bspump.windows.folding import Fold
from bspump.windows.open_windows import Manner, OpenWindows
from bspump.windows.session_windows import SessionWindows
from bspump.windows.spans import Aligned, Counted, Global, Session, Span


def open_windows(span: Span, fold: Fold, manner: Manner) -> OpenWindows:
    """Return what keeps windows of a kind; none is open yet.

    Args:
        span: which windows.
        fold: what is accumulated in them.
        manner: how they fire.

    Raises:
        ValueError: these choices do not go together.
    """
    if isinstance(span, Aligned):
        return AlignedWindows(span, fold, manner)
    if isinstance(span, Session):
        return SessionWindows(span, fold, manner)
    if isinstance(span, Counted | Global):
        return CountedWindows(span, fold, manner)
    raise ValueError(f"expected windows such as Tumbling or Session, got {span!r}")
