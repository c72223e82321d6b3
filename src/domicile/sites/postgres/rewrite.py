"""After an erasure: rewrite what still holds the old rows' bytes, and say what remains.

DELETE and a plain VACUUM leave values readable in heap pages, index pages, TOAST and the planner's
statistics; VACUUM FULL writes all of these anew and drops the old files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from time import monotonic, sleep
from typing import LiteralString

import psycopg
from psycopg import sql

from domicile.errors import SiteRefused
from domicile.sites.postgres.connect import Connection, site_name
from domicile.sites.postgres.failures import site_errors
from domicile.sites.postgres.model import TableName
from domicile.sites.postgres.samples import forget_stale_samples
from domicile.sites.postgres.selecting import table_identifier

__all__ = [
    "PATIENCE_S",
    "analyze_table",
    "checkpoint",
    "patience",
    "rewrite_statistics",
    "rewrite_table",
]

PATIENCE_S = 60
_SHORT_S, _PAUSE_S = 3, 0.2
_NUMBER = re.compile(r"\d+")
_TREES_TOO = 180_000
"""Servers from this version on vacuum and analyse what inherits from a table as well."""
_ABOVE: LiteralString = """
WITH RECURSIVE above AS (
  SELECT i.inhparent FROM pg_inherits i WHERE i.inhrelid = CAST(%s AS pg_catalog.regclass)
UNION
  SELECT i.inhparent FROM pg_inherits i JOIN above a ON i.inhrelid = a.inhparent
)
SELECT n.nspname, c.relname, c.relkind = 'p' FROM above a JOIN pg_class c ON c.oid = a.inhparent
  JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') ORDER BY 1, 2
"""
_STATISTICS = (
    TableName("pg_catalog", "pg_statistic"),
    TableName("pg_catalog", "pg_statistic_ext_data"),
)

_LARGE_OBJECTS = (
    TableName("pg_catalog", "pg_largeobject"),
    TableName("pg_catalog", "pg_largeobject_metadata"),
)


def rewrite_table(
    connection: Connection,
    table: TableName,
    leaves: Sequence[TableName] = (),
    *,
    patience_s: int = PATIENCE_S,
) -> int:
    """Write heap, TOAST and indexes of a table anew, and its statistics; of a partitioned one,
    those of its leaves, and the statistics over all of them. What a table inherits from keeps
    statistics over both: these are taken anew too.

    The connection must be in autocommit mode; the table is locked meanwhile. Returns how many
    dead rows had to be kept because an older snapshot may still read them (see `remains`): where
    it is not 0, erased values are still in the files; rewrite again when the snapshot is gone
    (`held_back_by` says whose). -1 where others used the table for longer than ``patience_s``.
    Raises `SiteRefused` where the server skipped the table (not its owner), and `SiteError`.
    """
    total = 0
    for heap in leaves or (table,):
        kept = _vacuum_full(connection, heap, patience_s)
        if kept is None:
            raise _skipped(connection, heap)
        if kept < 0:
            return kept
        total += kept
    if leaves:
        analyze_table(connection, replace(table, is_root=True))
    for above in _above(connection, table):
        analyze_table(connection, above)
    return total


def _above(connection: Connection, table: TableName) -> list[TableName]:
    """What a table inherits from, however far above."""
    name = table_identifier(table).as_string(connection)
    with site_errors(site_name(connection)):
        rows = connection.execute(_ABOVE, (name,)).fetchall()
    return [TableName(schema, name, is_root=is_root) for schema, name, is_root in rows]


def _alone(connection: Connection, table: TableName) -> sql.Composable:
    """A table for VACUUM or ANALYZE, without what inherits from it. Partitions aren't spared."""
    if table.is_root or connection.info.server_version < _TREES_TOO:
        return table_identifier(table)
    return sql.SQL("ONLY {}").format(table_identifier(table))


def analyze_table(connection: Connection, table: TableName) -> None:
    """Take a table's statistics anew, and those of its partitions. Raises `SiteRefused` where the
    server skipped it."""
    warned: list[str] = []

    def listen(diagnostic: psycopg.errors.Diagnostic) -> None:
        if diagnostic.severity_nonlocalized == "WARNING":
            warned.append(diagnostic.message_primary or "")

    with site_errors(site_name(connection)):
        connection.add_notice_handler(listen)
        try:
            connection.execute(sql.SQL("ANALYZE {}").format(_alone(connection, table)))
        finally:
            connection.remove_notice_handler(listen)
    if warned:
        raise _skipped(connection, table)


