"""Which shared rows home doesn't hold as they are away: they live on there, and change.

Rows go from one session to the other as digests beside their keys. Nothing is written but a
temporary table in home's session.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import psycopg
from psycopg import sql

from domicile.inventory import DatabaseRules, TableRules, Workplace, identity
from domicile.scan.tables import TableCount
from domicile.sites.postgres import TableName, readable_large_objects, site_errors, table_rows

__all__ = ["compared_with_home"]

_STAGE = sql.Identifier("pg_temp", "domicile_shared")
_Session = tuple[psycopg.Connection, DatabaseRules]


def compared_with_home(
    here: Workplace, counts: Sequence[TableCount], site: str, session: _Session
) -> list[TableCount]:
    """The counts of a site away from home, with what its home lacks of its shared rows. Rows come
    home from the primary: what home lacks of another site's is not examined there. Raises
    SiteError."""
    estate = here.estate
    if not any(count.shared for count in counts):
        return list(counts)
    route = estate.route_at(site)
    home, source = None, route.source
    if source is not None and route.home is not None:
        home = (route.home, here.session(route.home, read_only=False))
    return [
        _with_lacking(count, _behind(count, site, session, home), site, source or site)
        if count.shared
        else count
        for count in counts
    ]


def _with_lacking(count: TableCount, lacking: int, site: str, source: str) -> TableCount:
    """A count, of whose shared rows home lacks some. Pure."""
    if site == source or not lacking:
        return msgspec.structs.replace(count, behind=lacking)
    reason = (
        f"home doesn't hold {lacking:,} rows of members and of others too as they are here, and"
        f" rows come home from {source} alone: bring them there, or see that this site follows it"
    )
    return msgspec.structs.replace(
        count,
        shared=count.shared - lacking,
        unexamined=count.unexamined + lacking,
        reason="; ".join(filter(None, (count.reason, reason))),
    )


def _behind(
    count: TableCount, site: str, session: _Session, home: tuple[str, _Session] | None
) -> int:
    name = TableName.parse(count.table)
    table = session[1].tables[name]
    there = home[1][1].tables.get(name) if home else None
    if home is None or there is None or _columns(table) != _columns(there):
        return count.shared
    home_site, (connection, _) = home
    try:
        with site_errors(home_site):
            _make_stage(connection, table)
        with (
            session[0].cursor() as reading,
            connection.cursor() as writing,
            site_errors(site),
            reading.copy(_digests(table, session[1].key)) as out,
            site_errors(home_site),
            writing.copy(sql.SQL("COPY {} FROM STDIN").format(_STAGE)) as into,
        ):
            for chunk in out:
                into.write(chunk)
        with site_errors(home_site):
            row = connection.execute(_missing(table)).fetchone()
        missing = int(row[0]) if row else count.shared
        return missing or min(count.shared, _lacking_objects(table, session, connection))
    finally:
        for each in (session[0], connection):
            if not each.closed:
                each.rollback()


def _lacking_objects(table: TableRules, session: _Session, home: psycopg.Connection) -> int:
    """How many large objects of shared rows home doesn't hold as they are there. What may not be
    read is listed as not examined."""
    if not table.large_objects:
        return 0
    rows = sql.SQL("SELECT * FROM {} AS t WHERE {}").format(
        table_rows(table.table.name), table.shared(session[1].key, "t")
    )
    there = readable_large_objects(session[0], rows, table.large_objects)
    everything = sql.SQL("SELECT * FROM {}").format(table_rows(table.table.name))
    at_home = readable_large_objects(home, everything, table.large_objects)
    return sum(at_home.get(oid) != contents for oid, contents in there.items())


def _columns(table: TableRules) -> list[tuple[str, str]]:
    return [(column.name, column.type) for column in table.table.columns]


def _make_stage(connection: psycopg.Connection, table: TableRules) -> None:
    columns = [
        sql.SQL("{} {}").format(sql.Identifier(f"k{n}"), sql.SQL(table.table.column(name).type))
        for n, name in enumerate(identity(table.table))
    ]
    connection.execute(
        sql.SQL("CREATE TEMP TABLE {} ({}, hash text, bare boolean) ON COMMIT DROP").format(
            sql.Identifier("domicile_shared"), sql.SQL(", ").join(columns)
        )
    )


def _digests(table: TableRules, key: tuple[str, ...]) -> sql.Composed:
    """Keys and digests of the shared rows; of those in which nothing protected is, the digest of
    what a public projection keeps: home may hold more."""
    return sql.SQL("COPY (SELECT {}, {}, {} FROM {} AS t WHERE {}) TO STDOUT").format(
        sql.SQL(", ").join(sql.Identifier("t", name) for name in identity(table.table)),
        _digest(table, table.empty("t")),
        table.empty("t"),
        table_rows(table.table.name),
        table.shared(key, "t"),
    )


def _missing(table: TableRules) -> sql.Composed:
    same = [
        sql.SQL("{} = {}").format(sql.Identifier("t", name), sql.Identifier("s", f"k{n}"))
        for n, name in enumerate(identity(table.table))
    ]
    return sql.SQL(
        "SELECT count(*) FROM {} AS s WHERE NOT EXISTS (SELECT FROM {} AS t WHERE {} AND {} ="
        " s.hash)"
    ).format(
        _STAGE,
        table_rows(table.table.name),
        sql.SQL(" AND ").join(same),
        _digest(table, sql.Identifier("s", "bare")),
    )


def _digest(table: TableRules, bare: sql.Composable) -> sql.Composable:
    columns = [column.name for column in table.table.columns]
    return sql.SQL(
        "encode(sha256(convert_to(CASE WHEN {} THEN {} ELSE {} END, 'UTF8')), 'hex')"
    ).format(bare, _text(table.projection.kept), _text(columns))


def _text(names: Sequence[str]) -> sql.Composable:
    return sql.SQL("ROW({})::text").format(
        sql.SQL(", ").join(sql.Identifier("t", name) for name in names)
    )
