"""The frozen member list inside a database session, and the predicates that ask it.

A session holds two temporary tables, typed like the person's key: ``domicile_members`` and
``domicile_unknown`` (persons whose country nobody wrote down). They are created outside the
read-only mode of the session and vanish with it; nothing permanent is written. A standby makes no
tables at all: there the lists are settings of the session, one for each column of the key. In a
database without the people table a third list has everybody, where a key that nobody has must be
told from somebody else's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import psycopg
from psycopg import sql

from domicile.people.hops import EVERYBODY, Hop
from domicile.people.paths import PersonPath
from domicile.people.settings import in_settings, setting_name
from domicile.people.values import (
    held_values,
    key_values,
    names_somebody,
    parent_rows,
    parent_values,
)
from domicile.sites.postgres import Table

__all__ = [
    "LISTED",
    "MEMBERS",
    "UNKNOWN",
    "Listed",
    "Lists",
    "belongs",
    "key_columns",
    "known_columns",
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
    connection: psycopg.Connection, key: Mapping[str, str], persons: Iterable[Sequence[str]]
) -> None:
    """Tell these members apart, given as key values in text. key: as `load_people`. Commits."""
    with connection.cursor() as cursor:
        cursor.execute(_creating(LISTED, key))
        with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(_temp(LISTED))) as copy:
            for values in persons:
                copy.write_row(values)
        cursor.execute(sql.SQL("ANALYZE {}").format(_temp(LISTED)))
    connection.commit()


def key_columns(people: Table, key: Sequence[str]) -> dict[str, str]:
    """The columns of a person's key with their SQL types, as the people table has them."""
    return {name: people.column(name).type for name in key}


def known_columns(key: Sequence[str], base_types: Sequence[str]) -> dict[str, str]:
    """The same, as the register has them, for a database without the people table. A type that
    PostgreSQL does not bring may be missing there; then nothing is compared with it."""
    known = (t if t.startswith("pg_catalog.") else "pg_catalog.text" for t in base_types)
    return dict(zip(key, known, strict=True))


def load_people(
    connection: psycopg.Connection,
    key: Mapping[str, str],
    persons: Iterable[tuple[Sequence[str], bool | None]],
    *,
    everybody: bool = False,
) -> None:
    """Fill the session's tables from (key values as text, member?) pairs; persons known to belong
    elsewhere (False) are passed over, but where ``everybody`` is wanted. key: its columns, in
    order, with their SQL types. Commits."""
    with connection.cursor() as cursor:
        for name in (MEMBERS, UNKNOWN):
            cursor.execute(_creating(name, key))
        if everybody:
            _load_everybody(cursor, key, persons)
        else:
            _load(cursor, persons)
        cursor.execute(sql.SQL("ANALYZE {}, {}").format(_temp(MEMBERS), _temp(UNKNOWN)))
    connection.commit()


def _load(cursor: psycopg.Cursor, persons: Iterable[tuple[Sequence[str], bool | None]]) -> None:
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


def _load_everybody(
    cursor: psycopg.Cursor,
    key: Mapping[str, str],
    persons: Iterable[tuple[Sequence[str], bool | None]],
) -> None:
    name = _temp(EVERYBODY.name)
    cursor.execute(_creating(EVERYBODY.name, key))
    cursor.execute(sql.SQL("ALTER TABLE {} ADD COLUMN domicile_member boolean").format(name))
    with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(name)) as copy:
        for values, member in persons:
            copy.write_row((*values, member))
    columns = sql.SQL(", ").join(sql.Identifier(column) for column in key)
    for listed, which in ((MEMBERS, "domicile_member"), (UNKNOWN, "domicile_member IS NULL")):
        cursor.execute(
            sql.SQL("INSERT INTO {} SELECT {} FROM {} WHERE {}").format(
                _temp(listed), columns, name, sql.SQL(which)
            )
        )
    cursor.execute(sql.SQL("ANALYZE {}").format(name))


def _creating(name: str, key: Mapping[str, str]) -> sql.Composed:
    return sql.SQL("CREATE TEMP TABLE {} ({}, PRIMARY KEY ({}))").format(
        sql.Identifier(name),
        sql.SQL(", ").join(
            sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(kind))
            for column, kind in key.items()
        ),
        sql.SQL(", ").join(sql.Identifier(column) for column in key),
    )


def set_people(
    connection: psycopg.Connection,
    key: Sequence[str],
    persons: Iterable[tuple[Sequence[str], bool | None]],
    *,
    everybody: bool = False,
) -> None:
    """As `load_people`, into settings of the session: what `in_settings` reads. Commits."""
    connection.execute("SET enable_nestloop = off")  # nobody knows how long the lists are
    chosen = [(values, who) for values, who in persons if everybody or who is not False]
    for name, kind in ((MEMBERS, True), (UNKNOWN, None)):
        _set(connection, name, key, [values for values, member in chosen if member is kind])
    if everybody:
        _set(connection, EVERYBODY.name, key, [values for values, _ in chosen])
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
            (setting_name(name, place), [values[place] for values in chosen]),
        )


def lists_of_standby(key: Mapping[str, str]) -> Lists:
    """Where a session on a standby has them: in its settings. key: as `load_people`."""
    return Lists(*(in_settings(name, key) for name in (MEMBERS, UNKNOWN, LISTED)))


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
        there = parent_rows(hop, heirs=_by_key(hops, key))
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
    return _in_rows(hop, alias, parent_rows(hop), condition, inner)


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
