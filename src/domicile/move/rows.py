"""Copying a shard of rows home: one transaction there, with a marker row, repeatable at will.

Invariants:
- Bytes go from COPY to COPY undecoded, under one snapshot of the source.
- A marker at home says what a shard put there. No marker: nothing of the shard is there.
- Home's rows change only as `domicile.move.merge` says: those that Domicile wrote and nobody else
  since. What home changed, and rows that home had before, are never touched.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import cast

import psycopg
from psycopg import sql

from domicile.errors import PlanError, SiteRefused
from domicile.inventory import DatabaseRules, TableRules, Workplace, identity, read_batches
from domicile.move.large_objects import bring_large_objects
from domicile.move.merge import (
    KEPT,
    STAGE,
    adopt_shared,
    create_kept,
    create_stage,
    insert_missing,
    remove_ours,
    update_ours,
)
from domicile.move.plan import Plan, RowShard
from domicile.move.queries import (
    columns_of,
    in_range,
    member_rows,
    projected_rows,
    shared_rows,
    whole_rows,
)
from domicile.people import belongs
from domicile.sites.postgres import (
    Column,
    CopyResult,
    Table,
    TableName,
    copy_format,
    large_objects_in,
    pipe,
    site_errors,
    table_rows,
)

__all__ = [
    "KEYS_TABLE",
    "MARKERS_SQL",
    "RowSession",
    "copy_rows",
    "large_object_columns",
    "load_keys",
    "shard_query",
    "table_rules",
]

KEYS_TABLE = "domicile_shard_keys"

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
CREATE TABLE IF NOT EXISTS domicile.copies (
    cluster bigint NOT NULL,
    transaction bigint NOT NULL,
    run text NOT NULL,
    shard text NOT NULL,
    kind text NOT NULL,
    "schema" text NOT NULL,
    "table" text NOT NULL,
    PRIMARY KEY (cluster, transaction)
);
CREATE TABLE IF NOT EXISTS domicile.large_objects (
    oid bigint PRIMARY KEY,
    sha256 text NOT NULL
);
COMMENT ON SCHEMA domicile IS 'Written by Domicile: which shards of rows were brought here';
"""

RowSession = tuple[psycopg.Connection, DatabaseRules]


def copy_rows(
    here: Workplace, plan: Plan, shard: RowShard, *, fresh: bool, guarded: Collection[str]
) -> CopyResult:
    """Bring one shard home. ``fresh``: home's tables were made by this run and hold nothing that
    a marker does not name. ``guarded``: runs whose erasure has begun: home may hold more of what
    they copied than the source has left.
    """
    source_site, home_site = shard.source, plan.home_of(shard)
    source = here.session(source_site, read_only=False)
    home = here.session(home_site, read_only=False)
    try:
        with site_errors(source_site):
            _begin(source[0])
            if shard.by_keys:
                load_keys(here, source, shard)
        with site_errors(home_site):
            marked = _marker(home[0], here.run.id, shard.id) is not None
            if not marked and (fresh or _empty(home, shard)):
                result = _straight(source, home, shard)
            else:
                result = _merge(source, home, here.run.id, shard, guarded)
            _mark(home[0], here.run.id, shard, result)
            bring_large_objects(source[0], home[0], _large_objects(source, shard))
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
    if shard.kind == "shared":
        return shared_rows(table, KEYS_TABLE, columns, table.shared(rules.key, "t"))
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
    source: RowSession, home: RowSession, run: str, shard: RowShard, guarded: Collection[str]
) -> CopyResult:
    """Bring home's rows of a shard that home held rows of before to the source's present state."""
    away = table_rules(source[1], shard)
    table = replace(away, table=replace(away.table, name=_at_home(home, shard)))
    if (there := home[1].database.tables.get(table.table.name)) and there.insert_rules:
        raise _ruled(there)
    columns = table.table.stored_columns
    create_stage(home[0], table.table)
    query = shard_query(source[1], shard, columns)
    names = [column.name for column in columns]
    result = pipe(source[0], query, home[0], STAGE, names, copy_format(columns))
    marker = _marker(home[0], run, shard.id)
    # What was shared when the shard came home may be the members' alone by now.
    if marker != result.sha256 or table.copies:
        update_ours(home[0], table, shard, guarded)
        if table.copies and shard.kind == "members":
            adopt_shared(home[0], table, home[1].key, shard)
        if marker is not None and run not in guarded:
            kept = table.copies and shard.kind == "members"
            if kept:
                _keep_shared(source, home, shard)
            remove_ours(home[0], table.table, run, shard, kept=kept)
        insert_missing(home[0], table.table)
    return result


