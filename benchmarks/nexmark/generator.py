"""Events of an auction house, as the Nexmark benchmark defines them, the same for the same seed.

Of 50 events one is a person, three are auctions and 46 are bids. Source of the proportions, of
the ids and of what is hot: the generator of https://github.com/nexmark/nexmark, as definitions.
What is drawn comes from Python's Mersenne Twister, so figures compare with runs of this program
and not, bid by bid, with those of others.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, Final

Event = dict[str, Any]

PROPORTIONS: Final = 50
AUCTIONS: Final = 3
FIRST_ID: Final = 1000
FIRST_CATEGORY: Final = 10
BASE_MS: Final = 1_436_918_400_000
"""15 July 2015, as in the definition."""

RATE: Final = 10_000
"""Events in one second of event time."""

OPEN_AUCTIONS: Final = 100
ACTIVE_PEOPLE: Final = 1000
GROUP_STEP: Final = 953
"""Prime to the sizes of groups: events of a group come in this order, modulo its size."""

_STATES = ("AZ", "CA", "ID", "OR", "WA", "WY")
_CITIES = (
    "Phoenix",
    "Los Angeles",
    "San Francisco",
    "Boise",
    "Portland",
    "Bend",
    "Redmond",
    "Seattle",
    "Kent",
    "Cheyenne",
)
_FIRST = [
    "Peter",
    "Paul",
    "Luke",
    "John",
    "Saul",
    "Vicky",
    "Kate",
    "Julie",
    "Sarah",
    "Deiter",
    "Walter",
]
_LAST = ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"]
_CHANNELS = ("Google", "Facebook", "Baidu", "Apple")


class Generator:
    """Makes `count` events.

    Args:
        count: how many.
        seed: of what is drawn.
        group: events of so many come out of order among themselves; 1: all in order.
    """

    def __init__(self, count: int, *, seed: int = 1, group: int = 1) -> None:
        self._count, self._group = count, group
        self._chance = random.Random(seed)
        self._open_ms = 1000 * OPEN_AUCTIONS * PROPORTIONS // AUCTIONS // RATE

    def __iter__(self) -> Iterator[Event]:
        group = self._group
        for n in range(self._count):
            number = n // group * group + n * GROUP_STEP % group
            if number < self._count:
                yield self.event(number)

    def event(self, number: int) -> Event:
        """Return the event of a number."""
        at_ms = BASE_MS + number * 1000 // RATE
        round_, offset = divmod(number, PROPORTIONS)
        last_auction = FIRST_ID + AUCTIONS * round_ + min(max(offset - 1, 0), AUCTIONS - 1)
        last_person = FIRST_ID + round_
        if offset == 0:
            return self._person(last_person, at_ms)
        if offset <= AUCTIONS:
            return self._auction(last_auction, last_person, at_ms)
        return self._bid(last_auction, last_person, at_ms)

    def _person(self, id: int, at_ms: int) -> Event:
        chance = self._chance
        name = f"{chance.choice(_FIRST)} {chance.choice(_LAST)}"
        return {
            "kind": "person",
            "at_ms": at_ms,
            "id": id,
            "name": name,
            "email": f"{name.replace(' ', '.').lower()}@example.org",
            "card": " ".join(f"{chance.randrange(10_000):04}" for _ in range(4)),
            "city": chance.choice(_CITIES),
            "state": chance.choice(_STATES),
        }

    def _auction(self, id: int, last_person: int, at_ms: int) -> Event:
        chance = self._chance
        price = self._price()
        return {
            "kind": "auction",
            "at_ms": at_ms,
            "id": id,
            "item": f"item-{id}",
            "initial": price,
            "reserve": price + self._price(),
            "expires_ms": at_ms + 1 + chance.randrange(2 * self._open_ms),
            "seller": self._someone(last_person, hot=0),
            "category": FIRST_CATEGORY + chance.randrange(5),
        }

    def _bid(self, last_auction: int, last_person: int, at_ms: int) -> Event:
        chance = self._chance
        if chance.random() < 0.5:
            auction = max(FIRST_ID, last_auction // 100 * 100)
        else:
            oldest = max(FIRST_ID, last_auction - OPEN_AUCTIONS)
            auction = chance.randint(oldest, last_auction + 10)
        channel = (
            chance.choice(_CHANNELS)
            if chance.random() < 0.5
            else f"channel-{chance.randrange(10_000)}"
        )
        return {
            "kind": "bid",
            "at_ms": at_ms,
            "auction": auction,
            "bidder": self._someone(last_person, hot=1),
            "price": self._price(),
            "channel": channel,
            "url": f"https://www.example.org/{channel}/item.htm?query=1",
        }

    def _someone(self, last_person: int, hot: int) -> int:
        if self._chance.random() < 0.75:
            return max(FIRST_ID, last_person // 100 * 100) + hot
        return self._chance.randint(max(FIRST_ID, last_person - ACTIVE_PEOPLE), last_person + 10)

    def _price(self) -> int:
        return round(100 * 10 ** (6 * self._chance.random()))
