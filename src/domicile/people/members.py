"""The frozen member list inside a database session, and the predicates that ask it.

A session holds two temporary tables, typed like the person's key: ``domicile_members`` and
``domicile_unknown`` (persons whose country nobody wrote down). They are created outside the
read-only mode of the session and vanish with it; nothing permanent is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import psycopg
from psycopg import sql

from domicile.people.paths import Hop, PersonPath
from domicile.sites.postgres import Table

__all__ = ["MEMBERS", "UNKNOWN", "belongs", "has_person", "load_people"]

MEMBERS = "domicile_members"
UNKNOWN = "domicile_unknown"


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
            cursor.execute(
                sql.SQL("CREATE TEMP TABLE {} ({}, PRIMARY KEY ({}))").format(
                    sql.Identifier(name),
                    sql.SQL(", ").join(
                        sql.SQL("{} {}").format(
                            sql.Identifier(column.name),
                            sql.SQL(column.type),
                        )
                        for column in columns
                    ),
                    sql.SQL(", ").join(sql.Identifier(column.name) for column in columns),
                )
            )
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


def belongs(
    paths: Sequence[PersonPath], key: Sequence[str], alias: str, listed: str = MEMBERS
) -> sql.Composable:
    """Whether the row ``alias`` belongs to a person of ``listed``, through any of ``paths``.
    Null where the row names no person: negate with ``IS NOT TRUE``."""
    return sql.SQL("({})").format(
        sql.SQL(" OR ").join(_through(path.hops, key, alias, listed) for path in paths)
    )


def has_person(paths: Sequence[PersonPath], key: Sequence[str], alias: str) -> sql.Composable:
    """Whether the row ``alias`` leads to somebody in this database's people table."""
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
