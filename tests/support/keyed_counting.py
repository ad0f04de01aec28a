"""A keyed processor that does what events say, and how to run it."""

from __future__ import annotations

from functools import partial

from bspump.abc.event_time import EVENT_TIME, WATERMARK
from bspump.abc.keyed import KeyedProcessor


class Count(KeyedProcessor):
    """Counts by key, and does what events say."""

    def key(self, context, event):
        return event["key"]

    def new_state(self):
        return {"count": 0}

    def process_keyed(self, state, context, event):
        state["count"] += 1
        for name, *arguments in event.get("do", ()):
            if name == "fail":
                raise ValueError("asked to")
            getattr(self, name)(*arguments)
        return [event["key"], state["count"]] if event.get("say") == "list" else self.say(state)

    def say(self, state):
        return f"{self._key}:{state['count']}"

    def on_timer(self, state, key, timer):
        if timer.name == "fail":
            raise ValueError("asked to")
        if timer.name == "again":
            self.set_timer("again", timer.at_ms + 10, timer.clock)
        if timer.name == "stuck":
            self.set_timer("stuck", timer.at_ms, timer.clock)
        if timer.name == "forget":
            self.forget()
        if timer.name == "silent":
            return None
        if timer.name == "many":
            return [1, 2]
        return f"{key} {timer.name} {timer.at_ms}"


def at(at_ms, watermark_ms=None):
    return {EVENT_TIME: at_ms, WATERMARK: at_ms if watermark_ms is None else watermark_ms}


def counting(harness, config=None, part=Count):
    pipeline = harness.chain(partial(part, config=config))
    return next(p for p in pipeline.iter_processors() if isinstance(p, KeyedProcessor))


async def feed(harness, *events):
    """Send (key, time, what to do...) and wait until all is done."""
    made = [{"key": key, "do": do} for key, _, *do in events]
    contexts = [{} if at_ms is None else at(at_ms) for _, at_ms, *_ in events]
    harness.send(made, contexts=contexts)
    await harness.settle()
