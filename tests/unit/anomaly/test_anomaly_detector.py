"""The processor: from events to alerts, in the real engine."""

from __future__ import annotations

import math
from functools import partial

import msgspec
import pytest

from bspump.abc.errors import ConfigError, ConfigErrors
from bspump.abc.event_time import BEGIN_MS, CLOCK, EVENT_TIME, WATERMARK
from bspump.anomaly import (
    ADWIN,
    EWMA,
    AnomalyDetector,
    HalfSpaceTrees,
    SeasonalBaseline,
    ZScore,
)
from bspump.testing import Harness

USUAL = [10.0, 11.0, 9.0, 10.5, 9.5] * 8


def events(numbers, key="a", start_s=0):
    return [
        {"key": key, "at": (start_s + i) * 1000, "value": value} for i, value in enumerate(numbers)
    ]


async def found(given, config=None, make=AnomalyDetector, detector=None, *, is_finished=False):
    """Return what comes out, and what was counted of the processor."""
    config = {"key": "key", "time": "at"} | (config or {})
    async with Harness() as harness:
        pipeline = harness.chain(partial(make, detector=detector, config=config))
        harness.send(given)
        await harness.settle()
        if is_finished:
            await harness.finish()
        part = next(pipeline.iter_processors())
        return harness.out(), dict(part._counter.values)


def states(alerts):
    return [(alert["key"], alert["state"]) for alert in alerts]


async def test_an_incident_is_two_alerts_however_long_it_is():
    given = events(USUAL + [50.0] * 15 + USUAL)
    out, counts = await found(given)
    assert states(out) == [("a", "open"), ("a", "closed")]
    assert out[0]["incident"] == out[1]["incident"] == "Test.AnomalyDetector:1"
    assert (out[0]["since_ms"], out[1]["last_ms"], out[1]["count"]) == (40_000, 54_000, 15)
    assert out[0]["expected_low"] < 10 < out[0]["expected_high"] < 50
    assert out[0]["explanation"].startswith("50 is")
    assert counts == {
        "learning": 30,
        "scored": 65,
        "unscored": 0,
        "anomalous": 15,
        "incident.open": 1,
        "incident.ongoing": 0,
        "incident.closed": 1,
        "key.evicted": 0,
    }


async def test_each_key_has_its_own_model_or_all_have_one():
    given = [
        e
        for pair in zip(events(USUAL, "a"), events([x + 100 for x in USUAL], "b"), strict=True)
        for e in pair
    ]
    given += events([110.0], "a", 100)
    assert states((await found(given, detector=ZScore))[0]) == [("a", "open")]
    out, _ = await found(given, {"key": ""}, detector=ZScore)
    assert out == []


async def test_events_come_out_with_their_score_and_are_not_changed():
    given = events([*USUAL, 50.0])
    out, _ = await found(given, {"emit": "events"})
    assert [{k: v for k, v in e.items() if k != "anomaly"} for e in out] == given
    assert all("anomaly" not in e for e in given)
    assert out[0]["anomaly"] == {"state": "learning"}
    assert set(out[35]["anomaly"]) == {"state", "score", "expected_low", "expected_high"}
    assert out[35]["anomaly"]["state"] == "normal"
    assert out[-1]["anomaly"]["state"] == "anomalous"
    assert out[-1]["anomaly"]["incident"] == "Test.AnomalyDetector:1"
    assert "robust standard deviations" in out[-1]["anomaly"]["explanation"]


async def test_alerts_follow_the_event_that_caused_them():
    out, _ = await found(events([*USUAL, 50.0, 10.0]), {"emit": "all", "field": "how"})
    assert [e.get("state") or e["how"]["state"] for e in out[-4:]] == [
        "anomalous",
        "open",
        "normal",
        "closed",
    ]


@pytest.mark.parametrize("value", [None, "NA", float("nan"), float("inf"), 1e300, [1]])
async def test_an_event_without_a_number_goes_on_unscored(value):
    given = events([*USUAL, value, 10.0])
    out, counts = await found(given, {"emit": "events"})
    assert len(out) == len(given)
    assert out[-2]["anomaly"] == {"state": "unscored"}
    assert out[-1]["anomaly"]["state"] == "normal"
    assert counts["unscored"] == 1


