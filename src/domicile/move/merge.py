"""Home's rows follow the source's where they are copies of them, and nothing else of home's does.

The source's present rows lie in a temporary table, the stage. What may follow is decided row by
row, in the server:
- A row at home is *ours* if the transaction that wrote it as it stands is one of those that copied
  rows (`domicile.copies`). What anybody else wrote since has another; so has what home had before.
- Only our rows are changed or removed.
- A public projection brings nothing but the columns it keeps: a whole row at home stays whole.
- Where an erasure has begun, the source may hold less than it gave us. From there on no protected
  value at home gives way to a null or a placeholder, and nothing is removed.
- No erasure takes anything from a shared row, so one that was brought as such always follows. When
  it is the members' alone, it is written again as such, changed or not; a shard is proven only
  where every row of it at home was: what an erasure may have touched is never taken for shared.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import psycopg
from psycopg import sql

from domicile.inventory import TableRules, identity
from domicile.move.plan import RowShard
from domicile.move.queries import columns_of, in_range, same_key
from domicile.sites.postgres import Table, TableName, table_identifier, table_rows

__all__ = [
    "KEPT",
    "STAGE",
    "adopt_shared",
    "create_kept",
    "create_stage",
    "insert_missing",
    "remove_ours",
    "still_shared",
    "update_ours",
    "written_by_copies",
]

_WHOLE = ("members", "shared")
"""Kinds of shards that bring every column."""
_SHARED = sql.SQL("c.kind = 'shared'")
STAGE = TableName("pg_temp", "domicile_stage")
KEPT = TableName("pg_temp", "domicile_kept")

# Row versions bear the low 32 bits of their transaction's number. Numbers of another cluster (home
# was restored from a dump) say nothing; nor do those from which the count has gone half around.
_OURS = sql.SQL(
    "t.xmin::text::bigint IN (SELECT c.transaction % 4294967296 FROM domicile.copies AS c"
    " WHERE c.cluster = (SELECT system_identifier FROM pg_control_system())"
    " AND c.transaction > pg_current_xact_id()::text::bigint - 2147483648"
    ' AND (c."schema", c."table") = ({}, {}) AND {})'
)


def create_stage(connection: psycopg.Connection, table: Table) -> None:
    """Make the empty stage, for the length of the transaction."""
    connection.execute(
        sql.SQL("CREATE TEMP TABLE {} ON COMMIT DROP AS SELECT {} FROM {} AS t WHERE false").format(
            sql.Identifier(STAGE.name), columns_of(table.stored_columns, "t"), _name(table)
        )
    )


def update_ours(
    connection: psycopg.Connection, rules: TableRules, shard: RowShard, guarded: Collection[str]
) -> None:
    """Bring our rows to the stage's state, by their key. ``guarded``: runs whose erasure has
    begun."""
    table = rules.table
    key = identity(table)
    names = [column.name for column in table.stored_columns if column.name not in key]
    if shard.kind not in _WHOLE:
        names = [name for name in names if name in rules.projection.kept]
    if not key or not names:
        return
    connection.execute(
        sql.SQL(
            "UPDATE {} AS t SET {} FROM {} AS s WHERE {} AND {} IS DISTINCT FROM {} AND {}"
        ).format(
            _name(table),
            sql.SQL(", ").join(
                sql.SQL("{} = {}").format(sql.Identifier(n), sql.Identifier("s", n)) for n in names
            ),
            _stage(),
            same_key(table, "t", "s"),
            _row_text(names, "t"),
            _row_text(names, "s"),
            _may_follow(rules, shard, guarded),
        )
    )


def adopt_shared(
    connection: psycopg.Connection, rules: TableRules, key: Sequence[str], shard: RowShard
) -> None:
    """Write the rows at home again, as they are, that came as shared and are the members' alone by
    now: they are this copy's from here on."""
    (name, *_) = [
        column.name
        for column in rules.table.stored_columns
        if column.name not in identity(rules.table)
    ] or identity(rules.table)
    connection.execute(
        sql.SQL("UPDATE {} AS t SET {} = {} WHERE {}").format(
            _name(rules.table),
            sql.Identifier(name),
            sql.Identifier("t", name),
            _came_as_shared(rules, key, shard),
        )
    )


def create_kept(connection: psycopg.Connection, table: Table) -> Sequence[str]:
    """Make the empty table of keys that the source has still, for the length of the transaction;
    its columns."""
    key = identity(table)
    connection.execute(
        sql.SQL("CREATE TEMP TABLE {} ON COMMIT DROP AS SELECT {} FROM {} AS t WHERE false").format(
            sql.Identifier(KEPT.name),
            sql.SQL(", ").join(sql.Identifier("t", name) for name in key),
            _name(table),
        )
    )
    return key


