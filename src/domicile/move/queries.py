"""The queries of row shards: the same question on every side, so that answers can be compared.

Pure SQL building. To be compared, rows come in the order of their key (text by bytes, ``COLLATE
"C"``), or of their own text where a table has none: `in_order`. To be copied they need none.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from domicile.inventory import TableRules, identity
from domicile.move.plan import RowShard
from domicile.sites.postgres import Column, Table, order_terms, ordered_as_text, table_rows

__all__ = [
    "columns_of",
    "in_order",
    "in_range",
    "member_rows",
    "order_by",
    "projected_rows",
    "same_key",
    "shared_rows",
    "whole_rows",
]

EVERY_ROW = sql.SQL("true")


def member_rows(
    rules: TableRules, key: tuple[str, ...], shard: RowShard, columns: Sequence[Column]
) -> sql.Composed:
    """A shard's rows of members."""
    return sql.SQL("SELECT {} FROM {} AS t WHERE {} AND {}").format(
        columns_of(columns, "t"),
        _name(rules.table),
        rules.members(key, "t"),
        in_range(rules.table, shard, "t"),
    )


def projected_rows(
    rules: TableRules,
    keys_table: str,
    columns: Sequence[Column],
    *,
    only_kept: bool = False,
    where: sql.Composable = EVERY_ROW,
) -> sql.Composed:
    """The rows whose keys the session's table holds, as their public projection; with
    ``only_kept``, just the columns that a projection leaves as they are."""
    projection = rules.projection
    chosen = [c for c in columns if not only_kept or c.name in projection.kept]
    return sql.SQL("SELECT {} FROM {} AS t JOIN {} AS k ON {} WHERE {}").format(
        sql.SQL(", ").join(projection.value(column, "t") for column in chosen),
        _name(rules.table),
        sql.Identifier("pg_temp", keys_table),
        same_key(rules.table, "t", "k"),
        where,
    )


def shared_rows(
    rules: TableRules,
    keys_table: str,
    columns: Sequence[Column],
    where: sql.Composable = EVERY_ROW,
) -> sql.Composed:
    """The rows whose keys the session's table holds, as they are."""
    return sql.SQL("SELECT {} FROM {} AS t JOIN {} AS k ON {} WHERE {}").format(
        columns_of(columns, "t"),
        _name(rules.table),
        sql.Identifier("pg_temp", keys_table),
        same_key(rules.table, "t", "k"),
        where,
    )


def same_key(table: Table, one: str, other: str) -> sql.Composable:
    """Whether two aliases have the same key."""
    return sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(sql.Identifier(one, name), sql.Identifier(other, name))
        for name in identity(table)
    )


def whole_rows(rules: TableRules, columns: Sequence[Column]) -> sql.Composed:
    """Every row of a public table, as its public projection."""
    return sql.SQL("SELECT {} FROM {} AS t").format(
        sql.SQL(", ").join(rules.projection.value(column, "t") for column in columns),
        _name(rules.table),
    )


def in_order(rows: sql.Composed, table: Table) -> sql.Composed:
    """One of these queries, with its rows in the order that every server gives them."""
    return sql.SQL("{} ORDER BY {}").format(rows, order_by(table, "t"))


def in_range(table: Table, shard: RowShard, alias: str) -> sql.Composable:
    """Whether a row's key lies in the shard's range."""
    bounds: list[sql.Composable] = []
    for values, operator in ((shard.lo, ">"), (shard.hi, "<=")):
        if values is not None:
            bounds.append(
                sql.SQL("({}) {} ({})").format(
                    _key(table, alias), sql.SQL(operator), _literals(table, values)
                )
            )
    return sql.SQL(" AND ").join(bounds) if bounds else sql.SQL("true")


def order_by(table: Table, alias: str) -> sql.Composable:
    """The order of a table's rows."""
    if identity(table):
        return _key(table, alias)
    names = [column.name for column in table.stored_columns]
    return sql.SQL('(ROW({})::text) COLLATE "C"').format(
        sql.SQL(", ").join(sql.Identifier(alias, name) for name in names)
    )


def columns_of(columns: Sequence[Column], alias: str) -> sql.Composable:
    """A select list."""
    return sql.SQL(", ").join(sql.Identifier(alias, column.name) for column in columns)


def _key(table: Table, alias: str) -> sql.Composable:
    """A row's key as it is compared and ordered on every server."""
    return order_terms([table.column(name) for name in identity(table)], alias)


def _literals(table: Table, values: Sequence[str]) -> sql.Composable:
    columns = [table.column(name) for name in identity(table)]
    return sql.SQL(", ").join(
        sql.SQL("CAST({} AS {})").format(
            sql.Literal(value),
            sql.SQL("text" if ordered_as_text(column) else column.type),
        )
        for column, value in zip(columns, values, strict=True)
    )


def _name(table: Table) -> sql.Composable:
    return table_rows(table.name)
