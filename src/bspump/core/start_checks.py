"""What is looked at before pipelines start: whether all fits, and what is promised."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bspump.abc.errors import ConfigError, ConfigErrors

from . import error_checks
from .guarantees import guarantee_of, unmet
from .log import get_logger
from .service import Service

if TYPE_CHECKING:
    from .application import BSPumpApplication
    from .pipeline import Pipeline

log = get_logger(__name__)


class StartChecks(Service):
    """Refuses to start what cannot work as it was configured, and logs what each pipeline promises.

    It comes before everything that changes something outside.
    """

    def __init__(self, app: BSPumpApplication, service_name: str = "bspump.StartChecks") -> None:
        super().__init__(app, service_name)

    async def initialize(self, app: BSPumpApplication) -> None:
        pipelines = list(app.PumpService.Pipelines.values())
        errors = [error for pipeline in pipelines for error in problems_of(pipeline)]
        if errors:
            raise ConfigErrors(errors)
        for pipeline in pipelines:
            guarantee = guarantee_of(pipeline)
            fields: dict[str, Any] = {}
            if weakest := guarantee.weakest():
                # All of them are what `bspump check` shows.
                fields["because"] = f"{weakest[0].part}: {weakest[0].why}"
                if len(weakest) > 1:
                    fields["more"] = len(weakest) - 1
            log.info("guarantee", pipeline=pipeline.Id, promise=guarantee.promise.words, **fields)
            log.debug(guarantee.text())

    def check(self, pipeline: Pipeline) -> None:
        """Look at one pipeline before it starts.

        Raises:
            ConfigErrors: what has to be changed.
        """
        errors = list(problems_of(pipeline))
        if errors:
            raise ConfigErrors(errors)


def problems_of(pipeline: Pipeline) -> Iterator[ConfigError]:
    """Yield what has to be changed before a built pipeline can start."""
    yield from error_checks.problems_of(pipeline)
    yield from unmet(pipeline)
