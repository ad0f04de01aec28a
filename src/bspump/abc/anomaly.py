"""The contract of anomalies: something unusual that has a begin, symptoms, and an end."""

from __future__ import annotations

from typing import Any, ClassVar


class Anomaly(dict[str, Any]):
    """An anomaly of one key: a dict that is written as it is.

    `@timestamp` is when it began, Unix seconds, and `symptoms` are the events that belong to
    it, the last `MaxSymptoms` of them; `symptom_count` is how many there were. Where checkpoints
    are kept, all of it is plain data.
    """

    TYPE: ClassVar[str] = "default"
    """The type of anomalies that are of this class; `default` is every type without a class."""

    MaxSymptoms: ClassVar[int] = 1000

    Options: Any = None
    """What `read_options` has returned."""

    @classmethod
    def read_options(cls, app: Any) -> Any:
        """Override: read the configuration of the class; called once for each application."""
        return None

    def is_closed(self) -> bool:
        """Tell whether it has ended."""
        return self.get("status") == "closed"

    def close(self, now: float) -> None:
        """End it: set `ts_end`, its duration `D` in seconds, and `status`."""
        self["ts_end"] = now
        self["D"] = now - self["@timestamp"]
        self["status"] = "closed"

    def add_symptom(self, symptom: dict[str, Any]) -> None:
        """Take an event that belongs to it."""
        symptoms = self.setdefault("symptoms", [])
        symptoms.append(symptom)
        del symptoms[: -self.MaxSymptoms]
        self["symptom_count"] = self.get("symptom_count", 0) + 1

    async def on_tick(self, now: float) -> None:
        """Override: called now and then while it is open; close it if it is over."""
