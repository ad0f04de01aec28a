"""Pieces of SQL. Names are quoted, so they are written as the server stores them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bspump.abc.errors import ConfigError


def quoted(name: str) -> str:
    """Return a name as SQL writes it.

    >>> print(quoted("order"), quoted('an "odd" name'))
    "order" "an ""odd"" name"

    Raises:
        ConfigError: no name can be like that.
    """
    if not name or "\x00" in name:
        raise ConfigError(f"expected the name of a table or column, got {name!r}")
    return '"{}"'.format(name.replace('"', '""'))


def quoted_table(name: str) -> str:
    """Return the name of a table, with or without its schema, as SQL writes it.

    >>> quoted_table("public.orders"), quoted_table("orders")
    ('"public"."orders"', '"orders"')
    """
    return ".".join(quoted(part) for part in name.split(".", 1))


def quoted_list(names: Iterable[str]) -> str:
    """Return names as SQL lists them.

    >>> quoted_list(["id", "name"])
    '"id", "name"'
    """
    return ", ".join(map(quoted, names))


def literal(text: str) -> str:
    """Return a text as SQL and the replication protocol write it.

    >>> literal("it's")
    "'it''s'"
    """
    return "'{}'".format(text.replace("'", "''"))


def verbatim(query: str) -> str:
    """Return a query of the user as part of one that has parameters.

    A semicolon at its end is left out.

    >>> verbatim("SELECT * FROM t WHERE name LIKE 'a%';")
    "SELECT * FROM t WHERE name LIKE 'a%%'"
    """
    return query.strip().rstrip(";").rstrip().replace("%", "%%")


def insert(table: str, columns: Sequence[str], key: Sequence[str]) -> str:
    """Return the statement that inserts a row, or changes the one that has its key.

    >>> print(insert("t", ["id"], ["id"]))
    INSERT INTO "t" ("id") VALUES (%s) ON CONFLICT ("id") DO NOTHING
    """
    rest = [quoted(column) for column in columns if column not in key]
    changes = ", ".join(f"{column} = EXCLUDED.{column}" for column in rest)
    values = ", ".join(["%s"] * len(columns))
    names = escaped(quoted_list(columns))
    action = f"UPDATE SET {changes}" if changes else "NOTHING"
    return (
        f"INSERT INTO {escaped(quoted_table(table))} ({names}) VALUES ({values})"  # noqa: S608
        f" ON CONFLICT ({escaped(quoted_list(key))}) DO {escaped(action)}"
    )


def escaped(text: str) -> str:
    """Return a piece of SQL as part of a statement that has parameters."""
    return text.replace("%", "%%")


def in_from(query: str) -> str:
    """Return a query of the user as something to select from."""
    return f"({verbatim(query)}) AS bspump_query"


def _compared(columns: Sequence[str]) -> list[str]:
    return [escaped(quoted(column)) for column in columns]


def _texts(names: Sequence[str]) -> str:
    # With names of their own, so that ORDER BY means the columns and not these.
    return ", ".join(f"{name}::text AS bspump_{n}" for n, name in enumerate(names))


def select_between(
    source: str, columns: Sequence[str], comparisons: Sequence[str], count: int
) -> str:
    """Return the query of the next rows in the order of `columns`.

    The values of `columns` come last in each row, as text.

    Args:
        source: what is selected from.
        columns: by which rows are ordered; none of them may be NULL.
        comparisons: of a row with as many parameters, such as `>`.
        count: rows at the most; those that are equal to the last in a single column come too.
    """
    names = _compared(columns)
    row, texts = ", ".join(names), _texts(names)
    holders = ", ".join(["%s"] * len(names))
    conditions = [f"{name} IS NOT NULL" for name in names]
    conditions += [f"({row}) {comparison} ({holders})" for comparison in comparisons]
    # What is cut off within equal values of a single column would never be read.
    ties = "WITH TIES" if len(names) == 1 else "ONLY"
    return (
        f"SELECT *, {texts} FROM {source} WHERE {' AND '.join(conditions)}"  # noqa: S608
        f" ORDER BY {row} FETCH FIRST {count} ROWS {ties}"
    )


def select_newest(source: str, columns: Sequence[str]) -> str:
    """Return the query of the last row in the order of `columns`: their values as text."""
    names = _compared(columns)
    texts = _texts(names)
    conditions = " AND ".join(f"{name} IS NOT NULL" for name in names)
    backwards = ", ".join(f"{name} DESC" for name in names)
    return (
        f"SELECT {texts} FROM {source} WHERE {conditions}"  # noqa: S608 - names are quoted
        f" ORDER BY {backwards} LIMIT 1"
    )


def type_of(expression: str, source: str) -> str:
    """Return the query of the type of an expression, whether or not there are rows."""
    return (
        f"SELECT pg_typeof({expression})::text"  # noqa: S608 - the user's SQL, as it is meant
        f" FROM (SELECT) AS nothing LEFT JOIN {source} ON false"
    )


def select_any(statement: str, source: str, key: str, key_type: str) -> str:
    """Return the query of all rows with one of several keys, given as an array of texts.

    Each row begins with the places that its key has in the array, counted from 1. The array is
    the parameter, twice.
    """
    array = f"%s::text[]::{key_type}[]"
    return (
        f"SELECT array_positions({array}, {key}), {statement}"  # noqa: S608 - as it is meant
        f" FROM {source} WHERE {key} = ANY({array})"
    )
