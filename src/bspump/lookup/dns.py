"""Names and addresses from the Domain Name System."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from msgspec import Meta

from bspump.abc.errors import NotConnectedError, TransientError
from bspump.abc.extras import require
from bspump.abc.options import Duration
from bspump.clients.lookups.keyed import Answer, KeyedLookup, KeyedLookupOptions

if TYPE_CHECKING:
    from bspump.abc.host import Application

Record = Literal["A", "AAAA", "PTR", "TXT"]

# What makes a name of no use, by the name of the library's constant: it never will be known.
_UNKNOWN: Final = ("ENOTFOUND", "ENODATA", "EBADNAME")
_NO_SERVER: Final = ("ECONNREFUSED", "ECANCELLED", "EDESTRUCTION")

# The library remembers answers as well, however many: after so many it starts anew.
_QUERIES_PER_RESOLVER = 100_000

# RFC 1035 and RFC 3596.
_TYPES: Final = {"A": 1, "PTR": 12, "TXT": 16, "AAAA": 28}

_READ: Final[dict[str, Callable[[Any], str]]] = {
    "A": lambda data: data.addr,
    "AAAA": lambda data: data.addr,
    "PTR": lambda data: data.dname,
    "TXT": lambda data: data.data.decode("utf-8", "replace"),
}


class DNSLookupOptions(KeyedLookupOptions, frozen=True, kw_only=True):
    """What is asked for, whom, and for how long."""

    record: Annotated[
        Record,
        Meta(description="`A`, `AAAA`: addresses of a name; `PTR`: name of an address; `TXT`."),
    ] = "A"
    servers: Annotated[
        tuple[str, ...],
        Meta(description="Name servers, `address` or `address:port`; empty: the system's."),
    ] = ()
    attempt_timeout: Annotated[
        Duration, Meta(description="Seconds until a server is asked again.")
    ] = 2.0
    tries: Annotated[int, Meta(ge=1, description="How often each server is asked.")] = 3
    concurrency: Annotated[int, Meta(ge=1, description="Requests under way at the same time.")] = (
        100
    )


class DNSLookup(KeyedLookup):
    """What name servers say of a name or an address.

    With `record` A, AAAA and TXT the key is a name and the value a list of texts, in the order
    of the answer; with PTR the key is an address and the value its name, without the last dot.
    A name that does not exist, has no such record or is none has no value (`None`); that is
    remembered for `negative_age`. Answers are remembered for as long as they say (TTL), but at
    most for `cache_age`. A server that fails or does not answer is a `TransientError`. The hosts
    file is not looked into. Needs the extra `dns`.
    """

    OptionsClass = DNSLookupOptions
    Options: DNSLookupOptions

    def __init__(
        self,
        app: Application,
        id: str | None = None,
        config: Mapping[str, Any] | None = None,
        lazy: bool = False,
    ) -> None:
        super().__init__(app, id, config, lazy)
        self._library = require("aiodns", extra="dns")
        self._resolver: Any = None
        self._queries = 0

    async def fetch(self, key: Any, /) -> Answer | None:
        record = self.Options.record
        name = reverse_name(key) if record == "PTR" else str(key)
        if name is None or not name.strip("."):
            return None
        try:
            # As long as it is held here, a resolver that was given up goes on to the answer.
            resolver = self._opened()
            result = await resolver.query_dns(name, record)
        except self._library.error.DNSError as error:
            self._raise_unless_unknown(key, error)
            return None
        except UnicodeError:
            return None
        return self._answer(result)

    async def close(self) -> None:
        await super().close()
        if self._resolver is not None:
            resolver, self._resolver = self._resolver, None
            await resolver.close()

    def _opened(self) -> Any:
        self._queries += 1
        if self._resolver is None or self._queries > _QUERIES_PER_RESOLVER:
            self._queries = 1
            options = self.Options
            self._resolver = self._library.DNSResolver(
                nameservers=options.servers or None,
                timeout=options.attempt_timeout,
                tries=options.tries,
            )
        return self._resolver

    def _answer(self, result: Any) -> Answer | None:
        record = self.Options.record
        found = [each for each in result.answer if each.type == _TYPES[record]]
        if not found:
            return None
        values = [_READ[record](each.data) for each in found]
        # A name may have been followed through others; the shortest-lived of them counts.
        age_s = min(self.Options.cache_age, *(each.ttl for each in result.answer))
        return Answer(values[0] if record == "PTR" else values, float(age_s))

    def _raise_unless_unknown(self, key: Any, error: Exception) -> None:
        code, said = (*error.args, "", "")[:2]
        errors = self._library.error
        if code in {getattr(errors, f"ARES_{name}") for name in _UNKNOWN}:
            return
        where = f"lookup {self.Id!r}: {self.Options.record} of {str(key)!r}: {said}"
        if code in {getattr(errors, f"ARES_{name}") for name in _NO_SERVER}:
            raise NotConnectedError(where) from error
        raise TransientError(where) from error


def reverse_name(address: Any) -> str | None:
    """Return the name under which the name of an address is found; `None`: it is no address.

    >>> reverse_name("192.0.2.5"), reverse_name("x")
    ('5.2.0.192.in-addr.arpa', None)
    """
    try:
        return ip_address(address).reverse_pointer
    except ValueError:
        return None
