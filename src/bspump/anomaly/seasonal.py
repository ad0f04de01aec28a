"""A detector that knows the hour of the day and of the week."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal
from zoneinfo import ZoneInfo

from .detector import UNKNOWN, Detector, Observation, Score, number
from .gaussian import deviation_score
from .moments import Moments

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class SeasonalBaseline(Detector):
    """Score by the distance from what is usual at this hour, in standard deviations.

    Mean and deviation are kept for each hour of the week, by the clocks of a time zone: people
    live by them, so the hour that daylight saving repeats is one hour, seen twice. As long as an
    hour of the week was seen fewer than `least_count` times, that hour of all days is looked at;
    as long as that is not known either, nothing is expected.

    State: three numbers for each hour of the day and each hour of the week that was seen; 192
    times three at the most.

    Args:
        zone: name of the time zone.
        cycle: `week`, or `day` if all days are alike.
        memory: observations of an hour after which older ones fade; 0: never.
        least_count: observations of an hour before it is known.
        band: so many standard deviations around the mean are expected.
        least_deviation: the standard deviation is taken for at least this.

    Raises:
        ZoneInfoNotFoundError: there is no such time zone.
    """

    needs_time: ClassVar[bool] = True

    def __init__(
        self,
        zone: str = "UTC",
        cycle: Literal["day", "week"] = "week",
        memory: int = 0,
        least_count: int = 10,
        band: float = 3.0,
        least_deviation: float = 0.0,
    ) -> None:
        if cycle not in {"day", "week"}:
            raise ValueError(f"cycle: expected 'day' or 'week', got {cycle!r}")
        if memory < 0 or memory == 1:
            raise ValueError(f"memory: expected 0 or at least 2, got {memory}")
        self.usual_threshold = band
        self._zone_name = zone
        self._zone = ZoneInfo(zone)
        self._has_week = cycle == "week"
        self._memory = memory
        self._least_count = max(least_count, 2)
        self._least = least_deviation
        self._days: dict[int, Moments] = {}
        self._weeks: dict[int, Moments] = {}

    def shape(self) -> dict[str, Any]:
        return {"zone": self._zone_name}

    def score_one(self, x: Observation, at_ms: int | None = None, /) -> Score:
        hour, hour_of_week = self._slots(at_ms)
        found = self._weeks.get(hour_of_week)
        when = f"{_DAYS[hour_of_week // 24]}s at {hour:02}"
        if found is None or found.count < self._least_count:
            found = self._days.get(hour)
            when = f"all days at {hour:02}"
        if found is None or found.count < self._least_count:
            return UNKNOWN
        reason = f"{{:.6g}} is {{:.3g}} standard deviations from {{:.6g}}, the mean of {when} h"
        deviation = max(found.deviation, self._least)
        return deviation_score(number(x), found.mean, deviation, self.usual_threshold, reason)

    def learn_one(self, x: Observation, at_ms: int | None = None, /) -> None:
        x = number(x)
        hour, hour_of_week = self._slots(at_ms)
        self._of(self._days, hour).add(x)
        if self._has_week:
            self._of(self._weeks, hour_of_week).add(x)

    def _of(self, slots: dict[int, Moments], slot: int) -> Moments:
        found = slots.get(slot)
        if found is None:
            found = slots[slot] = Moments(self._memory)
        return found

    def _slots(self, at_ms: int | None) -> tuple[int, int]:
        if at_ms is None:
            raise TypeError("SeasonalBaseline: expected the time of the observation, got none")
        local = datetime.fromtimestamp(at_ms / 1000, self._zone)
        return local.hour, local.weekday() * 24 + local.hour

    def snapshot(self) -> Any:
        return {
            "days": {slot: moments.snapshot() for slot, moments in self._days.items()},
            "weeks": {slot: moments.snapshot() for slot, moments in self._weeks.items()},
        }

    def restore(self, state: Any, version: int, /) -> None:
        self._restore_into(self._days, state["days"])
        if self._has_week:
            self._restore_into(self._weeks, state["weeks"])

    def _restore_into(self, slots: dict[int, Moments], state: Mapping[int, Any]) -> None:
        for slot, moments in state.items():
            self._of(slots, slot).restore(moments)
