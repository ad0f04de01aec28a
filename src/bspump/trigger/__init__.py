"""Triggers: what starts the cycles of a `TriggerSource`. `CronTrigger` needs the extra `cron`."""

from __future__ import annotations

from bspump.abc.trigger import Trigger

from .opportunistic import OpportunisticTrigger
from .pubsub import PubSubTrigger
from .timed import CronTrigger, PeriodicTrigger, RunOnceTrigger

__all__ = [
    "CronTrigger",
    "OpportunisticTrigger",
    "PeriodicTrigger",
    "PubSubTrigger",
    "RunOnceTrigger",
    "Trigger",
]
