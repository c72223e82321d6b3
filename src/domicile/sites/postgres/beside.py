"""Copies of a database's rows beside it, of which its server knows: who reads its write-ahead log,
for whom it is kept, whether it is archived, and the temporary tables of other sessions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import LiteralString

from psycopg.rows import class_row

from domicile.sites.postgres.connect import Connection, site_name
from domicile.sites.postgres.failures import site_errors

__all__ = ["Beside", "copies_beside", "in_our_schema"]

_ATTEST = "or have its keeper attest what is there"

_READERS: LiteralString = """
SELECT DISTINCT coalesce(nullif(application_name, ''), 'unnamed') AS reader,
  'replica ' || coalesce(nullif(application_name, ''), 'unnamed') AS name,
  'it receives every change' AS reason,
  'name it as a site, with the application_name that it connects with' AS next_step
FROM pg_catalog.pg_stat_replication ORDER BY 2
"""
_SLOTS: LiteralString = """
SELECT coalesce(r.application_name, '') AS reader, 'replication slot ' || s.slot_name AS name,
  pg_catalog.format('it keeps the write-ahead log%s, and in it rows that were erased since',
    ' of ' || pg_catalog.pg_size_pretty(CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL
      ELSE pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), s.restart_lsn) END))
    AS reason,
  'drop it (pg_drop_replication_slot) once nobody needs it' AS next_step
FROM pg_catalog.pg_replication_slots s
LEFT JOIN pg_catalog.pg_stat_replication r ON r.pid = s.active_pid
WHERE s.database IS NULL OR s.database = pg_catalog.current_database() ORDER BY 2
"""
_ARCHIVE: LiteralString = """
SELECT '' AS reader, 'archive of the write-ahead log' AS name,
  'every change is archived (archive_mode is ' || pg_catalog.current_setting('archive_mode')
    || '), rows that were erased since too' AS reason,
  'let its files expire' AS next_step
WHERE pg_catalog.current_setting('archive_mode') <> 'off'
"""
# Of ours are these tables alone, with these columns (`domicile.move.rows`).
_IN_OUR_SCHEMA: LiteralString = """
SELECT '' AS reader, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name,
  'it lies in a schema of the name in which Domicile keeps its own records at home, and is none of'
    ' them' AS reason,
  'move it into a schema of another name' AS next_step
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'domicile' AND c.relkind IN ('r', 'p', 'f', 'm') AND (c.relname::text, ARRAY(
    SELECT a.attname::text FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)) NOT IN (
  ('shard_markers', ARRAY['run', 'shard', 'rows', 'sha256', 'copied_at']),
  ('large_objects', ARRAY['oid', 'sha256']),
  ('copies', ARRAY['cluster', 'transaction', 'run', 'shard', 'kind', 'schema', 'table']))
ORDER BY 2
"""


# But those of our own sessions. A standby has their names, and none of their rows.
_TEMPORARY: LiteralString = """
SELECT '' AS reader, 'temporary tables of other sessions' AS name,
  pg_catalog.format('%s tables that their sessions alone can read',
    pg_catalog.count(*)) AS reason,
  'end these sessions' AS next_step
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_roles r ON r.oid = c.relowner
WHERE c.relpersistence = 't' AND c.relkind = 'r' AND NOT pg_catalog.pg_is_in_recovery()
  AND NOT (c.relname LIKE 'domicile\\_%' AND r.rolname = current_user)
HAVING pg_catalog.count(*) > 0
"""


@dataclass(frozen=True, slots=True)
class Beside:
    """One copy that is not in reach from here. reader: the name under which it connects, where it
    does; name: what it is called in the records."""

    reader: str
    name: str
    reason: str
    next_step: str

    @property
    def sentence(self) -> str:
        """Why it is not examined, and what to do."""
        return f"{self.reason}: {self.next_step}, {_ATTEST}"


def in_our_schema(connection: Connection) -> list[Beside]:
    """Relations that nothing else reads, for the name of their schema. Raises `SiteError`."""
    with (
        site_errors(site_name(connection)),
        connection.cursor(row_factory=class_row(Beside)) as cursor,
    ):
        return cursor.execute(_IN_OUR_SCHEMA).fetchall()


def copies_beside(connection: Connection) -> list[Beside]:
    """What the server tells of. Raises `SiteError`."""
    found: list[Beside] = []
    with site_errors(site_name(connection)):
        for query in (_READERS, _SLOTS, _ARCHIVE, _TEMPORARY):
            with connection.cursor(row_factory=class_row(Beside)) as cursor:
                found += cursor.execute(query).fetchall()
    return found
