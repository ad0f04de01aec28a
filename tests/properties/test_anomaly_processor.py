"""The processor: cut anywhere and restored it reports the same, whatever its options."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bspump.abc.errors import ProcessingError
from bspump.abc.event_time import EVENT_TIME, WATERMARK
from bspump.abc.state import PartState
from bspump.anomaly import ADWIN, AnomalyDetector, RobustZScore, SeasonalBaseline, ZScore
from bspump.state.plain import decode, encode
from bspump.testing import Harness

DETECTORS = {
    "zscore": ZScore,
    "robust": lambda: RobustZScore(window=5),
    "seasonal": lambda: SeasonalBaseline(least_count=2),
    "adwin": lambda: ADWIN(clock=1, delta=0.9, least_part=2),
}


def placed(drawn):
    """Return events whose times go on by steps, now and then back."""
    at_ms, found = 0, []
    for step_s, event in drawn:
        at_ms += 1000 * (step_s or 0)
        found.append(event | {"at": None if step_s is None else at_ms})
    return found


observations = st.fixed_dictionaries(
    {
        "key": st.sampled_from(["a", "b", "c", "d", None, 1]),
        "group": st.sampled_from(["x", "y"]),
        "value": st.sampled_from([1.0, 1.5, 2.0, 2.5, 3.0, 50.0, 60.0]) | st.none(),
    }
)
steps = st.integers(0, 3) | st.sampled_from([-4, 7, 40]) | st.none()
events = st.lists(st.tuples(steps, observations), max_size=60).map(placed)
options = st.fixed_dictionaries(
    {
        "key": st.just("key"),
        "time": st.sampled_from(["at", ""]),
        "group": st.sampled_from(["", "group"]),
        "learn": st.sampled_from(["usual", "after", "before", "normal"]),
        "adapt_after": st.integers(1, 5),
        "warm_up": st.integers(0, 3),
        "emit": st.sampled_from(["alerts", "events", "all"]),
        "max_keys": st.integers(1, 6),
        "threshold.enter": st.sampled_from([0.0, 1.5]),
        "threshold.rate": st.sampled_from([0.0, 0.2]),
        "incident.min_events": st.integers(1, 2),
        "incident.min_duration": st.sampled_from([0, 2]),
        "incident.cool_down": st.sampled_from([0, 5, 30]),
        "incident.repeat": st.sampled_from([0, 3]),
    }
)


@pytest.fixture(scope="module")
def make():
    """Return what makes processors of an application that does not run."""

    async def enter():
        harness = Harness()
        return harness, harness.chain(lambda context, event: event)

    loop = asyncio.new_event_loop()
    harness, pipeline = loop.run_until_complete(enter())

    def make_one(name, config):
        part = AnomalyDetector(harness.app, pipeline, DETECTORS[name], config=config)
        for metric in (part._counter, part._gauge):
            harness.app.MetricsService.remove(metric)
        return part

    yield make_one
    loop.close()


class Store:
    """Keeps snapshots as a checkpoint does, as bytes."""

    def __init__(self):
        self.version, self.value, self.keyed = 1, None, {}

    def keep(self, part):
        snapshot = part.snapshot()
        if snapshot is None:
            return
        self.version = snapshot.version
        self.value = encode(snapshot.value, of="a test")
        for key in snapshot.removed:
            self.keyed.pop(encode(key, of="a test"), None)
        for key, value in snapshot.changed.items():
            self.keyed[encode(key, of="a test")] = encode(value, of="a test")

    def bring_back(self, part):
        if self.value is None:
            return part
        keyed = {decode(key): decode(value) for key, value in sorted(self.keyed.items())}
        part.restore(PartState(version=self.version, value=decode(self.value), keyed=keyed))
        return part


def out(part, stream):
    """Return what comes out; where the times of contexts are needed, events without fail."""
    found = []
    for event in stream:
        at_ms = event["at"]
        context = {} if at_ms is None else {EVENT_TIME: at_ms, WATERMARK: at_ms - 5000}
        try:
            found += part.generate(context, event, 1)
        except ProcessingError:
            assert at_ms is None
    return found


@pytest.mark.parametrize("name", DETECTORS)
@given(stream=events, config=options, data=st.data())
def test_a_stream_cut_and_restored_anywhere_gives_the_same(make, name, stream, config, data):
    whole, part, store = make(name, config), make(name, config), Store()
    expected, found = out(whole, stream), []
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=4).map(sorted))
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += out(part, stream[begin:end])
        store.keep(part)
        if data.draw(st.booleans()):
            part = store.bring_back(make(name, config))
    assert found == expected
    store.keep(part)
    whole_state = Store()
    whole_state.keep(whole)
    assert (store.value, store.keyed) == (whole_state.value, whole_state.keyed)


@given(stream=events, config=options)
def test_an_incident_opens_once_and_closes_once(make, stream, config):
    part = make("zscore", config | {"emit": "alerts"})
    seen = {}
    for alert in out(part, stream):
        before = seen.get(alert["incident"])
        assert (before, alert["state"]) in {
            (None, "open"),
            ("open", "ongoing"),
            ("open", "closed"),
            ("ongoing", "ongoing"),
            ("ongoing", "closed"),
        }
        seen[alert["incident"]] = alert["state"]
    shown = part.rest_get()["Incidents"]
    assert len(shown) == sum(state != "closed" for state in seen.values())
    assert part._watch.open_count == len(shown)


@given(stream=events, config=options)
def test_no_more_keys_are_kept_than_allowed(make, stream, config):
    part, store = make("zscore", config), Store()
    for event in stream:
        out(part, [event])
        store.keep(part)
        assert len(store.keyed) == part.rest_get()["Keys"] <= config["max_keys"]
        assert len(part._watch._incidents.snapshot()["incidents"]) <= config["max_keys"]
