"""After an erasure: rewrite what still holds the old rows' bytes, and say what remains.

DELETE and a plain VACUUM leave values readable in heap pages, index pages, TOAST and the planner's
statistics; VACUUM FULL writes all of these anew and drops the old files. ANALYZE leaves an empty
table's old statistics as they are, so that these are removed.
"""

from __future__ import annotations

import re

import psycopg
from psycopg import sql

from domicile.errors import SiteRefused
from domicile.sites.postgres.connect import Connection, site_name
from domicile.sites.postgres.failures import site_errors
from domicile.sites.postgres.model import TableName
from domicile.sites.postgres.selecting import table_identifier

__all__ = ["checkpoint", "refresh_view", "rewrite_statistics", "rewrite_table"]

_NUMBER = re.compile(r"\d+")
# Without a page, in itself and whatever lies below it, and with samples of what was there.
_EMPTIED = """
SELECT c.oid::bigint, c.oid::pg_catalog.regclass::text
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't' AND n.nspname !~ '^pg_'
  AND n.nspname <> 'information_schema'
  AND NOT EXISTS (
    WITH RECURSIVE below(oid) AS (SELECT c.oid UNION ALL
      SELECT i.inhrelid FROM below JOIN pg_inherits i ON i.inhparent = below.oid)
    SELECT FROM below JOIN pg_class b ON b.oid = below.oid AND b.relkind <> 'p'
    WHERE pg_relation_size(b.oid) > 0)
  AND (EXISTS (SELECT FROM pg_stats s WHERE (s.schemaname, s.tablename) = (n.nspname, c.relname))
    OR EXISTS (SELECT FROM pg_stats_ext s
      WHERE (s.schemaname, s.tablename) = (n.nspname, c.relname)))
ORDER BY 2
"""
_STATISTICS = (
    TableName("pg_catalog", "pg_statistic"),
    TableName("pg_catalog", "pg_statistic_ext_data"),
)


def rewrite_table(connection: Connection, table: TableName) -> int:
    """Write heap, TOAST and indexes of a table anew, or of all its partitions; and its statistics.

    The connection must be in autocommit mode; the table is locked meanwhile. Returns how many
    dead rows had to be kept because an older snapshot may still read them (see `remains`): where
    it is not 0, erased values are still in the files; rewrite again when the snapshot is gone.
    Raises `SiteRefused` where the server skipped the table (not its owner), and `SiteError`.
    """
    total = 0
    leaves = _leaves(connection, table)
    for leaf in leaves:
        kept = _vacuum_full(connection, leaf)
        if kept is None:
            raise SiteRefused(
                f"site {site_name(connection)}: the server did not rewrite table {leaf}",
                expected="a user that owns the table or may MAINTAIN it",
                next_step="grant the table's owning role to the site's user",
            )
        total += kept
    if leaves != [table]:  # what is sampled over all partitions is kept with those above them
        with site_errors(site_name(connection)):
            connection.execute(sql.SQL("ANALYZE {}").format(table_identifier(table)))
    return total


def refresh_view(connection: Connection, view: TableName) -> None:
    """Store a materialised view's answer anew, from what its tables hold now. Raises `SiteError`
    (its owner may)."""
    with site_errors(site_name(connection)):
        connection.execute(sql.SQL("REFRESH MATERIALIZED VIEW {}").format(table_identifier(view)))


def rewrite_statistics(connection: Connection) -> str | None:
    """Write the planner's statistics anew, which keep sampled values of rows even after they were
    replaced. The connection must be in autocommit mode.

    Returns None where erased values are gone from them, else the reason why they may not be. Call
    it after `rewrite_table` of every table: only ANALYZE replaces a table's samples.
    """
    stale = _forget_emptied(connection)
    if stale:
        return (
            f"samples of tables that are empty now stay, to remove them takes a superuser: {stale}"
        )
    for catalogue in _STATISTICS:
        kept = _vacuum_full(connection, catalogue)
        if kept is None:
            return f"rewriting {catalogue} takes the database's owner or a superuser"
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


def _vacuum_full(connection: Connection, table: TableName) -> int | None:
    """How many dead rows were kept; None where the server skipped the table: it only warns, so
    that the table's file, which must be a new one, is the proof."""
    details: list[str] = []

    def listen(diagnostic: psycopg.errors.Diagnostic) -> None:
        if diagnostic.message_detail:
            details.append(diagnostic.message_detail)

    name = table_identifier(table)
    with site_errors(site_name(connection)):
        before = _file_node(connection, name)
        connection.add_notice_handler(listen)
        try:
            connection.execute(sql.SQL("VACUUM (FULL, ANALYZE, VERBOSE) {}").format(name))
        finally:
            connection.remove_notice_handler(listen)
        after = _file_node(connection, name)
    if before == after:
        return None
    # The first detail is the rewrite's: "N dead row versions cannot be removed yet."
    first_line = details[0].partition("\n")[0] if details else ""
    number = _NUMBER.search(first_line)
    return int(number[0]) if number else 0


def _leaves(connection: Connection, table: TableName) -> list[TableName]:
    """The partitions that hold a table's rows; the table itself where it is not partitioned."""
    with site_errors(site_name(connection)):
        rows = connection.execute(
            "SELECT n.nspname, c.relname FROM pg_partition_tree(CAST(%s AS pg_catalog.regclass)) p"
            " JOIN pg_class c ON c.oid = p.relid JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE p.isleaf ORDER BY 1, 2",
            (table_identifier(table).as_string(connection),),
        ).fetchall()
    return [TableName(*row) for row in rows] or [table]


def _forget_emptied(connection: Connection) -> str:
    """Remove the statistics of tables and trees without a page. Which could not be removed, in
    words."""
    with site_errors(site_name(connection)):
        rows = connection.execute(_EMPTIED).fetchall()
        if not rows:
            return ""
        row = connection.execute("SELECT current_setting('is_superuser') = 'on'").fetchone()
        if not (row and row[0]):
            return ", ".join(str(name) for _, name in rows)
        oids = [oid for oid, _ in rows]
        connection.execute("DELETE FROM pg_statistic WHERE starelid = ANY (%s::oid[])", (oids,))
        connection.execute(
            "DELETE FROM pg_statistic_ext_data WHERE stxoid IN"
            " (SELECT oid FROM pg_statistic_ext WHERE stxrelid = ANY (%s::oid[]))",
            (oids,),
        )
    return ""


def _file_node(connection: Connection, name: sql.Identifier) -> int:
    row = connection.execute(
        "SELECT pg_catalog.pg_relation_filenode(CAST(%s AS pg_catalog.regclass))",
        (name.as_string(connection),),
    ).fetchone()
    return int(row[0]) if row is not None else 0