async def test_a_number_may_be_text():
    out, _ = await found(events([*map(str, USUAL), "50.0"]))
    assert out[0]["value"] == 50.0


async def test_an_event_without_a_time_is_not_scored_where_time_is_needed():
    given = [*events(USUAL), {"key": "a", "at": "yesterday", "value": 50.0}]
    out, counts = await found(given)
    assert (out, counts["unscored"]) == ([], 1)


async def test_alerts_of_events_without_times_have_none():
    out, _ = await found(events([*USUAL, 50.0]), {"time": ""})
    assert [name for name in out[0] if name.endswith("_ms")] == []
    assert out[0]["count"] == 1


@pytest.mark.parametrize(
    ("config", "detector"), [({"incident.cool_down": "1m"}, None), ({}, SeasonalBaseline)]
)
async def test_where_time_is_needed_and_there_is_none_the_way_out_is_said(config, detector):
    async with Harness() as harness:
        pipeline = harness.chain(
            partial(AnomalyDetector, detector=detector, config=config), config={"on_error": "skip"}
        )
        await pipeline.process({"value": 1.0})
        assert "set `time`" in str(harness.errors[0].error)


def timed(given, lateness_s):
    """Return contexts as an event time processor writes them."""
    newest_ms, contexts = BEGIN_MS, []
    for event in given:
        newest_ms = max(newest_ms, event["at"])
        contexts.append({EVENT_TIME: event["at"], WATERMARK: newest_ms - lateness_s * 1000})
    return contexts


async def test_the_time_of_the_context_counts_where_no_field_is_named():
    given = [*events(USUAL), *events([50.0], start_s=40), *events([10.0] * 40, "b", 41)]
    async with Harness() as harness:
        config = {"key": "key", "incident.cool_down": "10s"}
        pipeline = harness.chain(partial(AnomalyDetector, config=config))
        # Time has come to 50 s with the event of 55 s, the fifteenth of them.
        await pipeline.process_many(given[:55], timed(given, 5)[:55])
        assert [alert["state"] for alert in harness.out()] == ["open"]
        await pipeline.process_many(given[55:56], timed(given, 5)[55:56])
        assert [alert["state"] for alert in harness.out()] == ["open", "closed"]
        assert harness.out()[1]["at_ms"] == 40_000


async def test_time_closes_incidents_where_no_event_does():
    given = [*events(USUAL), *events([50.0], start_s=40)]
    async with Harness() as harness:
        seen = []
        config = {"key": "key", "incident.cool_down": "10s"}
        pipeline = harness.chain(
            partial(AnomalyDetector, config=config), lambda context, event: seen.append(context)
        )
        await pipeline.process_many(given, timed(given, 5))
        part = next(pipeline.iter_processors())
        part.advance(49_999, 0)
        assert len(seen) == 1
        part.advance(50_000, 0)
        assert seen[1] == {EVENT_TIME: 50_000, WATERMARK: 49_999, CLOCK: part.locate_address()}
        assert part.rest_get()["Watermark"] == 50_000


async def test_an_error_in_a_report_that_no_event_has_caused_is_one_of_the_pipeline():
    class Broken(AnomalyDetector):
        def report(self, alert, event):
            if event is None:
                raise RuntimeError("no words")
            return alert

    given = events([*USUAL, 50.0])
    async with Harness() as harness:
        pipeline = harness.chain(partial(Broken, config={"incident.cool_down": "10s"}))
        await pipeline.process_many(given, timed(given, 5))
        next(pipeline.iter_processors()).advance(60_000, 0)
        assert "no words" in str(harness.errors[0].error)


