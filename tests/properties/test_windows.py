"""What windows say is what a query over all events says, however they came and were cut."""

from __future__ import annotations

from collections import Counter
from functools import partial

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.windowing import disorder_ms, hear, streams

from bspump.window import (
    ApproxDistinct,
    ApproxQuantiles,
    ApproxTopK,
    Calendar,
    Collect,
    Count,
    Counted,
    Deviation,
    Distinct,
    Every,
    EveryCount,
    First,
    Global,
    Hopping,
    Last,
    Max,
    Mean,
    Min,
    Quantiles,
    Session,
    Sum,
    TopK,
    Tumbling,
    Variance,
    When,
    WindowAggregator,
)

RANKS = [0, 0.25, 0.5, 1]

EXACT = {
    "n": Count(),
    "values": Count("v"),
    "sum": Sum("v"),
    "least": Min("v"),
    "greatest": Max("v"),
    "mean": Mean("v"),
    "variance": Variance("v"),
    "of_all": Variance("v", population=True),
    "deviation": Deviation("v"),
    "first": First("v"),
    "last": Last("v"),
    "list": Collect("v"),
    "ids": Collect("id"),
    "distinct": Distinct("v"),
    "top": TopK("v", k=2),
    "quantiles": Quantiles("v", at=RANKS),
}

AGGREGATED = f"""
    SELECT k AS key, s AS start_ms, e AS end_ms, count(*) AS n, count(v) AS "values",
        sum(v) AS sum, min(v) AS least, max(v) AS greatest, avg(v) AS mean,
        var_samp(v) AS variance, var_pop(v) AS of_all, stddev_samp(v) AS deviation,
        first(v ORDER BY t, id) FILTER (v IS NOT NULL) AS first,
        last(v ORDER BY t, id) FILTER (v IS NOT NULL) AS last,
        coalesce(list(v ORDER BY t, id) FILTER (v IS NOT NULL), []) AS list,
        list(id ORDER BY t, id) AS ids, count(DISTINCT v) AS "distinct",
        quantile_cont(v, {RANKS}) AS quantiles
    FROM placed GROUP BY ALL
"""  # noqa: S608 - our own numbers

KINDS = {
    "tumbling": (
        Tumbling(0.05, offset=0.007),
        "SELECT *, t - (t + 43) % 50 AS s, s + 50 AS e FROM events",
    ),
    "hopping": (
        Hopping(0.05, every=0.02),
        """SELECT * FROM (
            SELECT *, unnest(range(-100, 400, 20)) AS s, s + 50 AS e FROM events
        ) WHERE s <= t AND t < e""",
    ),
    "session": (
        Session(0.02),
        """SELECT * EXCLUDE (number, is_new), min(t) OVER one AS s, max(t) OVER one + 20 AS e
        FROM (SELECT *, sum(is_new) OVER (PARTITION BY k ORDER BY t, id) AS number FROM (
            SELECT *, CASE WHEN t - lag(t) OVER (PARTITION BY k ORDER BY t, id) < 20
                THEN 0 ELSE 1 END AS is_new FROM events
        )) WINDOW one AS (PARTITION BY k, number)""",
    ),
    "counted": (
        Counted(4),
        """SELECT * EXCLUDE (number), min(t) OVER one AS s, max(t) OVER one + 1 AS e
        FROM (SELECT *, (row_number() OVER (PARTITION BY k ORDER BY id) - 1) // 4 AS number
            FROM events) WINDOW one AS (PARTITION BY k, number)""",
    ),
}

HOURS = 3_600_000
CHANGE_MS = {
    "Europe/Prague": 1_711_846_800_000,
    "America/New_York": 1_699_164_000_000,
    "Australia/Sydney": 1_712_419_200_000,
}
"""When clocks are set."""


def ask(events, placed, zone="UTC"):
    """Return what SQL says, with `placed` to say in which windows events are."""
    rows = ", ".join(
        f"({e['id']}, {e['at']}, '{e['k']}', {'NULL' if e['v'] is None else e['v']})"
        for e in events
    )
    if not rows:
        return []
    with duckdb.connect() as database:
        database.execute(f"SET TimeZone = '{zone}'")
        found = database.execute(
            f"WITH events AS (SELECT id, t::BIGINT AS t, k, v::INTEGER AS v"  # noqa: S608
            f" FROM (VALUES {rows}) AS given(id, t, k, v)), placed AS ({placed}) {AGGREGATED}"
        )
        names = [column[0] for column in found.description]
        answers = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    for answer in answers:
        most = sorted(Counter(answer["list"]).items(), key=lambda pair: (-pair[1], pair[0]))
        answer["top"] = [list(pair) for pair in most[:2]]
    return answers


def by_window(said):
    found = {}
    for event in said:
        where = event["key"], event["start_ms"], event["end_ms"], tuple(event["ids"])
        assert where not in found
        found[where] = {k: v for k, v in event.items() if k not in ("firing", "pane")}
    return found


