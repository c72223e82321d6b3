"""The frozen member list inside a database session, and the predicates that ask it.

A session holds two temporary tables, typed like the person's key: ``domicile_members`` and
``domicile_unknown`` (persons whose country nobody wrote down). They are created outside the
read-only mode of the session and vanish with it; nothing permanent is written. A standby makes no
tables at all: there the lists are settings of the session, one for each column of the key.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import psycopg
from psycopg import sql

from domicile.people.hops import Hop
from domicile.people.paths import PersonPath
from domicile.people.values import held_values, key_values, names_somebody, parent_values
from domicile.sites.postgres import Column, Table, table_identifier, table_rows

__all__ = [
    "LISTED",
    "MEMBERS",
    "UNKNOWN",
    "Listed",
    "Lists",
    "belongs",
    "lists_of_standby",
    "load_listed",
    "load_people",
    "orphaned",
    "set_listed",
    "set_people",
]

MEMBERS = "domicile_members"
UNKNOWN = "domicile_unknown"
LISTED = "domicile_listed"
"""Some of the members, in a session that tells these apart."""
Listed = str | sql.Composable
"""The name of a session's table of persons, or a query in its stead."""


class Lists(NamedTuple):
    """Where a session has the persons that its queries ask for."""

    members: Listed = MEMBERS
    unknown: Listed = UNKNOWN
    listed: Listed = LISTED


def load_listed(
    connection: psycopg.Connection,
    people: Table,
    key: Sequence[str],
    persons: Iterable[Sequence[str]],
) -> None:
    """Tell these members apart, given as key values in text. Commits."""
    columns = [people.column(name) for name in key]
    with connection.cursor() as cursor:
        cursor.execute(_creating(LISTED, columns))
        with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(_temp(LISTED))) as copy:
            for values in persons:
                copy.write_row(values)
        cursor.execute(sql.SQL("ANALYZE {}").format(_temp(LISTED)))
    connection.commit()


def load_people(
    connection: psycopg.Connection,
    people: Table,
    key: Sequence[str],
    persons: Iterable[tuple[Sequence[str], bool | None]],
) -> None:
    """Fill the session's tables from (key values as text, member?) pairs; persons known to belong
    elsewhere (False) are passed over. Commits."""
    columns = [people.column(name) for name in key]
    with connection.cursor() as cursor:
        for name in (MEMBERS, UNKNOWN):
            cursor.execute(_creating(name, columns))
        unknown: list[Sequence[str]] = []
        with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(_temp(MEMBERS))) as copy:
            for values, member in persons:
                if member:
                    copy.write_row(values)
                elif member is None:
                    unknown.append(values)
        with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(_temp(UNKNOWN))) as copy:
            for values in unknown:
                copy.write_row(values)
        cursor.execute(sql.SQL("ANALYZE {}, {}").format(_temp(MEMBERS), _temp(UNKNOWN)))
    connection.commit()


def _creating(name: str, columns: Sequence[Column]) -> sql.Composed:
    return sql.SQL("CREATE TEMP TABLE {} ({}, PRIMARY KEY ({}))").format(
        sql.Identifier(name),
        sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.type))
            for column in columns
        ),
        sql.SQL(", ").join(sql.Identifier(column.name) for column in columns),
    )


def set_people(
    connection: psycopg.Connection,
    key: Sequence[str],
    persons: Iterable[tuple[Sequence[str], bool | None]],
) -> None:
    """As `load_people`, into settings of the session: what `in_settings` reads. Commits."""
    connection.execute("SET enable_nestloop = off")  # nobody knows how long the lists are
    chosen = [(values, member) for values, member in persons if member is not False]
    for name, kind in ((MEMBERS, True), (UNKNOWN, None)):
        _set(connection, name, key, [values for values, member in chosen if member is kind])
    connection.commit()


def set_listed(
    connection: psycopg.Connection, key: Sequence[str], persons: Iterable[Sequence[str]]
) -> None:
    """As `load_listed`, into settings of the session. Commits."""
    _set(connection, LISTED, key, list(persons))
    connection.commit()


def _set(
    connection: psycopg.Connection, name: str, key: Sequence[str], chosen: Sequence[Sequence[str]]
) -> None:
    for place in range(len(key)):
        connection.execute(
            "SELECT pg_catalog.set_config(%s, CAST(CAST(%s AS text[]) AS text), false)",
            (_setting(name, place), [values[place] for values in chosen]),
        )


def lists_of_standby(people: Table, key: Sequence[str]) -> Lists:
    """Where a session on a standby has them: in its settings."""
    return Lists(*(_in_settings(name, people, key) for name in (MEMBERS, UNKNOWN, LISTED)))


