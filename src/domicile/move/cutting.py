"""Cutting rows into shards, once, at the source: key ranges, projections, whole tables."""

from __future__ import annotations

import itertools
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import psycopg
import pyarrow as pa
from psycopg import sql

from domicile.inventory import (
    Closure,
    DatabaseRules,
    Run,
    TableRules,
    identity,
    write_parquet,
)
from domicile.move.plan import RowShard
from domicile.move.queries import order_by
from domicile.sites.postgres import TableName, table_rows

__all__ = [
    "KEYS",
    "Cut",
    "cut_bare",
    "cut_members",
    "cut_projections",
    "cut_shared",
    "cut_whole",
]

KEYS = pa.schema([pa.field("key", pa.list_(pa.string()), nullable=False)])
"""Keys of a projection shard, as text."""
_MOST_KEYS = 200_000
"""Of a shard by keys: they are in memory while it is cut."""


@dataclass(frozen=True, slots=True)
class Cut:
    """How one primary database's rows are cut. source: its site; shard_rows: of a shard, about;
    alone: whether no other primary's are, so that shards need not be told apart by its name."""

    source: str
    shard_rows: int
    alone: bool = True

    def id(self, kind: str, name: TableName, number: int) -> str:
        """A file name whatever the table is called; the digits tell same-looking names apart. A
        table's name has no dot in it."""
        plain = re.sub(r"[^a-z0-9_]+", "-", str(name).lower())[:48]
        mark = "" if plain == str(name) else f"-{zlib.crc32(str(name).encode()):08x}"
        of = "" if self.alone else f"{self.source}."
        return f"{kind}-{of}{plain}{mark}-{number:05d}"


def cut_members(connection: psycopg.Connection, rules: DatabaseRules, cut: Cut) -> list[RowShard]:
    """Key ranges of so many members' rows each, about; a table without a key is one shard."""
    return [shard for table in rules.protected for shard in _ranges(connection, rules, table, cut)]