def check_same(said, answers):
    found, expected = by_window(said), by_window(answers)
    assert found.keys() == expected.keys()
    for where, event in found.items():
        wanted = expected[where]
        exact = {k: v for k, v in event.items() if type(v) is not float}
        assert exact == {k: v for k, v in wanted.items() if k in exact}
        floats = {k: v for k, v in event.items() if k not in exact}
        assert floats == pytest.approx({k: wanted[k] for k in floats})


def windows(window, aggregate=EXACT, **choices):
    return partial(
        WindowAggregator, window=window, key="k", aggregate=aggregate, id="Windows", **choices
    )


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25)
@given(events=streams(), batch=st.integers(1, 12))
def test_windows_say_what_a_query_over_all_events_says(kind, events, batch):
    window, placed = KINDS[kind]
    heard = hear(windows(window), events, batch=batch)
    assert heard.late == 0
    check_same(heard.said, ask(events, placed))


@pytest.mark.parametrize("unit", ["day", "week", "month", "quarter", "year"])
@pytest.mark.parametrize("zone", CHANGE_MS)
@settings(max_examples=6)
@given(events=streams(), batch=st.integers(1, 12))
def test_windows_of_the_calendar_say_what_a_query_says(zone, unit, events, batch):
    step_ms = HOURS * (1 if unit == "day" else 200)
    events = [{**event, "at": CHANGE_MS[zone] + (event["at"] - 150) * step_ms} for event in events]
    placed = f"""SELECT *, epoch_ms(date_trunc('{unit}', make_timestamptz(t * 1000))) AS s,
        epoch_ms(date_trunc('{unit}', make_timestamptz(t * 1000)) + INTERVAL 1 {unit}) AS e
        FROM events"""  # noqa: S608 - our own names
    heard = hear(windows(Calendar(unit, zone=zone)), events, batch=batch)
    check_same(heard.said, ask(events, placed, zone))


# The same again, whatever happens meanwhile

CHOICES = {
    "tumbling": {"window": Tumbling(0.05)},
    "tumbling, early": {"window": Tumbling(0.05), "early": Every(0.02), "says": "retract"},
    "tumbling, each": {"window": Tumbling(0.05), "early": EveryCount(2), "says": "discard"},
    "tumbling, when": {"window": Tumbling(0.05), "early": When(lambda c, e: e["v"] == 1)},
    "hopping": {"window": Hopping(0.05, every=0.02)},
    "hopping, early": {"window": Hopping(0.05, every=0.02), "early": Every(0.03)},
    "session": {"window": Session(0.02)},
    "session, early": {"window": Session(0.02), "early": EveryCount(2), "says": "retract"},
    "session, each": {"window": Session(0.02), "early": Every(0.03), "says": "discard"},
    "calendar": {"window": Calendar("hour", zone="Asia/Kolkata")},
    "counted": {"window": Counted(4), "early": EveryCount(3), "says": "discard"},
    "global": {"window": Global(), "early": Every(0.04), "says": "retract"},
}
LATE = ["tumbling", "tumbling, early", "tumbling, each", "hopping", "session", "session, early"]

SKETCHED = {
    "ids": Collect("id"),
    "about": ApproxDistinct("v"),
    "often": ApproxTopK("v"),
    "middle": ApproxQuantiles("v"),
}


def choices(name, aggregate=EXACT, allowed=0.0):
    chosen = dict(CHOICES[name])
    return windows(chosen.pop("window"), aggregate, config={"allowed_lateness": allowed}, **chosen)


@pytest.mark.parametrize("name", CHOICES)
@settings(max_examples=12)
@given(
    events=streams(longest=60, last_ms=120, shortest=20),
    lateness_ms=st.integers(0, 60),
    batch=st.integers(1, 12),
    cuts=st.lists(st.tuples(st.integers(0, 60), st.booleans()), min_size=2, max_size=6),
    is_sketched=st.booleans(),
)
def test_batches_checkpoints_and_crashes_change_nothing(
    name, events, lateness_ms, batch, cuts, is_sketched
):
    allowed = 0.03 if name in LATE else 0
    make = choices(name, SKETCHED if is_sketched else EXACT, allowed)
    whole = hear(make, events, lateness_ms=lateness_ms)
    cut = hear(
        make,
        events,
        lateness_ms=lateness_ms,
        batch=batch,
        checkpoints=[n for n, is_crash in cuts if not is_crash],
        crashes=[n for n, is_crash in cuts if is_crash],
    )
    assert cut == whole
    finals = [e for e in whole.said if e["firing"] == "final" and not e.get("retracted")]
    ends = [event["end_ms"] for event in finals]
    if name.split(",")[0] not in ("counted", "global"):
        assert ends == sorted(ends)


# Late events, told by the letter

SIZE, STEP, GAP = 50, 20, 20


