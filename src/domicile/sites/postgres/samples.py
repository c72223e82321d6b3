"""Sampled values in the planner's statistics that ANALYZE does not replace.

It leaves them as they were where it finds no row (an emptied table, a tree of tables, a partial
index that covers none) and where a column's statistics target is 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import LiteralString, NamedTuple

from psycopg import sql

from domicile.sites.postgres.connect import Connection, site_name
from domicile.sites.postgres.failures import site_errors
from domicile.sites.postgres.model import TableName
from domicile.sites.postgres.selecting import table_identifier

__all__ = ["forget_stale_samples"]

_CLEARS_ONE = 180_000
"""Servers from this version on let who may MAINTAIN a table remove a column's statistics."""
_RELATED: LiteralString = """
WITH RECURSIVE
  up AS (SELECT CAST(%(table)s AS pg_catalog.regclass)::oid AS oid
    UNION SELECT i.inhparent FROM pg_catalog.pg_inherits i JOIN up ON i.inhrelid = up.oid),
  down AS (SELECT CAST(%(table)s AS pg_catalog.regclass)::oid AS oid
    UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits i JOIN down ON i.inhparent = down.oid)
SELECT c.oid, n.nspname, c.relname FROM (TABLE up UNION TABLE down) AS r
  JOIN pg_catalog.pg_class c USING (oid) JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'm') ORDER BY 2, 3
"""
_PARTIAL: LiteralString = """
SELECT indexrelid, pg_catalog.pg_get_expr(indpred, indrelid) FROM pg_catalog.pg_index
  WHERE indrelid = %s AND indexprs IS NOT NULL AND indpred IS NOT NULL
"""
_STALE: LiteralString = """
SELECT c.oid, a.attnum, s.inherited, s.schemaname, s.tablename, s.attname
  FROM pg_catalog.pg_stats s
  JOIN pg_catalog.pg_namespace n ON n.nspname = s.schemaname
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = s.tablename
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = s.attname
  LEFT JOIN pg_catalog.pg_index x ON x.indexrelid = c.oid
  WHERE coalesce(x.indrelid, c.oid) = %(oid)s
    AND (a.attstattarget = 0 OR c.oid = ANY(CAST(%(covering_none)s AS oid[]))
      OR CASE WHEN s.inherited THEN %(tree_is_empty)s ELSE %(is_empty)s END)
"""
_STALE_TOGETHER: LiteralString = """
SELECT e.oid, s.inherited, s.statistics_schemaname || '.' || s.statistics_name
  FROM (SELECT statistics_schemaname, statistics_name, inherited FROM pg_catalog.pg_stats_ext
      WHERE most_common_vals IS NOT NULL
    UNION SELECT statistics_schemaname, statistics_name, inherited
      FROM pg_catalog.pg_stats_ext_exprs) AS s
  JOIN pg_catalog.pg_namespace n ON n.nspname = s.statistics_schemaname
  JOIN pg_catalog.pg_statistic_ext e ON e.stxnamespace = n.oid AND e.stxname = s.statistics_name
  WHERE e.stxrelid = %(oid)s
    AND (e.stxstattarget = 0
      OR CASE WHEN s.inherited THEN %(tree_is_empty)s ELSE %(is_empty)s END)
"""


class _Relation(NamedTuple):
    """A table and what of it has no rows: itself, it with what inherits from it, and partial
    indexes, which cover none."""

    oid: int
    is_empty: bool
    tree_is_empty: bool
    covering_none: list[int]


def forget_stale_samples(
    connection: Connection, tables: Iterable[TableName], *, large_objects: bool = False
) -> str | None:
    """Remove what ANALYZE left of the samples of these tables, of what they inherit from and of
    what inherits from them; and of ``large_objects``, where there are none any more. The connection
    must be in autocommit mode, and the tables analysed.

    Returns None where none is left, else which are, and who can remove them.
    """
    with site_errors(site_name(connection)):
        power = connection.execute("SELECT current_setting('is_superuser') = 'on'").fetchone()
        is_superuser = power is not None and bool(power[0])
        left = [
            one
            for table in dict.fromkeys(tables)
            for relation in _related(connection, table)
            for one in _forget(connection, relation, is_superuser=is_superuser)
        ]
        if large_objects:
            left += _forget_large_objects(connection, is_superuser=is_superuser)
    if not left:
        return None
    kept = ", ".join(dict.fromkeys(left))
    return f"samples that ANALYZE does not replace, and a superuser can remove: {kept}"


def _related(connection: Connection, table: TableName) -> Iterator[_Relation]:
    name = table_identifier(table).as_string(connection)
    for oid, schema, relation in connection.execute(_RELATED, {"table": name}).fetchall():
        rows = table_identifier(TableName(schema, relation))
        own = sql.SQL("ONLY {}").format(rows)
        covering_none = [
            index
            for index, condition in connection.execute(_PARTIAL, (oid,)).fetchall()
            if not _exists(connection, sql.SQL("{} WHERE {}").format(own, sql.SQL(condition)))
        ]
        is_empty = not _exists(connection, own)
        yield _Relation(oid, is_empty, is_empty and not _exists(connection, rows), covering_none)


def _exists(connection: Connection, rows: sql.Composable) -> bool:
    found = connection.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(rows)).fetchone()
    return found is not None and bool(found[0])


def _forget(connection: Connection, relation: _Relation, *, is_superuser: bool) -> Iterator[str]:
    """Those that could not be removed."""
    stale = connection.execute(_STALE, relation._asdict()).fetchall()
    for oid, number, inherited, schema, table, column in stale:
        if is_superuser:
            connection.execute(
                "DELETE FROM pg_catalog.pg_statistic"
                " WHERE starelid = %s AND staattnum = %s AND stainherit = %s",
                (oid, number, inherited),
            )
        elif connection.info.server_version >= _CLEARS_ONE:
            connection.execute(
                "SELECT pg_catalog.pg_clear_attribute_stats(%s, %s, %s, %s)",
                (schema, table, column, inherited),
            )
        else:
            yield f"{schema}.{table}.{column}"
    together = connection.execute(_STALE_TOGETHER, relation._asdict()).fetchall()
    for oid, inherited, name in together:
        if is_superuser:
            connection.execute(
                "DELETE FROM pg_catalog.pg_statistic_ext_data"
                " WHERE stxoid = %s AND stxdinherit = %s",
                (oid, inherited),
            )
        else:
            yield str(name)


def _forget_large_objects(connection: Connection, *, is_superuser: bool) -> Iterator[str]:
    if _exists(connection, sql.SQL("pg_catalog.pg_largeobject_metadata")):
        return
    if is_superuser:
        connection.execute(
            "DELETE FROM pg_catalog.pg_statistic"
            " WHERE starelid = 'pg_catalog.pg_largeobject'::pg_catalog.regclass"
        )
    else:
        yield "pg_catalog.pg_largeobject"