async def test_typed_events_are_scored_too():
    class Reading(msgspec.Struct):
        key: str
        at: int
        value: float

    given = [Reading(**event) for event in events([*USUAL, 50.0])]
    out, _ = await found(given)
    assert states(out) == [("a", "open")]
    async with Harness() as harness:
        pipeline = harness.chain(
            partial(AnomalyDetector, config={"emit": "all"}), config={"on_error": "skip"}
        )
        await pipeline.process(given[0])
        assert "expected a mapping" in str(harness.errors[0].error)


async def test_a_silent_key_is_closed_when_time_moves_on_with_others():
    given = [*events(USUAL), *events([50.0], start_s=40), *events([10.0] * 3, "b", 50)]
    given += events([None], "b", 101)
    out, _ = await found(given, {"incident.cool_down": "1m"})
    assert states(out) == [("a", "open"), ("a", "closed")]


async def test_at_the_end_of_the_input_open_incidents_are_closed():
    out, _ = await found(events([*USUAL, 50.0]), is_finished=True)
    assert [(alert["state"], alert["reason"]) for alert in out] == [
        ("open", ""),
        ("closed", "the input has ended"),
    ]


async def test_groups_put_the_incidents_of_keys_together():
    keys = [f"sensor-{n}" for n in range(30)]
    given = [
        {"key": key, "at": i * 1000, "value": value, "hall": "H1"}
        for i, value in enumerate([*USUAL, 50.0, 51.0, 10.0])
        for key in keys
    ]
    out, _ = await found(given, {"group": "hall"})
    assert [(alert["group"], alert["state"], alert["count"]) for alert in out] == [
        ("H1", "open", 1),
        ("H1", "closed", 60),
    ]
    assert out[1]["keys"] == keys[:20]


async def test_keys_that_were_not_seen_for_longest_make_room():
    given = [e for n in range(10) for e in events(USUAL, f"k{n}", 100 * n)]
    given += events([50.0], "k0", 2000) + events([50.0], "k9", 2001)
    out, counts = await found(given, {"max_keys": 3})
    assert states(out) == [("k9", "open")]
    assert counts["key.evicted"] == 8


async def test_a_key_that_is_seen_again_stays():
    given = [e for key in "aba" for e in events(USUAL, key)]
    given += events(USUAL, "c") + events([50.0], "a", 50) + events([50.0], "b", 51)
    out, _ = await found(given, {"max_keys": 2})
    assert states(out)[0] == ("a", "open")
    assert len({alert["key"] for alert in out}) == 1


async def test_an_incident_of_a_key_that_makes_room_is_closed():
    given = events([*USUAL, 50.0]) + events([1.0], "b", 100)
    out, _ = await found(given, {"max_keys": 1})
    assert [(alert["state"], alert["reason"]) for alert in out] == [
        ("open", ""),
        ("closed", "its key was dropped: too many keys"),
    ]


LEVEL_SHIFT = USUAL + [30.0, 31.0, 29.0, 30.5, 29.5] * 30


async def test_what_is_learned_becomes_usual():
    after, _ = await found(events(LEVEL_SHIFT), detector=lambda: EWMA(half_life=10))
    assert states(after) == [("a", "open"), ("a", "closed")]
    assert after[1]["count"] < 10


async def test_only_what_is_normal_is_learned_until_it_has_lasted():
    config = {"learn": "normal", "adapt_after": 1000}
    out, _ = await found(events(LEVEL_SHIFT), config, detector=EWMA)
    assert states(out) == [("a", "open")]
    adapting, _ = await found(events(LEVEL_SHIFT), config | {"adapt_after": 50}, detector=EWMA)
    assert states(adapting) == [("a", "open"), ("a", "closed")]
    assert 50 < adapting[1]["count"] < 70


async def test_learning_before_scoring_makes_everything_a_bit_less_strange():
    given = events([*USUAL, 30.0])
    after, _ = await found(given, detector=ZScore)
    before, _ = await found(given, {"learn": "before"}, detector=ZScore)
    assert before[0]["score"] < after[0]["score"]