def told_aligned(events, lateness_ms, allowed_ms, step):
    """Return which events belong to which window, how many come after its end, how many nowhere."""
    newest, found, after, late = -(1 << 60), {}, 0, 0
    for event in events:
        newest = max(newest, event["at"])
        ends = [
            end
            for end in range(SIZE - 200, 600, step)
            if end - SIZE <= event["at"] < end and newest - lateness_ms < end + allowed_ms
        ]
        late += not ends
        after += sum(end <= newest - lateness_ms for end in ends)
        for end in ends:
            found.setdefault((event["k"], end - SIZE, end), []).append(event["id"])
    return {(*where, tuple(sorted(ids))) for where, ids in found.items()}, after, late


def told_sessions(events, lateness_ms, allowed_ms):
    """Return the same of sessions."""
    newest, opened, closed, after, late = -(1 << 60), [], [], 0, 0
    for event in events:
        newest = max(newest, event["at"])
        now, at, k = newest - lateness_ms, event["at"], event["k"]
        closed += [each for each in opened if each[2] + allowed_ms <= now]
        opened = [each for each in opened if each[2] + allowed_ms > now]
        near = [s for s in opened if s[0] == k and s[1] < at + GAP and at < s[2]]
        if not near and at + GAP + allowed_ms <= now:
            late += 1
            continue
        start = min([at, *(s[1] for s in near)])
        end = max([at + GAP, *(s[2] for s in near)])
        after += end <= now
        ids = [event["id"], *(one for s in near for one in s[3])]
        opened = [each for each in opened if each not in near] + [(k, start, end, ids)]
    found = {(k, start, end, tuple(sorted(ids))) for k, start, end, ids in closed + opened}
    return found, after, late


def where_of(event):
    return event["key"], event["start_ms"], event["end_ms"], tuple(sorted(event["ids"]))


TOLD = {
    "tumbling": (Tumbling(0.05), partial(told_aligned, step=SIZE)),
    "hopping": (Hopping(0.05, every=0.02), partial(told_aligned, step=STEP)),
    "session": (Session(0.02), told_sessions),
}


@pytest.mark.parametrize("kind", TOLD)
@settings(max_examples=40)
@given(
    events=streams(),
    lateness_ms=st.integers(0, 100),
    allowed_ms=st.sampled_from([0, 10, 45, 100]),
    early=st.sampled_from([None, Every(0.03)]),
)
def test_what_is_said_last_is_all_that_came_in_time(kind, events, lateness_ms, allowed_ms, early):
    window, tell = TOLD[kind]
    make = windows(
        window,
        {"ids": Collect("id")},
        early=early,
        says="retract",
        config={"allowed_lateness": allowed_ms / 1000},
    )
    said, late = hear(make, events, lateness_ms=lateness_ms)
    expected, after, expected_late = tell(events, lateness_ms, allowed_ms)
    holds = []
    for event in said:
        if event["retracted"]:
            holds.remove(where_of(event))
        else:
            holds.append(where_of(event))
    assert sorted(holds) == sorted(expected)
    assert late == expected_late
    assert sum(e["firing"] == "late" and not e["retracted"] for e in said) == after


@pytest.mark.parametrize(
    ("kind", "early"),
    [
        ("tumbling", EveryCount(2)),
        ("tumbling", Every(0.02)),
        ("session", EveryCount(2)),
        ("session", Every(0.02)),
        ("tumbling", When(lambda c, e: e["v"] == 2)),
    ],
)
@settings(max_examples=20)
@given(events=streams(), lateness_ms=st.integers(0, 100), allowed_ms=st.sampled_from([0, 40]))
def test_what_is_discarded_is_said_once(kind, early, events, lateness_ms, allowed_ms):
    window, tell = TOLD[kind]
    make = windows(
        window,
        {"ids": Collect("id")},
        early=early,
        says="discard",
        config={"allowed_lateness": allowed_ms / 1000},
    )
    said, late = hear(make, events, lateness_ms=lateness_ms)
    expected, _, expected_late = tell(events, lateness_ms, allowed_ms)
    ids = [one for event in said for one in event["ids"]]
    assert sorted(ids) == sorted(one for *_, each in expected for one in each)
    assert late == expected_late
    of_keys = {event["id"]: event["k"] for event in events}
    assert all(of_keys[one] == event["key"] for event in said for one in event["ids"])


@settings(max_examples=25)
@given(events=streams())
def test_a_window_that_never_ends_has_said_everything_at_the_end(events):
    heard = hear(windows(Global(), {"ids": Collect("id")}, early=EveryCount(3)), events)
    last = {event["key"]: event["ids"] for event in heard.said}
    in_time = sorted(events, key=lambda event: event["at"])
    assert last == {
        k: [event["id"] for event in in_time if event["k"] == k]
        for k in {event["k"] for event in events}
    }
    for key in last:
        panes = [event["pane"] for event in heard.said if event["key"] == key]
        assert panes == list(range(len(panes)))


@settings(max_examples=25)
@given(events=streams())
def test_no_more_is_out_of_order_than_the_lateness_that_is_needed(events):
    assert hear(windows(Tumbling(0.001)), events, lateness_ms=disorder_ms(events)).late == 0
