"""Changes of rows as events: what the messages of a slot, in their order, amount to. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bspump.abc.errors import ProcessingError

from .pgoutput import (
    UNCHANGED,
    Begin,
    Commit,
    Delete,
    Insert,
    Message,
    Relation,
    Truncate,
    Update,
    Values,
)

Load = Callable[[bytes], Any]
LoadOf = Callable[[int], Load]
"""Returns what makes a value of its text, given the OID of its type."""

Event = dict[str, Any]

_CHANGES = (Insert, Update, Delete, Truncate)


def change(operation: str, schema: str, table: str, **known: Any) -> Event:
    """Return the event of a change; what is not `known` is `None`.

    Args:
        operation: `insert`, `update`, `delete`, `truncate`, or `snapshot` of what was there.
        schema: of the table.
        table: its name.
        known: `key`, `old` and `new` row, names of the `unchanged` columns that `new` lacks,
            `lsn` and time of the commit, number of the transaction and `sequence` in it.
    """
    return {
        "operation": operation,
        "schema": schema,
        "table": table,
        "key": None,
        "old": None,
        "new": None,
        "unchanged": [],
        "lsn": None,
        "sequence": None,
        "xid": None,
        "committed_ms": None,
        **known,
    }


class ChangeAssembler:
    """Makes events of messages. Position: the transactions that are complete, and events since.

    Args:
        load_of: returns what makes a value of its text.
        lsn: where the messages begin, after a complete transaction.
        skip: so many events after that are not returned again.

    Attributes:
        lsn: where the log goes on after the last complete transaction.
        events: how many events of the next one have been made.
    """

    def __init__(self, load_of: LoadOf, lsn: int = 0, skip: int = 0) -> None:
        self.lsn, self.events = lsn, 0
        self._load_of, self._skip = load_of, skip
        self._tables: dict[int, _Table] = {}
        self._transaction: Begin | None = None

    @property
    def is_between(self) -> bool:
        """Tell whether no transaction is under way."""
        return self._transaction is None

    def feed(self, message: Message) -> Sequence[Event]:
        """Return the events of one message, mostly one or none.

        Raises:
            ProcessingError: the message does not belong here.
        """
        if isinstance(message, _CHANGES):
            return self._changes(message)
        if isinstance(message, Begin):
            self._transaction = message
        elif isinstance(message, Commit):
            self._transaction = None
            self.lsn, self.events, self._skip = message.end_lsn, 0, 0
        else:
            self._tables[message.oid] = _Table(message, self._load_of)
        return ()

    def advance(self, lsn: int) -> None:
        """Take note that nothing is to come before `lsn`; only between transactions."""
        # What is to be skipped is counted from the last transaction on.
        if not self._skip:
            self.lsn, self.events = max(self.lsn, lsn), 0

    def _changes(self, message: Insert | Update | Delete | Truncate) -> Sequence[Event]:
        begin = self._transaction
        if begin is None:
            raise ProcessingError(f"a change outside of any transaction: {type(message).__name__}")
        if not isinstance(message, Truncate):
            return self._numbered([self._table(message.relation_oid).change(message)], begin)
        tables = [self._table(oid) for oid in message.relation_oids]
        return self._numbered([change("truncate", t.schema, t.name) for t in tables], begin)

    def _table(self, oid: int) -> _Table:
        if oid not in self._tables:
            raise ProcessingError(f"a change of a table that was not described, OID {oid}")
        return self._tables[oid]

    def _numbered(self, events: list[Event], begin: Begin) -> list[Event]:
        for event in events:
            self.events += 1
            event["lsn"], event["sequence"] = begin.commit_lsn, self.events
            event["xid"], event["committed_ms"] = begin.xid, begin.committed_us // 1000
        if not self._skip:
            return events
        return events[max(0, len(events) - max(0, self.events - self._skip)) :]


class _Table:
    """A table, and how its rows are read."""

    def __init__(self, relation: Relation, load_of: LoadOf) -> None:
        self.schema, self.name = relation.schema, relation.table
        self._columns = [(column.name, load_of(column.type_oid)) for column in relation.columns]
        self._keys = [column.name for column in relation.columns if column.is_key]

    def change(self, message: Insert | Update | Delete) -> Event:
        """Return the event of a change, still without what its transaction says."""
        if isinstance(message, Insert):
            new, _ = self._row(message.new)
            return change("insert", self.schema, self.name, key=self._key(new), new=new)
        if isinstance(message, Delete):
            old = self._old(message.old, is_full=message.is_full)
            return change("delete", self.schema, self.name, key=self._key(old), old=old)
        before = None if message.old is None else self._old(message.old, is_full=message.is_full)
        new, unchanged = self._row(message.new)
        if unchanged and before is not None:
            # Where the whole old row is sent, what is stored apart comes with it.
            new |= {name: before[name] for name in unchanged if name in before}
            unchanged = [name for name in unchanged if name not in before]
        return change(
            "update",
            self.schema,
            self.name,
            key=self._key(new),
            old=before,
            new=new,
            unchanged=unchanged,
        )

    def _key(self, row: Mapping[str, Any]) -> dict[str, Any] | None:
        return {name: row[name] for name in self._keys if name in row} or None

    def _old(self, values: Values, *, is_full: bool) -> dict[str, Any]:
        row, _ = self._row(values)
        # All but the key is sent as NULL where only the key is sent.
        return row if is_full else {name: row[name] for name in self._keys if name in row}

    def _row(self, values: Values) -> tuple[dict[str, Any], list[str]]:
        """Return the values by column, and the columns of which none was sent."""
        row: dict[str, Any] = {}
        unchanged: list[str] = []
        for (name, load), value in zip(self._columns, values, strict=True):
            if value is None:
                row[name] = None
            elif value is UNCHANGED:
                unchanged.append(name)
            else:
                row[name] = load(value)
        return row, unchanged