def _in_settings(listed: str, people: Table, key: Sequence[str]) -> sql.Composed:
    """The persons that `set_people` left under the name of a table, as a query of their keys."""
    columns = [sql.Identifier(f"part_{place}") for place in range(len(key))]
    return sql.SQL("(SELECT {} FROM ROWS FROM ({}) AS listed ({}))").format(
        sql.SQL(", ").join(
            sql.SQL("CAST({} AS {}) AS {}").format(
                column, sql.SQL(people.column(name).type), sql.Identifier(name)
            )
            for column, name in zip(columns, key, strict=True)
        ),
        sql.SQL(", ").join(
            sql.SQL("pg_catalog.unnest(CAST(pg_catalog.current_setting({}) AS text[]))").format(
                sql.Literal(_setting(listed, place))
            )
            for place in range(len(key))
        ),
        sql.SQL(", ").join(columns),
    )


def _setting(listed: str, place: int) -> str:
    return f"domicile.{listed}_{place}"


def belongs(
    paths: Sequence[PersonPath], key: Sequence[str], alias: str, listed: Listed = MEMBERS
) -> sql.Composable:
    """Whether the row ``alias`` belongs to a person of ``listed``, through any of ``paths``.
    Null where the row names no person: negate with ``IS NOT TRUE``."""
    return sql.SQL("({})").format(
        sql.SQL(" OR ").join(_through(path.hops, key, alias, listed) for path in paths)
    )


def orphaned(paths: Sequence[PersonPath], key: Sequence[str], alias: str) -> sql.Composable:
    """Whether the row ``alias`` names somebody, by any of ``paths``, of whom this database knows
    nothing: a soft hop on the way leads nowhere. Foreign keys always lead somewhere."""
    ways = [way for path in paths if (way := _nowhere(path.hops, key, alias)) is not None]
    return sql.SQL("({})").format(sql.SQL(" OR ").join(ways)) if ways else sql.SQL("false")


def _nowhere(hops: Sequence[Hop], key: Sequence[str], alias: str) -> sql.Composable | None:
    if not any(hop.foreign_key is None for hop in hops):
        return None
    hop, rest = hops[0], hops[1:]
    ways: list[sql.Composable] = []
    if hop.foreign_key is None:
        # Who is in a table that inherits from the people's is a person all the same, but found by
        # the key alone: a row that names another column's value there may be anybody's.
        by_key = _by_key(hops, key)
        there = table_identifier(hop.parent) if by_key else table_rows(hop.parent)
        somewhere = _in_rows(hop, alias, there, sql.SQL("true"), "p")
        ways.append(
            sql.SQL("({} AND {} IS NOT TRUE)").format(names_somebody(hop, alias), somewhere)
        )
    inner = f"h{len(rest)}"
    if (further := _nowhere(rest, key, inner)) is not None:
        ways.append(sql.SQL("({} IS TRUE)").format(_in_parent(hop, alias, further, inner)))
    return sql.SQL("({})").format(sql.SQL(" OR ").join(ways))


def _by_key(hops: Sequence[Hop], key: Sequence[str]) -> bool:
    """Whether what is left of a way is one hop to the person's own key."""
    return len(hops) == 1 and set(hops[0].parent_columns) == set(key)


def _through(hops: Sequence[Hop], key: Sequence[str], alias: str, listed: Listed) -> sql.Composable:
    if not hops:
        return sql.SQL("({}) IN (SELECT {} FROM {} AS m)").format(
            _columns(key, alias), _columns(key, "m"), _source(listed)
        )
    return _nested(hops, key, alias, listed)


def _nested(hops: Sequence[Hop], key: Sequence[str], alias: str, listed: Listed) -> sql.Composable:
    """``(alias.columns) IN (SELECT parent_columns FROM parent WHERE ...)``, a semi-join a hop;
    the last hop asks the listed persons directly where it refers to the person's key."""
    hop, rest = hops[0], hops[1:]
    if _by_key(hops, key):
        return sql.SQL("({}) IN (SELECT {} FROM {} AS m)").format(
            _list(held_values(hop, alias)),
            _list(key_values(hop, hop.parent_columns, "m")),
            _source(listed),
        )
    inner = f"h{len(rest)}"
    return _in_parent(hop, alias, _through(rest, key, inner, listed), inner)


def _in_parent(hop: Hop, alias: str, condition: sql.Composable, inner: str) -> sql.Composable:
    """Whether a row ``inner`` of the hop's parent for which the condition is true is led to."""
    return _in_rows(hop, alias, table_rows(hop.parent), condition, inner)


def _in_rows(
    hop: Hop, alias: str, rows: sql.Composable, condition: sql.Composable, inner: str
) -> sql.Composable:
    return sql.SQL("({}) IN (SELECT {} FROM {} AS {} WHERE {})").format(
        _list(held_values(hop, alias)),
        _list(parent_values(hop, inner)),
        rows,
        sql.Identifier(inner),
        condition,
    )


def _list(values: Sequence[sql.Composable]) -> sql.Composable:
    return sql.SQL(", ").join(values)


def _columns(columns: Sequence[str], alias: str) -> sql.Composable:
    return _list([sql.Identifier(alias, name) for name in columns])


def _temp(name: str) -> sql.Composable:
    return sql.Identifier("pg_temp", name)


def _source(listed: Listed) -> sql.Composable:
    return _temp(listed) if isinstance(listed, str) else listed
