"""Copying a shard of rows home: one transaction there, with a marker row, repeatable at will.

Invariants:
- Bytes go from COPY to COPY undecoded, under one snapshot of the source.
- A marker at home says what a shard put there. No marker: nothing of the shard is there.
- Rows at home are only ever replaced where the marker's digest still describes them: what home
  changed since, and rows that home had before, are never touched.
"""

from __future__ import annotations

from typing import cast

import psycopg
from psycopg import sql

from domicile.errors import HomeDiffers, PlanError
from domicile.inventory import DatabaseRules, TableRules, Workplace, identity, read_batches
from domicile.move.plan import Plan, RowShard
from domicile.move.queries import columns_of, member_rows, projected_rows, same_key, whole_rows
from domicile.sites.postgres import (
    Column,
    CopyResult,
    Table,
    TableName,
    copy_format,
    digest,
    pipe,
    site_errors,
)

__all__ = [
    "KEYS_TABLE",
    "MARKERS_SQL",
    "RowSession",
    "copy_rows",
    "load_keys",
    "shard_query",
    "table_rules",
]

KEYS_TABLE = "domicile_shard_keys"
_STAGE = TableName("pg_temp", "domicile_stage")

MARKERS_SQL = """
CREATE SCHEMA IF NOT EXISTS domicile;
CREATE TABLE IF NOT EXISTS domicile.shard_markers (
    run text NOT NULL,
    shard text NOT NULL,
    rows bigint NOT NULL,
    sha256 text NOT NULL,
    copied_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run, shard)
);
COMMENT ON SCHEMA domicile IS 'Written by Domicile: which shards of rows were brought here';
"""

RowSession = tuple[psycopg.Connection, DatabaseRules]


def copy_rows(
    here: Workplace, plan: Plan, shard: RowShard, *, fresh: bool, keep: bool = False
) -> CopyResult:
    """Bring one shard home. ``fresh``: home's tables were made by this run and hold nothing that
    a marker does not name. ``keep``: remove nothing at home that the source has no longer.

    Raises HomeDiffers where home changed what an earlier copy of this shard put there.
    """
    source_site, home_site = str(plan.source_database), str(plan.home_database)
    source = here.session(source_site, read_only=False)
    home = here.session(home_site, read_only=False)
    try:
        with site_errors(source_site):
            _begin(source[0])
            if shard.by_keys:
                load_keys(here, source, shard)
        with site_errors(home_site):
            marker = _marker(home[0], here.run.id, shard.id)
            if marker is None and (fresh or _empty(home, shard)):
                result = _straight(source, home, shard)
            else:
                result = _merge(here, source, home, shard, marker, keep=keep)
            _mark(home[0], here.run.id, shard.id, result)
            home[0].commit()
    except BaseException:
        home[0].rollback()
        raise
    finally:
        source[0].rollback()
    return result


def shard_query(rules: DatabaseRules, shard: RowShard, columns: tuple[Column, ...]) -> sql.Composed:
    """The shard's rows as home should hold them."""
    table = table_rules(rules, shard)
    if shard.kind == "members":
        return member_rows(table, rules.key, shard, columns)
    if shard.by_keys:
        return projected_rows(table, KEYS_TABLE, columns)
    return whole_rows(table, columns)


def table_rules(rules: DatabaseRules, shard: RowShard) -> TableRules:
    """How a shard's table is treated on one database. Raises PlanError where it is gone."""
    found = rules.tables.get(TableName(shard.schema, shard.table))
    if found is None:
        raise PlanError(
            f"table {shard.table} of shard {shard.id} is not there any more",
            expected="the tables that were planned",
            next_step="scan and plan again",
        )
    return found


def load_keys(here: Workplace, session: RowSession, shard: RowShard) -> None:
    """Put a projection shard's keys into the session, for the length of the transaction."""
    connection, rules = session
    table = table_rules(rules, shard).table
    key = identity(table)
    connection.execute(
        sql.SQL("CREATE TEMP TABLE {} ({}, PRIMARY KEY ({})) ON COMMIT DROP").format(
            sql.Identifier(KEYS_TABLE),
            sql.SQL(", ").join(
                sql.SQL("{} {}").format(
                    sql.Identifier(name),
                    sql.SQL(table.column(name).type),
                )
                for name in key
            ),
            sql.SQL(", ").join(sql.Identifier(name) for name in key),
        )
    )
    statement = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier("pg_temp", KEYS_TABLE))
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in read_batches(here.run.shard(shard.id)):
            copy.write_row(cast("list[str]", row["key"]))
    connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier("pg_temp", KEYS_TABLE)))


def _begin(connection: psycopg.Connection) -> None:
    connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")


def _straight(source: RowSession, home: RowSession, shard: RowShard) -> CopyResult:
    columns = table_rules(source[1], shard).table.stored_columns
    name = TableName(shard.schema, shard.table)
    query = shard_query(source[1], shard, columns)
    names = [column.name for column in columns]
    return pipe(source[0], query, home[0], name, names, copy_format(columns))