def remove_ours(
    connection: psycopg.Connection, table: Table, run: str, shard: RowShard, *, kept: bool = False
) -> None:
    """Remove members' rows that this shard put there and the source has no longer; without a key,
    all that it put there: they are inserted anew. kept: `KEPT` names rows that the source has still
    and that are not of the shard any more."""
    which = sql.SQL("(c.run, c.shard) = ({}, {})").format(sql.Literal(run), sql.Literal(shard.id))
    gone: sql.Composable = sql.SQL("true")
    if identity(table):
        if shard.kind != "members":
            return
        gone = sql.SQL("NOT EXISTS (SELECT FROM {} AS s WHERE {})").format(
            _stage(), same_key(table, "t", "s")
        )
    if kept:
        gone = sql.SQL("{} AND NOT EXISTS (SELECT FROM {} AS s WHERE {})").format(
            gone, table_identifier(KEPT), same_key(table, "t", "s")
        )
    connection.execute(
        sql.SQL("DELETE FROM {} AS t WHERE {} AND {}").format(
            _name(table), _ours(shard, which), gone
        )
    )


def still_shared(rules: TableRules, key: Sequence[str], shard: RowShard) -> sql.Composed:
    """How many of a shard's rows at home are there by a copy from when they were shared."""
    return sql.SQL("SELECT count(*) FROM {} AS t WHERE {}").format(
        _name(rules.table), _came_as_shared(rules, key, shard)
    )


def insert_missing(connection: psycopg.Connection, table: Table) -> None:
    """Add the staged rows that home lacks: by key, or, without one, as often as they are staged."""
    columns = table.stored_columns
    names = [column.name for column in columns]
    if identity(table):
        chosen = sql.SQL("SELECT {} FROM {} AS s WHERE NOT EXISTS (SELECT FROM {} AS t WHERE {})")
        query = chosen.format(
            columns_of(columns, "s"), _stage(), _name(table), same_key(table, "t", "s")
        )
    else:
        query = sql.SQL(
            "SELECT {columns} FROM (SELECT s.*, {text} AS domicile_row,"
            " row_number() OVER (PARTITION BY {text}) AS domicile_n FROM {stage} AS s) AS s"
            " LEFT JOIN (SELECT {there} AS domicile_row, count(*) AS domicile_held FROM {table}"
            " AS t GROUP BY 1) AS h USING (domicile_row)"
            " WHERE s.domicile_n > coalesce(h.domicile_held, 0)"
        ).format(
            columns=columns_of(columns, "s"),
            text=_row_text(names, "s"),
            there=_row_text(names, "t"),
            stage=_stage(),
            table=_name(table),
        )
    connection.execute(
        sql.SQL("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE {}").format(
            table_identifier(table.name),
            sql.SQL(", ").join(sql.Identifier(name) for name in names),
            query,
        )
    )


def written_by_copies(table: TableName) -> sql.Composable:
    """Whether home's row ``t`` of this table is ours."""
    return _OURS.format(sql.Literal(table.schema), sql.Literal(table.name), sql.SQL("true"))


def _came_as_shared(rules: TableRules, key: Sequence[str], shard: RowShard) -> sql.Composable:
    return sql.SQL("{} AND {} AND {}").format(
        rules.members(tuple(key), "t"),
        in_range(rules.table, shard, "t"),
        _ours(shard, _SHARED),
    )


def _may_follow(rules: TableRules, shard: RowShard, guarded: Collection[str]) -> sql.Composable:
    """Whether home's row ``t`` may become the staged row ``s``."""
    ours = _ours(shard, sql.SQL("true"))
    if shard.kind not in _WHOLE:
        return ours
    whole = sql.SQL("(c.kind = 'shared' OR c.kind = 'members' AND {})").format(
        _untouched(shard, guarded)
    )
    return sql.SQL("({} OR ({} AND NOT {}))").format(_ours(shard, whole), ours, _takes_away(rules))


def _untouched(shard: RowShard, guarded: Collection[str]) -> sql.Composable:
    """Whether no run that erased has copied rows of the table at or after the copy ``c``: what it
    found at home as it was, it didn't write again."""
    return sql.SQL(
        "c.transaction > ALL (SELECT e.transaction FROM domicile.copies AS e WHERE e.cluster ="
        ' c.cluster AND (e."schema", e."table") = ({}, {}) AND e.run = ANY ({}::text[]))'
    ).format(sql.Literal(shard.schema), sql.Literal(shard.table), sql.Literal(list(guarded)))


def _takes_away(rules: TableRules) -> sql.Composable:
    """Whether a protected value of ``t`` would give way to a null or a placeholder in ``s``."""
    projection = rules.projection
    losses: list[sql.Composable] = [
        sql.SQL(
            "({}::text IS DISTINCT FROM ({})::text AND {}::text IS NOT DISTINCT FROM ({})::text)"
        ).format(
            sql.Identifier("t", name),
            projection.placeholder(rules.table.column(name), "t"),
            sql.Identifier("s", name),
            projection.placeholder(rules.table.column(name), "s"),
        )
        for name in projection.removed
    ]
    return sql.SQL("({})").format(sql.SQL(" OR ").join(losses or [sql.SQL("false")]))


def _ours(shard: RowShard, which: sql.Composable) -> sql.Composable:
    """Whether home's row ``t`` is ours, by a copy ``c`` of this kind."""
    return _OURS.format(sql.Literal(shard.schema), sql.Literal(shard.table), which)


def _row_text(names: Sequence[str], alias: str) -> sql.Composable:
    return sql.SQL("ROW({})::text").format(
        sql.SQL(", ").join(sql.Identifier(alias, name) for name in names)
    )


def _stage() -> sql.Composable:
    return table_identifier(STAGE)


def _name(table: Table) -> sql.Composable:
    return table_rows(table.name)
