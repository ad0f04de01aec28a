"""How a pipeline is held back from outside, and holds back others."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from .assembly import Assembly
from .flow import Flow


class Throttling(Assembly):
    """A pipeline as far as throttles are concerned."""

    Flow: Flow

    def __init__(self, app: Any, id: str | None = None, config: Any = None) -> None:
        super().__init__(app, id, config)
        self._throttles: set[Hashable] = set()
        self._ancestral_pipelines: set[Throttling] = set()

    def throttle(self, who: Hashable, enable: bool = True) -> None:
        """Hold the pipeline back for the reason `who`, or lift that reason."""
        if enable == (who in self._throttles):
            return
        if enable:
            self._throttles.add(who)
            self.Flow.gate.close(("throttle", who), announce=True)
        else:
            self._throttles.discard(who)
            self.Flow.gate.open(("throttle", who))
        for pipeline in self._ancestral_pipelines:
            pipeline.throttle(who, enable)

    def get_throttles(self) -> set[Hashable]:
        """Return for which reasons the pipeline is held back."""
        return self._throttles

    def link(self, ancestral_pipeline: Any, /) -> None:
        """Let this pipeline's throttles hold back `ancestral_pipeline` too."""
        self._ancestral_pipelines.add(ancestral_pipeline)
        for who in list(self._throttles):
            ancestral_pipeline.throttle(who)

    def unlink(self, ancestral_pipeline: Any, /) -> None:
        """Undo `link`; the throttles it had passed on are lifted."""
        if ancestral_pipeline not in self._ancestral_pipelines:
            return
        self._ancestral_pipelines.discard(ancestral_pipeline)
        for who in list(self._throttles):
            ancestral_pipeline.throttle(who, False)