def _keep_shared(source: RowSession, home: RowSession, shard: RowShard) -> None:
    """Name the rows that are not the members' alone any more, and members' still."""
    table = table_rules(source[1], shard)
    names = create_kept(home[0], table.table)
    columns = [table.table.column(name) for name in names]
    query = sql.SQL("SELECT {} FROM {} AS t WHERE {} AND {}").format(
        columns_of(columns, "t"),
        table_rows(table.table.name),
        belongs(table.paths, source[1].key, "t"),
        in_range(table.table, shard, "t"),
    )
    pipe(source[0], query, home[0], KEPT, names, copy_format(columns))


def large_object_columns(rules: TableRules, shard: RowShard) -> tuple[str, ...]:
    """The columns of a shard that name large objects: a projection has what it keeps."""
    kept = rules.projection.kept
    return tuple(n for n in rules.large_objects if shard.kind in ("members", "shared") or n in kept)


def _large_objects(source: RowSession, shard: RowShard) -> list[int]:
    """What the shard's rows at the source refer to."""
    rules = table_rules(source[1], shard)
    names = large_object_columns(rules, shard)
    query = shard_query(source[1], shard, tuple(rules.table.column(name) for name in names))
    return large_objects_in(source[0], query, names) if names else []


def _at_home(home: RowSession, shard: RowShard) -> TableName:
    """The table's name as home's catalogue has it: home may have partitioned it."""
    name = TableName(shard.schema, shard.table)
    if name not in home[1].database.tables:
        raise PlanError(
            f"home has no table {name} that it could hold rows of shard {shard.id} in",
            expected="the tables that were planned",
            next_step="scan and plan again",
        )
    return home[1].database.tables[name].name


def _ruled(table: Table) -> SiteRefused:
    rules = ", ".join(table.insert_rules)
    return SiteRefused(
        f"home's {table.name} has rows already, and a rewrite rule ({rules}) changes what INSERT"
        " does to it",
        expected="rows that arrive as they are",
        next_step="ALTER TABLE … DISABLE RULE at home, until the move is verified",
    )


def _empty(home: RowSession, shard: RowShard) -> bool:
    """Whether home's table holds no row at all."""
    row = (
        home[0]
        .execute(
            sql.SQL("SELECT NOT EXISTS (SELECT FROM {})").format(table_rows(_at_home(home, shard)))
        )
        .fetchone()
    )
    return bool(row and row[0])


def _marker(connection: psycopg.Connection, run: str, shard: str) -> str | None:
    row = connection.execute(
        "SELECT sha256 FROM domicile.shard_markers WHERE run = %s AND shard = %s FOR UPDATE",
        (run, shard),
    ).fetchone()
    return str(row[0]) if row else None


def _mark(connection: psycopg.Connection, run: str, shard: RowShard, result: CopyResult) -> None:
    connection.execute(
        "INSERT INTO domicile.shard_markers (run, shard, rows, sha256) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (run, shard) DO UPDATE SET rows = excluded.rows, sha256 = excluded.sha256,"
        " copied_at = now()",
        (run, shard.id, result.rows, result.sha256),
    )
    connection.execute(
        "INSERT INTO domicile.copies SELECT system_identifier, pg_current_xact_id()::text::bigint,"
        " %s, %s, %s, %s, %s FROM pg_control_system()",
        (run, shard.id, shard.kind, shard.schema, shard.table),
    )