def _merge(
    here: Workplace,
    source: RowSession,
    home: RowSession,
    shard: RowShard,
    marker: str | None,
    *,
    keep: bool,
) -> CopyResult:
    table = table_rules(source[1], shard).table
    columns = table.stored_columns
    _create_stage(home[0], table)
    query = shard_query(source[1], shard, columns)
    names = [column.name for column in columns]
    result = pipe(source[0], query, home[0], _STAGE, names, copy_format(columns))
    if marker == result.sha256:
        return result
    if marker is not None:
        _refuse_changed_home(here, home, shard, columns, marker)
        _update(home[0], table)
        if not keep:
            _remove(home, shard, table)
    _insert_missing(home[0], table)
    return result


def _refuse_changed_home(
    here: Workplace,
    home: RowSession,
    shard: RowShard,
    columns: tuple[Column, ...],
    marker: str,
) -> None:
    if shard.by_keys:
        load_keys(here, home, shard)
    there = digest(home[0], shard_query(home[1], shard, columns), copy_format(columns))
    if there.sha256 != marker:
        raise HomeDiffers(
            f"shard {shard.id}: home's rows of {shard.table} changed since they were copied, and so"
            " did the source's",
            expected="writes on one side only until the move is done",
            next_step="decide which side is right, correct the other, then run `domicile move`",
        )


def _update(connection: psycopg.Connection, table: Table) -> None:
    """Bring rows that this shard put there to the source's present state, by their key."""
    names = [column.name for column in table.stored_columns]
    assignments = [name for name in names if name not in identity(table)]
    if not identity(table) or not assignments:
        return
    connection.execute(
        sql.SQL("UPDATE {} AS t SET {} FROM {} AS s WHERE {} AND {} IS DISTINCT FROM {}").format(
            _name(table),
            sql.SQL(", ").join(
                sql.SQL("{} = {}").format(sql.Identifier(n), sql.Identifier("s", n))
                for n in assignments
            ),
            _stage(),
            same_key(table, "t", "s"),
            _row_text(names, "t"),
            _row_text(names, "s"),
        )
    )


def _remove(home: RowSession, shard: RowShard, table: Table) -> None:
    """Remove rows that this shard put there and the source has no longer; without a key, all of
    them: they are inserted anew."""
    connection, rules = home
    if not identity(table):
        where = table_rules(rules, shard).members(rules.key, "t")
        connection.execute(sql.SQL("DELETE FROM {} AS t WHERE {}").format(_name(table), where))
    elif shard.kind == "members":
        query = member_rows(
            table_rules(rules, shard),
            rules.key,
            shard,
            [table.column(name) for name in identity(table)],
        )
        connection.execute(
            sql.SQL(
                "DELETE FROM {} AS t USING ({}) AS m WHERE {} AND NOT EXISTS"
                " (SELECT FROM {} AS s WHERE {})"
            ).format(
                _name(table), query, same_key(table, "t", "m"), _stage(), same_key(table, "t", "s")
            )
        )


def _insert_missing(connection: psycopg.Connection, table: Table) -> None:
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
            _name(table), sql.SQL(", ").join(sql.Identifier(name) for name in names), query
        )
    )


def _create_stage(connection: psycopg.Connection, table: Table) -> None:
    connection.execute(
        sql.SQL("CREATE TEMP TABLE {} ON COMMIT DROP AS SELECT {} FROM {} AS t WHERE false").format(
            sql.Identifier(_STAGE.name), columns_of(table.stored_columns, "t"), _name(table)
        )
    )


def _empty(home: RowSession, shard: RowShard) -> bool:
    """Whether home's table holds no row at all."""
    connection, rules = home
    row = connection.execute(
        sql.SQL("SELECT NOT EXISTS (SELECT FROM {})").format(_name(table_rules(rules, shard).table))
    ).fetchone()
    return bool(row and row[0])


def _marker(connection: psycopg.Connection, run: str, shard: str) -> str | None:
    row = connection.execute(
        "SELECT sha256 FROM domicile.shard_markers WHERE run = %s AND shard = %s FOR UPDATE",
        (run, shard),
    ).fetchone()
    return str(row[0]) if row else None


def _mark(connection: psycopg.Connection, run: str, shard: str, result: CopyResult) -> None:
    connection.execute(
        "INSERT INTO domicile.shard_markers (run, shard, rows, sha256) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (run, shard) DO UPDATE SET rows = excluded.rows, sha256 = excluded.sha256,"
        " copied_at = now()",
        (run, shard, result.rows, result.sha256),
    )


def _row_text(names: list[str], alias: str) -> sql.Composable:
    return sql.SQL("ROW({})::text").format(
        sql.SQL(", ").join(sql.Identifier(alias, name) for name in names)
    )


def _stage() -> sql.Composable:
    return sql.Identifier(_STAGE.schema, _STAGE.name)


def _name(table: Table) -> sql.Composable:
    return sql.Identifier(table.name.schema, table.name.name)