def _skipped(connection: Connection, table: TableName) -> SiteRefused:
    return SiteRefused(
        f"site {site_name(connection)}: the server did not rewrite table {table}",
        expected="a user that owns the table or may MAINTAIN it",
        next_step="grant the table's owning role to the site's user",
    )


def rewrite_statistics(
    connection: Connection, tables: Iterable[TableName] = (), *, large_objects: bool = False
) -> str | None:
    """Write the planner's statistics anew, which keep sampled values of rows even after they were
    replaced, without samples of these tables that ANALYZE does not replace; before that the
    contents of ``large_objects``, where some were removed. The connection must be in autocommit
    mode.

    Returns None where erased values are gone from them, else the reason why they may not be. Call
    it after `rewrite_table` of every table: only ANALYZE replaces a table's samples.
    """
    reasons = [_rewrite_catalogues(connection, _LARGE_OBJECTS) if large_objects else None]
    reasons.append(forget_stale_samples(connection, tables, large_objects=large_objects))
    reasons.append(_rewrite_catalogues(connection, _STATISTICS))
    return "; ".join(filter(None, reasons)) or None


def _rewrite_catalogues(connection: Connection, catalogues: Sequence[TableName]) -> str | None:
    """The reason why one of them could not be written anew. Short queries of others are awaited."""
    until = monotonic() + _SHORT_S
    for catalogue in catalogues:
        kept = _vacuum_full(connection, catalogue, PATIENCE_S)
        while kept and kept > 0 and monotonic() < until:
            sleep(_PAUSE_S)
            kept = _vacuum_full(connection, catalogue, PATIENCE_S)
        if kept is None:
            return f"rewriting {catalogue} takes the database's owner or a superuser"
        if kept < 0:
            return f"others used {catalogue} all the while"
        if kept:
            return f"{kept} dead rows of {catalogue} may still be read by an older snapshot"
    return None


def checkpoint(connection: Connection) -> str | None:
    """Write everything to the data files now. Returns the reason where that is not permitted: the
    server does it by itself within checkpoint_timeout."""
    try:
        connection.execute("CHECKPOINT")
    except psycopg.errors.InsufficientPrivilege:
        if not connection.autocommit:
            connection.rollback()
        return "CHECKPOINT takes a superuser or a member of pg_checkpoint"
    except psycopg.Error:
        with site_errors(site_name(connection)):
            raise
    return None


def _vacuum_full(connection: Connection, table: TableName, patience_s: int) -> int | None:
    """How many dead rows were kept; -1 where the table could not be had; None where the server
    skipped the table: it only warns, so that its file, which must be a new one, is the proof."""
    details: list[str] = []

    def listen(diagnostic: psycopg.errors.Diagnostic) -> None:
        if diagnostic.message_detail:
            details.append(diagnostic.message_detail)

    name = table_identifier(table)
    with site_errors(site_name(connection)):
        before = _file_node(connection, name)
        connection.add_notice_handler(listen)
        try:
            with patience(connection, patience_s):
                connection.execute(
                    sql.SQL("VACUUM (FULL, ANALYZE, VERBOSE) {}").format(_alone(connection, table))
                )
        except psycopg.errors.LockNotAvailable:
            return -1
        finally:
            connection.remove_notice_handler(listen)
        after = _file_node(connection, name)
    if before == after:
        return None
    # The first detail is the rewrite's: "N dead row versions cannot be removed yet."
    first_line = details[0].partition("\n")[0] if details else ""
    number = _NUMBER.search(first_line)
    return int(number[0]) if number else 0


@contextmanager
def patience(connection: Connection, seconds: int) -> Iterator[None]:
    """Wait so long for a lock, and no longer: who waits for a table stands before all who come
    after. The connection must be in autocommit mode."""
    connection.execute("SELECT set_config('lock_timeout', %s, false)", (f"{seconds}s",))
    try:
        yield
    finally:
        if not connection.closed:
            connection.execute("SET lock_timeout = 0")


def _file_node(connection: Connection, name: sql.Identifier) -> int:
    row = connection.execute(
        "SELECT pg_catalog.pg_relation_filenode(CAST(%s AS pg_catalog.regclass))",
        (name.as_string(connection),),
    ).fetchone()
    return int(row[0]) if row is not None else 0
