"""Anomalies that end by what their symptoms say, or when there are no more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from msgspec import Meta

from bspump.abc.anomaly import Anomaly
from bspump.abc.config import parse_seconds
from bspump.abc.errors import ConfigError
from bspump.abc.options import Configurable, Options

if TYPE_CHECKING:
    from bspump.abc.host import Application

__all__ = ["Anomaly", "GeneralAnomaly"]

_SECTION = "GeneralAnomaly"
_BY_STATUS = "status"


class GeneralAnomalyOptions(Options, frozen=True, kw_only=True):
    """When general anomalies end."""

    close_rules: Annotated[
        str,
        Meta(description="`type:rule;type:rule`: `status` or a duration; `default` is all others."),
    ] = "default:status"


class _General(Configurable):
    OptionsClass = GeneralAnomalyOptions

    def __init__(self, app: Application) -> None:
        self._configure(app.Config, _SECTION, None)


class GeneralAnomaly(Anomaly):
    """An anomaly of any type that ends by a rule of its type.

    The rule `status` ends it when the last symptom has the `status` `closed`; a duration such
    as `60` or `5m` when the last symptom is older than that. Rules are the option `close_rules`
    of the section `GeneralAnomaly`.
    """

    TYPE = "default"

    @classmethod
    def read_options(cls, app: Application) -> dict[str, float | None]:
        """Return by type after how many seconds an anomaly ends, `None`: by its status.

        Raises:
            ConfigError: there is a rule that is none.
        """
        text: str = _General(app).Config["close_rules"]
        return dict(_rule(each) for each in text.split(";") if each.strip())

    async def on_tick(self, now: float) -> None:
        rules: dict[str, float | None] = self.Options or {}
        after_s = rules.get(self.get("type", self.TYPE), rules.get("default"))
        symptoms = self.get("symptoms")
        if not symptoms:
            return
        if after_s is None:
            is_over = symptoms[-1].get("status") == "closed"
        else:
            is_over = symptoms[-1].get("@timestamp", now) + after_s < now
        if is_over:
            self.close(now)


def _rule(text: str) -> tuple[str, float | None]:
    kind, colon, rule = (part.strip() for part in text.partition(":"))
    try:
        if not kind or not colon:
            raise ValueError("Expected `type:rule`")  # noqa: TRY301 - to be said in one place
        return kind, None if rule == _BY_STATUS else parse_seconds(rule)
    except ValueError as error:
        raise ConfigError(
            f"[{_SECTION}] close_rules: expected rules such as 'default:status;login:5m', "
            f"got {text!r} ({error})"
        ) from error
