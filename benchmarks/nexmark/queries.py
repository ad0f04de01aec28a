"""Nexmark's queries as pipelines: what comes between the events and the sink."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from operators import (
    AverageByCategory,
    AverageOfLastTen,
    BidsWithAuction,
    BusiestAuctions,
    ClosedAuctions,
    HighestBids,
    LocalSellers,
)

from bspump.window import (
    Calendar,
    Count,
    EventTime,
    First,
    Hopping,
    Max,
    Mean,
    Min,
    Session,
    Sum,
    Tumbling,
    WindowAggregator,
)

Event = dict[str, Any]
Context = dict[str, Any]
Build = Callable[[Any, Any], list[Any]]

CHEAP, DEAR = 10_000, 1_000_000


def time(app: Any, pipeline: Any) -> EventTime:
    """Return the part that reads the time of events; they may be out of order by a second."""
    return EventTime(app, pipeline, "at_ms", config={"lateness": "1s", "max_skew": 0})


def only(*kinds: str) -> Callable[[Context, Event], Event | None]:
    """Return a processor that lets events of some kinds through."""

    def is_wanted(context: Context, event: Event) -> Event | None:
        return event if event["kind"] in kinds else None

    return is_wanted


def q0(app: Any, pipeline: Any) -> list[Any]:
    """All bids as they are."""
    return [only("bid"), _bid]


def _bid(context: Context, event: Event) -> Any:
    return event["auction"], event["bidder"], event["price"], event["at_ms"], event["channel"]


def q1(app: Any, pipeline: Any) -> list[Any]:
    """All bids, their price in euro: times 0.908."""
    return [only("bid"), _in_euro]


def _in_euro(context: Context, event: Event) -> Any:
    euro = event["price"] * 908 / 1000
    return event["auction"], event["bidder"], euro, event["at_ms"]


def q2(app: Any, pipeline: Any) -> list[Any]:
    """The prices of bids for some auctions."""
    return [only("bid"), _of_some_auctions]


def _of_some_auctions(context: Context, event: Event) -> Any:
    return (event["auction"], event["price"]) if event["auction"] % 123 == 0 else None


def q3(app: Any, pipeline: Any) -> list[Any]:
    """Who sells things of category 10 in Oregon, Idaho and California."""
    return [_local_sellers, LocalSellers(app, pipeline)]


def _local_sellers(context: Context, event: Event) -> Event | None:
    if event["kind"] == "person":
        return event if event["state"] in ("OR", "ID", "CA") else None
    return event if event["kind"] == "auction" and event["category"] == 10 else None


def closed_auctions(app: Any, pipeline: Any) -> ClosedAuctions:
    """Return the part that says what auctions were won for; bids for others are forgotten."""
    return ClosedAuctions(app, pipeline, config={"ttl": "10s"})


def q4(app: Any, pipeline: Any) -> list[Any]:
    """The average winning price by category, anew with each auction that closes."""
    return [
        time(app, pipeline),
        only("auction", "bid"),
        closed_auctions(app, pipeline),
        AverageByCategory(app, pipeline),
    ]


def q5(app: Any, pipeline: Any) -> list[Any]:
    """The auctions with most bids within ten seconds, every two seconds."""
    return [
        time(app, pipeline),
        only("bid"),
        WindowAggregator(
            app,
            pipeline,
            window=Hopping("10s", every="2s"),
            key="auction",
            aggregate={"bids": "count"},
        ),
        BusiestAuctions(app, pipeline),
    ]


def q6(app: Any, pipeline: Any) -> list[Any]:
    """The average price of a seller's last ten closed auctions, anew with each."""
    return [
        time(app, pipeline),
        only("auction", "bid"),
        closed_auctions(app, pipeline),
        AverageOfLastTen(app, pipeline),
    ]


def q7(app: Any, pipeline: Any) -> list[Any]:
    """The highest bids of each ten seconds."""
    highest = WindowAggregator(
        app, pipeline, window=Tumbling("10s"), aggregate={"highest": HighestBids()}
    )
    return [time(app, pipeline), only("bid"), highest, _highest]


def _highest(context: Context, event: Event) -> Any:
    price, bids = event["highest"]
    return event["end_ms"], price, tuple(sorted(map(tuple, bids)))


def q8(app: Any, pipeline: Any) -> list[Any]:
    """Who has come and begun to sell within the same ten seconds."""
    join = WindowAggregator(
        app,
        pipeline,
        window=Tumbling("10s"),
        key=_person_of,
        aggregate={"name": First("name_of_person"), "auctions": Count("auction_id")},
    )
    return [time(app, pipeline), only("person", "auction"), _sides, join, _both]


def _sides(context: Context, event: Event) -> Event:
    if event["kind"] == "person":
        return {"person": event["id"], "name_of_person": event["name"], "auction_id": None}
    return {"person": event["seller"], "name_of_person": None, "auction_id": event["id"]}


def _person_of(context: Context, event: Event) -> int:
    return int(event["person"])


def _both(context: Context, event: Event) -> Any:
    if event["name"] is None or not event["auctions"]:
        return None
    return event["key"], event["name"], event["start_ms"]


def q11(app: Any, pipeline: Any) -> list[Any]:
    """How often somebody bids without a pause of ten seconds."""
    sessions = WindowAggregator(
        app, pipeline, window=Session("10s"), key="bidder", aggregate={"bids": "count"}
    )
    return [time(app, pipeline), only("bid"), sessions, _session]


def _session(context: Context, event: Event) -> Any:
    return event["key"], event["bids"], event["start_ms"], event["end_ms"]


def q12(app: Any, pipeline: Any) -> list[Any]:
    """How often somebody bids within ten seconds of the wall clock."""
    windows = WindowAggregator(
        app,
        pipeline,
        window=Tumbling("10s"),
        clock="wall",
        key="bidder",
        aggregate={"bids": "count"},
    )
    return [only("bid"), windows, _count]


def _count(context: Context, event: Event) -> Any:
    return event["key"], event["bids"]


def q17(app: Any, pipeline: Any) -> list[Any]:
    """The bids of each auction and day: how many, by rank of their price, and what prices."""
    statistics = WindowAggregator(
        app,
        pipeline,
        window=Calendar("day"),
        key="auction",
        aggregate={
            "bids": "count",
            "cheap": Count(lambda _, bid: True if bid["price"] < CHEAP else None),
            "fair": Count(lambda _, bid: True if CHEAP <= bid["price"] < DEAR else None),
            "dear": Count(lambda _, bid: True if bid["price"] >= DEAR else None),
            "least": Min("price"),
            "most": Max("price"),
            "mean": Mean("price"),
            "sum": Sum("price"),
        },
    )
    return [time(app, pipeline), only("bid"), statistics, _statistics]


def _statistics(context: Context, event: Event) -> Any:
    names = ("key", "bids", "cheap", "fair", "dear", "least", "most", "mean", "sum")
    return tuple(event[name] for name in names)


def q20(app: Any, pipeline: Any) -> list[Any]:
    """Each bid with its auction, of category 10."""
    return [only("auction", "bid"), BidsWithAuction(app, pipeline, 10)]


QUERIES: Final[dict[str, Build]] = {
    "q0": q0,
    "q1": q1,
    "q2": q2,
    "q3": q3,
    "q4": q4,
    "q5": q5,
    "q6": q6,
    "q7": q7,
    "q8": q8,
    "q11": q11,
    "q12": q12,
    "q17": q17,
    "q20": q20,
}