async def test_a_drift_is_reported_with_the_observation_that_completes_it():
    config = {"warm_up": 0}
    out, _ = await found(events([0.5, 0.6] * 100 + [0.9, 0.8] * 100), config, detector=ADWIN)
    assert states(out) == [("a", "open"), ("a", "closed")]
    assert "the mean moved from" in out[0]["explanation"]


async def test_several_fields_are_scored_together():
    given = [{"x": (i % 10) / 10, "y": (i % 10) / 10, "at": i} for i in range(300)] + [
        {"x": 0.0, "y": 0.95, "at": 300}
    ]
    config = {"value": "x, y", "key": "", "threshold.enter": 0.4}
    out, _ = await found(given, config, detector=lambda: HalfSpaceTrees(window=100))
    assert out[0]["value"] == {"x": 0.0, "y": 0.95}


async def test_methods_say_what_fields_cannot():
    class Mine(AnomalyDetector):
        def key(self, context, event):
            return event["key"].upper()

        def value(self, context, event):
            return event["value"] * 2

        def at_ms(self, context, event):
            return context.get("at_ms", 7)

        def report(self, alert, event):
            return (
                {"who": alert["key"], "what": event["value"]} if alert["state"] == "open" else None
            )

    out, _ = await found(events([*USUAL, 50.0, 10.0]), {"time": ""}, make=Mine)
    assert out == [{"who": "A", "what": 50.0}]


async def test_detectors_and_their_arguments_may_be_configured():
    config = {"detector": "zscore", "parameters.band": "50", "parameters.memory": 100}
    assert (await found(events([*USUAL, 30.0]), config))[0] == []
    out, _ = await found(events([*USUAL, 30.0]), {"detector": "zscore"})
    assert states(out) == [("a", "open")]


async def test_a_configured_forest_takes_its_limits_as_json():
    config = {
        "detector": "half_space_trees",
        "parameters.limits": '{"x": [0, 1], "y": [0, 1]}',
        "parameters.window": "50",
        "value": "x,y",
    }
    given = [{"x": 0.5, "y": 0.5, "at": i} for i in range(120)]
    out, _ = await found([*given, {"x": 0.9, "y": 0.1, "at": 200}], config | {"key": ""})
    assert len(out) == 1


@pytest.mark.parametrize(
    ("config", "detector", "message"),
    [
        ({"value": "x, y"}, ZScore, "takes single numbers"),
        ({"parameters.widow": "3"}, None, "did you mean 'window'"),
        ({"parameters.window": "many"}, None, "parameters.window"),
        ({"parameters.window": "2"}, None, "expected at least 3"),
        ({"detector": "seasonal", "parameters.zone": "Mars"}, None, "Mars"),
        ({"detector": "guesswork"}, None, "guesswork"),
    ],
)
async def test_options_that_do_not_fit_are_refused(config, detector, message):
    async with Harness() as harness:
        with pytest.raises((ConfigError, ConfigErrors), match=message):
            harness.chain(partial(AnomalyDetector, detector=detector, config=config))


async def test_it_shows_its_keys_its_threshold_and_its_incidents():
    async with Harness() as harness:
        pipeline = harness.chain(partial(AnomalyDetector, config={"key": "key"}))
        await pipeline.process_many(events([*USUAL, 50.0]))
        shown = next(pipeline.iter_processors()).rest_get()
        assert (shown["Keys"], shown["Threshold"]) == (1, 3.5)
        assert [incident["group"] for incident in shown["Incidents"]] == ["a"]


async def test_gauges_show_keys_incidents_and_the_threshold():
    async with Harness() as harness:
        config = {"key": "key", "threshold.rate": 0.1}
        pipeline = harness.chain(partial(AnomalyDetector, config=config))
        part = next(pipeline.iter_processors())
        values = part._gauge.values
        assert values == {"keys": 0, "incidents": 0, "threshold": math.inf}
        await pipeline.process_many(events(USUAL, "b") + events([*USUAL * 4, 50.0]))
        await harness.advance(1.1)
        assert (values["keys"], values["incidents"]) == (2, 1)
        assert 0.5 < values["threshold"] < 3
