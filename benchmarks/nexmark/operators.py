"""What the queries need besides windows: state by key, in a few lines each."""

from __future__ import annotations

from typing import Any

from bspump.abc.keyed import Timer
from bspump.window import Aggregation, KeyedProcessor

Event = dict[str, Any]


class LocalSellers(KeyedProcessor):
    """Query 3: each auction of a category with its seller, whoever of both comes first."""

    def key(self, context: Any, event: Event, /) -> int:
        return int(event["id"] if event["kind"] == "person" else event["seller"])

    def new_state(self) -> Event:
        return {"person": None, "auctions": []}

    def process_keyed(self, state: Event, context: Any, event: Event, /) -> Any:
        if event["kind"] == "person":
            state["person"] = [event["name"], event["city"], event["state"]]
            auctions, state["auctions"] = state["auctions"], []
        elif state["person"] is None:
            state["auctions"].append(event["id"])
            return None
        else:
            auctions = [event["id"]]
        return [(*state["person"], auction) for auction in auctions]


class ClosedAuctions(KeyedProcessor):
    """Queries 4, 6 and 9: each auction with its winning bid, once it has expired.

    Bids may come before their auction. The highest price wins, of equal ones the earliest; only
    bids from the beginning of the auction until it expires count.
    """

    def key(self, context: Any, event: Event, /) -> int:
        return int(event["id"] if event["kind"] == "auction" else event["auction"])

    def new_state(self) -> Event:
        return {"auction": None, "bids": []}

    def process_keyed(self, state: Event, context: Any, event: Event, /) -> None:
        if event["kind"] == "bid":
            state["bids"].append([-event["price"], event["at_ms"], event["bidder"]])
            auction = state["auction"]
            if auction is not None:
                self._decide(state)
            return
        state["auction"] = {
            name: event[name] for name in ("category", "seller", "at_ms", "expires_ms")
        }
        self._decide(state)
        # A bid in the last millisecond still counts.
        self.set_timer("expires", event["expires_ms"] + 1)

    def _decide(self, state: Event) -> None:
        """Keep the best bid only."""
        first_ms, last_ms = state["auction"]["at_ms"], state["auction"]["expires_ms"]
        valid = [bid for bid in state["bids"] if first_ms <= bid[1] <= last_ms]
        state["bids"] = [min(valid)] if valid else []

    def on_timer(self, state: Event, key: int, timer: Timer, /) -> Event | None:
        self.forget()
        if not state["bids"]:
            return None
        price, at_ms, bidder = state["bids"][0]
        won = {"id": key, "price": -price, "bid_ms": at_ms, "bidder": bidder}
        return {**state["auction"], **won}


class AverageByCategory(KeyedProcessor):
    """Query 4: the average of winning prices by category, anew with each."""

    def key(self, context: Any, event: Event, /) -> int:
        return int(event["category"])

    def new_state(self) -> list[int]:
        return [0, 0]

    def process_keyed(self, state: list[int], context: Any, event: Event, /) -> tuple[int, float]:
        state[0] += 1
        state[1] += event["price"]
        return event["category"], state[1] / state[0]


class AverageOfLastTen(KeyedProcessor):
    """Query 6: the average of the winning prices of a seller's last ten auctions."""

    def key(self, context: Any, event: Event, /) -> int:
        return int(event["seller"])

    def new_state(self) -> list[Any]:
        return []

    def process_keyed(self, state: list[Any], context: Any, event: Event, /) -> tuple[int, float]:
        state.append([event["expires_ms"], event["id"], event["price"]])
        state.sort()
        del state[:-10]
        return event["seller"], sum(price for _, _, price in state) / len(state)


class BusiestAuctions(KeyedProcessor):
    """Query 5: of the counts of each window those that are the highest."""

    def key(self, context: Any, event: Event, /) -> int:
        return int(event["end_ms"])

    def new_state(self) -> Event:
        return {"bids": 0, "auctions": []}

    def process_keyed(self, state: Event, context: Any, event: Event, /) -> None:
        if event["bids"] > state["bids"]:
            state["bids"], state["auctions"] = event["bids"], [event["key"]]
            self.set_timer("end", event["end_ms"])
        elif event["bids"] == state["bids"]:
            state["auctions"].append(event["key"])

    def on_timer(self, state: Event, key: int, timer: Timer, /) -> Any:
        self.forget()
        return [(key, auction, state["bids"]) for auction in state["auctions"]]


class HighestBids(Aggregation):
    """Query 7: the highest price, and all bids that have it."""

    def create(self) -> list[Any]:
        return [-1, []]

    def add(self, accumulated: list[Any], value: Event, /) -> list[Any]:
        bid = [value["auction"], value["bidder"]]
        if value["price"] > accumulated[0]:
            return [value["price"], [bid]]
        if value["price"] == accumulated[0]:
            accumulated[1].append(bid)
        return accumulated

    def merge(self, accumulated: list[Any], other: list[Any], /) -> list[Any]:
        if other[0] == accumulated[0]:
            return [other[0], accumulated[1] + other[1]]
        return max(accumulated, [other[0], list(other[1])], key=lambda each: each[0])

    def result(self, accumulated: list[Any], /) -> list[Any]:
        return accumulated


class BidsWithAuction(KeyedProcessor):
    """Query 20: each bid with its auction, if that is of a category; either may come first."""

    def __init__(self, app: Any, pipeline: Any, category: int) -> None:
        super().__init__(app, pipeline)
        self._category = category

    def key(self, context: Any, event: Event, /) -> int:
        return int(event["id"] if event["kind"] == "auction" else event["auction"])

    def new_state(self) -> Event:
        return {"auction": None, "bids": []}

    def process_keyed(self, state: Event, context: Any, event: Event, /) -> Any:
        if event["kind"] == "bid":
            if state["auction"] is None:
                state["bids"].append([event["bidder"], event["price"], event["at_ms"]])
                return None
            bids = [[event["bidder"], event["price"], event["at_ms"]]]
        else:
            state["auction"] = [event["seller"], event["category"], event["item"]]
            bids, state["bids"] = state["bids"], []
        seller, category, item = state["auction"]
        if category != self._category:
            return None
        auction = self.key(context, event)
        return [(auction, *bid, seller, item) for bid in bids]
