"""Sigma rules as processors of a pipeline."""

from __future__ import annotations

from functools import partial

import pytest
import yaml

from bspump.abc.errors import ConfigError, ConfigErrors
from bspump.sigma import SigmaDetector, SigmaFilter
from bspump.testing import Harness, virtual_time
from bspump.testing.contracts import ProcessorContract, ProcessorTarget
from bspump.window import EventTime


def rule(title, selection, condition="s", **more):
    detection = {"s": selection, "condition": condition}
    return {"title": title, "logsource": {"product": "x"}, "detection": detection, **more}


SHELL = rule("Shell", {"Image|endswith": "/sh"}, id="a1", level="high", tags=["t"], name="shell")
ROOT = rule("Root", {"user": "root"})
EVENTS = [
    {"n": 0, "Image": "/bin/sh", "user": "root"},
    {"n": 1, "Image": "/bin/ls", "user": "ann"},
    {"n": 2, "Image": "/bin/ls", "user": "root"},
]


def alert(event, title):
    if title == "Shell":
        return {"rule_id": "a1", "title": "Shell", "level": "high", "tags": ["t"], "event": event}
    return {"rule_id": "Root", "title": "Root", "level": "medium", "tags": [], "event": event}


class TestSigmaFilter(ProcessorContract):
    @pytest.fixture
    def target(self):
        return ProcessorTarget(
            make=partial(SigmaFilter, rules=[SHELL, ROOT]),
            events=EVENTS,
            expected=[EVENTS[0], EVENTS[2]],
        )


class TestSigmaDetector(ProcessorContract):
    @pytest.fixture
    def target(self):
        return ProcessorTarget(
            make=partial(SigmaDetector, rules=[SHELL, ROOT]),
            events=EVENTS,
            expected=[
                alert(EVENTS[0], "Shell"),
                alert(EVENTS[0], "Root"),
                alert(EVENTS[2], "Root"),
            ],
        )


async def outcome(events, *parts):
    async with Harness() as harness:
        harness.chain(*parts)
        harness.send(events)
        await harness.settle()
        return harness.out()


@virtual_time
async def test_what_matches_may_be_dropped_instead():
    part = partial(SigmaFilter, rules=[SHELL, ROOT], config={"drop": "yes"})
    assert await outcome(EVENTS, part) == [EVENTS[1]]


@virtual_time
async def test_everything_can_be_said_by_options(tmp_path):
    documents = [
        rule("A", {"User|expand": "%admins%"}),
        rule("B", {"User": "bob"}, level="low"),
        rule("C", {"User": "bob"}) | {"logsource": {"category": "dns"}},
        rule("D", {"User": "bob"}) | {"logsource": {"service": "ssh"}},
    ]
    for number, document in enumerate(documents):
        (tmp_path / f"{number}.yml").write_text(yaml.safe_dump(document))
    config = {
        "rules": f"{tmp_path}/0.yml, {tmp_path}/1.yml, {tmp_path}/2.yml, {tmp_path}/3.yml",
        "fields.User": "who.name",
        "logsource.category": "auth",
        "logsource_fields.service": "unit",
        "placeholders.admins": "ann, bob",
        "level": "medium",
    }
    async with Harness() as harness:
        pipeline = harness.chain(partial(SigmaDetector, config=config))
        harness.send([{"who": {"name": "bob"}}, {"who.name": "Bob", "unit": "SSH"}])
        await harness.settle()
        assert [alert["title"] for alert in harness.out()] == ["A", "A", "D"]
        shown = pipeline.locate_processor("SigmaDetector").rest_get()
        assert (shown["Rules"], shown["LeftOut"], shown["Unanchored"]) == (2, 2, 0)


@virtual_time
async def test_an_alert_has_the_time_of_its_event():
    seen = []

    def note(context, event):
        seen.append(context["event_time_ms"])
        return event

    clock = partial(EventTime, time="at", config={"max_skew": 0})
    events = [event | {"at": 1000 + event["n"]} for event in EVENTS]
    await outcome(events, clock, partial(SigmaDetector, rules=ROOT), note)
    assert seen == [1000, 1002]


@virtual_time
async def test_a_report_of_ones_own_may_leave_alerts_out():
    class Titles(SigmaDetector):
        def report(self, rule, event):
            return (rule.title, event["n"]) if rule.level == "high" else None

    assert await outcome(EVENTS, partial(Titles, rules=[SHELL, ROOT])) == [("Shell", 0)]


async def test_without_rules_or_with_an_unknown_log_source_it_is_refused():
    with pytest.raises(ConfigError, match="it is not said where the rules are"):
        Harness().chain(SigmaFilter)
    config = {"logsource.os": "x"}
    with pytest.raises(
        ConfigError, match="a log source has category, product, service, but no 'os'"
    ):
        Harness().chain(partial(SigmaFilter, rules=ROOT, config=config))
    with pytest.raises(ConfigErrors, match=r"\[\?\] title"):
        Harness().chain(partial(SigmaFilter, rules=rule("", {"a": 1})))