def _ranges(
    connection: psycopg.Connection,
    rules: DatabaseRules,
    table: TableRules,
    cut: Cut,
) -> Iterator[RowShard]:
    where = table.members(rules.key, "t")
    name = table.table.name
    total = _count(connection, name, where)
    if not total:
        return
    bounds: list[tuple[str, ...]] = []
    if identity(table.table) and total > cut.shard_rows:
        pieces = -(-total // cut.shard_rows)
        bounds = _bounds(connection, table, where, -(-total // pieces))
    edges: list[tuple[str, ...] | None] = [None, *bounds, None]
    for number, (lo, hi) in enumerate(itertools.pairwise(edges)):
        rows = total // (len(edges) - 1) + (number < total % (len(edges) - 1))
        yield RowShard(
            cut.id("rows", name, number),
            "members",
            name.schema,
            name.name,
            rows,
            lo,
            hi,
            cut.source,
        )


def _bounds(
    connection: psycopg.Connection, table: TableRules, where: sql.Composable, step: int
) -> list[tuple[str, ...]]:
    key = identity(table.table)
    columns = sql.SQL(", ").join(sql.Identifier("t", name) for name in key)
    texts = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier("s", n)) for n in key)
    query = sql.SQL(
        "SELECT {texts} FROM (SELECT {columns}, row_number() OVER (ORDER BY {order}) AS domicile_n,"
        " count(*) OVER () AS domicile_all FROM {table} AS t WHERE {where}) AS s"
        " WHERE domicile_n % {step} = 0 AND domicile_n < domicile_all ORDER BY domicile_n"
    ).format(
        texts=texts,
        columns=columns,
        order=order_by(table.table, "t"),
        table=table_rows(table.table.name),
        where=where,
        step=sql.Literal(step),
    )
    return [tuple(row) for row in connection.execute(query)]


def cut_projections(
    connection: psycopg.Connection,
    rules: DatabaseRules,
    closure: Closure,
    run: Run,
    cut: Cut,
) -> list[RowShard]:
    """Write the keys of others' rows that home needs into shard files and name the shards."""
    shards: list[RowShard] = []
    for name, temporary in sorted(closure.tables.items()):
        table = rules.tables[name]
        query = sql.SQL("SELECT {} FROM {} AS t ORDER BY {}").format(
            _key_texts(table), sql.Identifier("pg_temp", temporary), order_by(table.table, "t")
        )
        shards += _by_keys(connection, "projection", table, query, run, cut)
    return shards


def cut_bare(
    connection: psycopg.Connection,
    rules: DatabaseRules,
    run: Run,
    cut: Cut,
) -> list[RowShard]:
    """Write the keys of members' rows with nothing protected in them into shard files."""
    shards: list[RowShard] = []
    for table in rules.protected:
        if table.reducible:
            query = sql.SQL("SELECT {} FROM {} AS t WHERE {} ORDER BY {}").format(
                _key_texts(table),
                table_rows(table.table.name),
                table.bare(rules.key, "t"),
                order_by(table.table, "t"),
            )
            shards += _by_keys(connection, "bare", table, query, run, cut)
    return shards


def cut_shared(
    connection: psycopg.Connection, rules: DatabaseRules, run: Run, cut: Cut
) -> list[RowShard]:
    """Write the keys of members' rows that are others' too into shard files; apart, as public
    projections, of those with nothing protected in them: home may hold more of these."""
    shards: list[RowShard] = []
    kinds: tuple[tuple[str, Literal["shared", "projection"], str], ...] = (
        ("shared", "shared", "IS NOT TRUE"),
        ("shared-bare", "projection", "IS TRUE"),
    )
    for table in rules.protected:
        for label, kind, empty in kinds if table.copies else ():
            query = sql.SQL("SELECT {} FROM {} AS t WHERE {} AND {} {} ORDER BY {}").format(
                _key_texts(table),
                table_rows(table.table.name),
                table.shared(rules.key, "t"),
                table.empty("t"),
                sql.SQL(empty),
                order_by(table.table, "t"),
            )
            shards += _by_keys(connection, kind, table, query, run, cut, label=label)
    return shards


def _by_keys(  # noqa: PLR0913 - which rows, of which table, and what they are called
    connection: psycopg.Connection,
    kind: Literal["bare", "projection", "shared"],
    table: TableRules,
    query: sql.Composed,
    run: Run,
    cut: Cut,
    *,
    label: str = "",
) -> Iterator[RowShard]:
    name = table.table.name
    for number, keys in enumerate(_keys(connection, query, cut.shard_rows)):
        id_ = cut.id(label or kind, name, number)
        shard = RowShard(id_, kind, name.schema, name.name, len(keys), source=cut.source)
        write_parquet(run.shard(shard.id), KEYS, [pa.Table.from_pydict({"key": keys}, schema=KEYS)])
        yield shard


def _key_texts(table: TableRules) -> sql.Composable:
    return sql.SQL(", ").join(
        sql.SQL("{}::text").format(sql.Identifier("t", name)) for name in identity(table.table)
    )


def _keys(
    connection: psycopg.Connection, query: sql.Composed, shard_rows: int
) -> Iterator[list[list[str]]]:
    with connection.cursor(name="domicile_keys") as cursor:
        cursor.execute(query)
        while rows := cursor.fetchmany(min(shard_rows, _MOST_KEYS)):
            yield [list(row) for row in rows]


def cut_whole(connection: psycopg.Connection, rules: DatabaseRules, cut: Cut) -> list[RowShard]:
    """A shard for every public table that is about nobody."""
    return [
        RowShard(
            cut.id("whole", name, 0),
            "whole",
            name.schema,
            name.name,
            _count(connection, name, sql.SQL("true")),
            source=cut.source,
        )
        for name, table in sorted(rules.tables.items())
        if table.whole
    ]


def _count(connection: psycopg.Connection, name: TableName, where: sql.Composable) -> int:
    query = sql.SQL("SELECT count(*) FROM {} AS t WHERE {}").format(table_rows(name), where)
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
