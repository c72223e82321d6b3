"""The frozen member list inside a database session, and the predicates that ask it.

A session holds two temporary tables, typed like the person's key: ``domicile_members`` and
``domicile_unknown`` (persons whose country nobody wrote down); where a database without the people
table is counted, a third one, ``domicile_everybody``. They are created outside the
read-only mode of the session and vanish with it; nothing permanent is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import psycopg
from psycopg import sql

from domicile.people.paths import EVERYBODY, Hop, PersonPath
from domicile.sites.postgres import Table

__all__ = ["MEMBERS", "UNKNOWN", "belongs", "has_person", "key_columns", "load_people"]

MEMBERS = "domicile_members"
UNKNOWN = "domicile_unknown"


def key_columns(people: Table, key: Sequence[str]) -> dict[str, str]:
    """The columns of a person's key with their SQL types, as the people table has them."""
    return {name: people.column(name).type for name in key}


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
            _create(cursor, name, key)
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
    _create(cursor, EVERYBODY.name, key)
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


def _create(cursor: psycopg.Cursor, name: str, key: Mapping[str, str]) -> None:
    cursor.execute(
        sql.SQL("CREATE TEMP TABLE {} ({}, PRIMARY KEY ({}))").format(
            sql.Identifier(name),
            sql.SQL(", ").join(
                sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(kind))
                for column, kind in key.items()
            ),
            sql.SQL(", ").join(sql.Identifier(column) for column in key),
        )
    )


def belongs(
    paths: Sequence[PersonPath], key: Sequence[str], alias: str, listed: str = MEMBERS
) -> sql.Composable:
    """Whether the row ``alias`` belongs to a person of ``listed``, through any of ``paths``.
    Null where the row names no person: negate with ``IS NOT TRUE``."""
    return sql.SQL("({})").format(
        sql.SQL(" OR ").join(_through(path.hops, key, alias, listed) for path in paths)
    )


def has_person(paths: Sequence[PersonPath], key: Sequence[str], alias: str) -> sql.Composable:
    """Whether the row ``alias`` leads to somebody in this database's people table, or, where it has
    none, in the register."""
    ways: list[sql.Composable] = []
    for path in paths:
        if not path.hops:
            return sql.SQL("true")
        people = path.hops[-1].parent
        everybody = sql.SQL("(SELECT {} FROM {})").format(
            _columns(key, "p"),
            sql.SQL("{} AS p").format(sql.Identifier(people.schema, people.name)),
        )
        ways.append(_nested(path.hops, key, alias, everybody))
    return sql.SQL("({})").format(sql.SQL(" OR ").join(ways))


def _through(hops: Sequence[Hop], key: Sequence[str], alias: str, listed: str) -> sql.Composable:
    persons = sql.SQL("(SELECT {} FROM {})").format(
        sql.SQL(", ").join(sql.Identifier(name) for name in key), _temp(listed)
    )
    if not hops:
        return sql.SQL("{} IN {}").format(_row(key, alias), persons)
    return _nested(hops, key, alias, persons)


def _nested(
    hops: Sequence[Hop], key: Sequence[str], alias: str, persons: sql.Composable
) -> sql.Composable:
    """``(alias.columns) IN (SELECT parent_columns FROM parent WHERE ...)``, a semi-join a hop;
    the last hop asks ``persons`` directly where it refers to the person's key."""
    hop, rest = hops[0], hops[1:]
    if not rest and set(hop.parent_columns) == set(key):
        order = [hop.columns[hop.parent_columns.index(name)] for name in key]
        return sql.SQL("{} IN {}").format(_row(order, alias), persons)
    inner = f"h{len(rest)}"
    if rest:
        condition = _nested(rest, key, inner, persons)
    else:
        condition = sql.SQL("{} IN {}").format(_row(key, inner), persons)
    return sql.SQL("{} IN (SELECT {} FROM {} AS {} WHERE {})").format(
        _row(hop.columns, alias),
        _columns(hop.parent_columns, inner),
        sql.Identifier(hop.parent.schema, hop.parent.name),
        sql.Identifier(inner),
        condition,
    )


def _row(columns: Sequence[str], alias: str) -> sql.Composable:
    return sql.SQL("({})").format(_columns(columns, alias))


def _columns(columns: Sequence[str], alias: str) -> sql.Composable:
    return sql.SQL(", ").join(sql.Identifier(alias, name) for name in columns)


def _temp(name: str) -> sql.Composable:
    return sql.Identifier("pg_temp", name)
